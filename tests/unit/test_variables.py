from __future__ import annotations

import pytest

from shared.variables import code_pieces, names, render, template_pieces


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("country = @region AND credit >= 0", {"region"}),
        ("mail = 'user@example.com'", set()),
        ("name = 'O''Brien @x' OR a = @y", {"y"}),
        ('"odd@column" = @z', {"z"}),
        ("a@b", set()),
        ("@a+@b", {"a", "b"}),
    ],
)
def test_code_finds_variables_outside_quotes_only(text: str, expected: set[str]) -> None:
    """A variable inside a quoted text is text."""
    assert names(code_pieces(text)) == expected


def test_a_value_is_never_pasted_by_rendering_code() -> None:
    """What stands for a variable is what `value` returns, whatever the variable's value holds."""
    assert render(code_pieces("a = @x AND b = '@x'"), lambda name: f"${name}") == "a = $x AND b = '@x'"


def test_a_template_has_variables_everywhere_and_a_doubled_at_sign() -> None:
    """`@@` is a plain at sign in a path or an address."""
    assert render(template_pieces("/in/@day/me@@here.csv"), lambda name: f"<{name}>") == "/in/<day>/me@here.csv"
