from __future__ import annotations

import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shared.definitions.catalogue import examine
from shared.definitions.document import read_document
from shared.definitions.reach import Reach
from shared.errors import DefinitionError
from shared.values.problems import Problem

FOLDER = Path(__file__).parents[2] / "fixtures" / "definitions"
BASE = (FOLDER / "base.yaml").read_text(encoding="utf-8")


def cases() -> Iterator[Any]:
    for file in sorted(FOLDER.glob("*.yaml")):
        if file.name != "base.yaml":
            for case in read_document(file.read_text(encoding="utf-8")).value:
                yield pytest.param(case, id=f"{file.stem}: {case['case']}")


def text_of(case: dict[str, Any]) -> str:
    if "text" in case:
        return case["text"]
    text = BASE
    for old, new in case.get("replace", {}).items():
        assert old in text, f"the base holds no {old!r}"
        text = text.replace(old, new)
    return text + case.get("append", "")


def problems_of(text: str, reach: Reach) -> tuple[list[Problem], str]:
    """The problems, and everything that a log or a page might show of them."""
    try:
        _, problems = examine(text, name="base", reach=reach)
    except DefinitionError as error:
        return list(error.problems), "".join(traceback.format_exception(error)) + repr(error.__context__)
    return problems, "\n".join(map(str, problems))


@pytest.mark.parametrize("case", list(cases()))
def test_a_definition_has_exactly_the_problems_its_case_names(case: dict[str, Any]) -> None:
    """Every problem is found, in plain words, at its path; nothing else is complained about; no secret is shown."""
    problems, shown = problems_of(text_of(case), Reach.model_validate(case.get("reach", {})))
    problems = sorted(problems, key=lambda problem: problem.path)
    expected = sorted(case["problems"], key=lambda wanted: wanted["path"])
    assert [problem.path for problem in problems] == [wanted["path"] for wanted in expected], problems
    for problem, wanted in zip(problems, expected, strict=True):
        assert problem.severity.value == wanted.get("severity", "error")
        for phrase in wanted["says"]:
            assert phrase in str(problem)
        assert problem.remedy
    for secret in case.get("never", []):
        assert secret not in shown
