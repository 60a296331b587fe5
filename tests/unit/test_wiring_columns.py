"""A source's own columns, held against a schema."""

from __future__ import annotations

import pytest

from shared.values.problems import Severity
from shared.wiring.columns import missing_columns


def test_all_missing_columns_are_one_problem() -> None:
    """Each with the name that is most like it, beside what the source has; many are cut short."""
    (problem,) = missing_columns(["a", "x"], ["a", "b"], steps=False)
    assert (problem.path, problem.found) == ("source.schema", "the source has no column 'x'")
    assert problem.remedy == "it has 'a', 'b'"
    (problem,) = missing_columns(["a", "name", "city"], ["a", "Nmae", "zip"], steps=False)
    assert problem.found == "the source lacks 2 columns of the schema: 'name' (did you mean 'Nmae'?), 'city'"
    (problem,) = missing_columns([f"c{n:02}" for n in range(30)], ["1", "2"], steps=False)
    assert "lacks 30 columns" in problem.found
    assert "'c19' and 10 more" in problem.found
    assert problem.remedy == "it has '1', '2'; is it another file, or has it no header?"


def test_a_dotted_name_leads_into_an_object() -> None:
    """Where names are ways, the first step decides, or a column of that very name; elsewhere a dot is a sign."""
    assert missing_columns(["person.first", "a.b"], ["person", "a.b"], steps=True) == []
    assert len(missing_columns(["other.first"], ["person"], steps=True)) == 1
    assert len(missing_columns(["person.first"], ["person"], steps=False)) == 1


@pytest.mark.parametrize(("sign", "written"), [(";", '";"'), ("|", '"|"'), ("\t", '"\\t"'), (",", '","')])
def test_another_delimiter_is_one_problem(sign: str, written: str) -> None:
    """Eight columns that are missing for one reason are told once."""
    names = [f"column {number}" for number in range(8)]
    (problem,) = missing_columns(names, [sign.join(names)], steps=False)
    assert (problem.path, problem.remedy) == ("source.delimiter", f"state it as `delimiter: {written}`")


def test_a_name_with_a_sign_is_no_delimiter() -> None:
    """The only column may be called so, and parts that nobody asked for tell nothing."""
    assert missing_columns(["a;b"], ["a;b"], steps=False) == []
    assert [one.path for one in missing_columns(["x", "y"], ["a;b"], steps=False)] == ["source.schema"]


def test_a_member_that_records_lack_is_a_warning() -> None:
    """A job takes it for absent; only where none of the columns is there does it fail."""
    assert [one.severity for one in missing_columns(["a", "x"], ["a"], steps=True)] == [Severity.WARNING]
    assert [one.severity for one in missing_columns(["x"], ["a"], steps=True)] == [Severity.ERROR]
