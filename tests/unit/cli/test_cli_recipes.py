"""Texts that mean numbers or truth values: how a first definition reads them."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from shared.cli.draft import Draft, render
from shared.cli.looking import SourceLook
from shared.cli.proposals import Match, Proposal
from shared.cli.recipes import writings
from shared.definitions.loading import parse_sync
from shared.definitions.sync import SyncDefinition
from shared.expressions import parse
from shared.sql import identifier, literal
from shared.values.tables import ColumnKind
from tests.unit.cli.cases import LOOK, column


@pytest.mark.parametrize(
    ("cells", "writing"),
    [
        (["1.234,56", "7", ""], (",",)),
        (["12,5"], (",",)),
        (["1,234"], ()),
        (["1.234"], ()),
        (["1.5", "2,5"], ()),
        (["Ja", "nein", " "], ("ja", "nein")),
        (["ja", "maybe"], ()),
        ([""], ()),
    ],
)
def test_how_texts_are_written(tmp_path: Path, cells: list[str], writing: tuple[str, ...]) -> None:
    """Decimal commas and other words for yes and no, where the sample leaves no doubt."""
    path = tmp_path / "x.csv"
    path.write_text("no;size\n" + "".join(f"a{n};{cell}\n" for n, cell in enumerate(cells)), encoding="utf-8")
    found = writings(path, delimiter=";", encoding="utf-8", names=["size"])
    assert found == ({"size": writing} if writing else {})


def test_texts_that_mean_numbers_are_calculated() -> None:
    """The definition reads them by a formula where the sample tells how, else a comment says how it is done."""
    columns = [column("creditlimit", ColumnKind.MONEY), column("donotemail", ColumnKind.BOOLEAN)]
    columns += [column("revenue", ColumnKind.MONEY), column("name")]
    names = ['Kredit "Limit"', "donotemail", "umsatz", "name"]
    draft = Draft(
        name="my-sync",
        path="x.csv",
        look=SourceLook(
            LOOK.settings,
            tuple({"name": name, "type": "text"} for name in names),
            writings={names[0]: (",",), names[1]: ("ja", "nein")},
        ),
        connection={
            "entity": "account",
            "service_url": "https://org.crm4.dynamics.com",
            "client_id": {"secret": "my-sync--id"},
            "client_secret": {"secret": "my-sync--pw"},
        },
        id_column="accountid",
        mappings=tuple(Proposal(name, one.name, Match.STATED, one) for name, one in zip(names, columns, strict=True)),
        key=("name",),
        currency="EUR",
    )
    text = render(draft)
    sync = parse_sync(text, name="my-sync")
    assert [(one.source, one.target) for one in sync.mappings] == [
        ("creditlimit", "creditlimit"),
        ("donotemail (read)", "donotemail"),
        ("umsatz", "revenue"),
        ("name", "name"),
    ]
    assert "1.234,56 a calculated column: CAST(" in text
    values = {'Kredit "Limit"': "1.234,56", "donotemail": "Nein"}
    assert [_value(sync, name, values) for name in ("creditlimit", "donotemail (read)")] == ["1234.5600000000", "false"]


def _value(sync: SyncDefinition, name: str, values: dict[str, str]) -> object:
    """What the calculated column gives for one record of texts."""
    calculated = sync.source.column(name)
    assert calculated is not None
    assert calculated.formula is not None
    expression = parse(calculated.formula, columns=dict.fromkeys(values, "text")).sql(identifier)
    record = ", ".join(f"{literal(value)} AS {identifier(key)}" for key, value in values.items())
    with duckdb.connect() as connection:
        return connection.execute(f"SELECT ({expression})::VARCHAR FROM (SELECT {record})").fetchall()[0][0]
