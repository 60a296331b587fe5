"""Runs the few forms of Kusto's language that the alerts and the workbook use, each line as one step of SQL.

Whatever else a query says is refused, so a query that passes has been run. The real engine has the last word.
"""

from __future__ import annotations

import re

import duckdb

_PLACE = re.compile(r"\{(\w+)\}")
_EXTRACT = r'extract\(@"(?P<pattern>[^"]*)", 1, Message\)'
_SUM = r"\w+ = (?:count\(\)|(?:max|min|sum)\(\w+\))"
_CHOICE = r"iff\((?P<test>\w+ < \d+), (?P<yes>\w+), (?P<no>\w+ - \w+)\)"


class NotInTheSubsetError(Exception):
    """A line of a form that is not run here."""


def run(query: str, lines: list[str], **places: int) -> list[dict[str, object]]:
    """The rows that a query finds in log lines; `{name}` in it is filled from `places`."""
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE step_0 (TimeGenerated INTEGER, Message VARCHAR)")
        if lines:
            rows = ", ".join(f"({number}, {_quoted(line)})" for number, line in enumerate(lines))
            connection.execute(f"INSERT INTO step_0 VALUES {rows}")
        number = 0
        for line in steps(query, **places):
            connection.execute(f"CREATE TABLE step_{number + 1} AS {sql(line, f'step_{number}')}")
            number += 1
        cursor = connection.execute(f"SELECT * FROM step_{number}")
        names = [column[0] for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def steps(query: str, **places: int) -> list[str]:
    """The lines after `AppTraces`, without comments and with their places filled."""
    text = _PLACE.sub(lambda found: str(places[found[1]]), query)
    table, *others = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("//")]
    if table != "AppTraces":
        raise NotInTheSubsetError(table)
    return others


def sql(line: str, table: str) -> str:
    """One step as SQL."""
    if found := re.fullmatch(r"\| where (Message startswith .*)", line):
        parts = [re.fullmatch(r'Message startswith "([^"]+)"', part) for part in found[1].split(" or ")]
        tests = [f"starts_with(Message, {_quoted(part[1])})" for part in parts if part]
        if len(tests) == len(parts):
            return f"SELECT * FROM {table} WHERE {' OR '.join(tests)}"
    if found := re.fullmatch(rf"\| extend (?P<name>\w+) = {_EXTRACT}", line):
        return f"SELECT *, {_extracted(found['pattern'])} AS {found['name']} FROM {table}"
    if found := re.fullmatch(rf"\| extend (?P<name>\w+) = todouble\({_EXTRACT}\)", line):
        return f"SELECT *, TRY_CAST({_extracted(found['pattern'])} AS DOUBLE) AS {found['name']} FROM {table}"
    if found := re.fullmatch(rf"\| extend (?P<name>\w+) = {_CHOICE}", line):
        chosen = f"CASE WHEN {found['test']} THEN {found['yes']} ELSE {found['no']} END"
        return f"SELECT *, {chosen} AS {found['name']} FROM {table}"
    if found := re.fullmatch(r"\| where ((?:\w+(?: [*+] \w+)?) (?:>=|>|<|<=|==) (?:\w+(?: [*+] \w+)?))", line):
        return f"SELECT * FROM {table} WHERE {found[1].replace('==', '=')}"
    if found := re.fullmatch(rf"\| summarize ({_SUM}(?:, {_SUM})*) by (\w+(?:, \w+)*)", line):
        return f"SELECT {found[2]}, {_sums(found[1])} FROM {table} GROUP BY {found[2]}"
    if found := re.fullmatch(rf"\| summarize ({_SUM})", line):
        return f"SELECT {_sums(found[1])} FROM {table}"
    if found := re.fullmatch(r'\| extend (\w+) = "([^"]*)"', line):
        return f"SELECT *, {_quoted(found[2])} AS {found[1]} FROM {table}"
    if found := re.fullmatch(r"\| project (\w+(?:, \w+)*)", line):
        return f"SELECT {found[1]} FROM {table}"
    raise NotInTheSubsetError(line)


def _sums(text: str) -> str:
    """`a = count(), b = max(c)` as SQL."""
    parts = (part.split(" = ") for part in text.split(", "))
    return ", ".join(f"{function.replace('()', '(*)')} AS {name}" for name, function in parts)


def _extracted(pattern: str) -> str:
    return f"regexp_extract(Message, {_quoted(pattern)}, 1)"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
