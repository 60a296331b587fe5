"""Route templates."""

from __future__ import annotations

import pytest

from local.host.refusals import HostError
from local.host.routes import Template


@pytest.mark.parametrize(
    ("template", "path", "found"),
    [
        ("api/jobs", "/API/Jobs/", {}),
        ("api/jobs/{id}", "/api/jobs/a%2Fb", {"id": "a/b"}),
        ("api/jobs/{id:int}", "/api/jobs/x", None),
        ("api/jobs/{id:int}", "/api/jobs/-7", {"id": "-7"}),
        ("api/{id:guid}", "/api/0f8fad5b-d9cb-469f-a165-70867728950e", {"id": "0f8fad5b-d9cb-469f-a165-70867728950e"}),
        ("api/{name?}", "/api", {}),
        ("api/{name?}", "/api/x", {"name": "x"}),
        ("api/{name?}", "/api/x/y", None),
        ("{*rest}", "/", {"rest": ""}),
        ("api/{*rest}", "/api/a/b%20c", {"rest": "a/b c"}),
        ("api/{*rest}", "/other", None),
        ("api/jobs", "/api", None),
    ],
)
def test_a_template_matches_whole_paths(template: str, path: str, found: dict[str, str] | None) -> None:
    """Literals in any case, parameters decoded after the path was split, constraints heeded."""
    assert Template.read(template).match(path) == found


@pytest.mark.parametrize("text", ["{a}-{b}", "{id:range(1,2)}", "{id:unknown}", "{*rest}/more", "{a?}/b", "{}"])
def test_what_is_not_understood_is_refused(text: str) -> None:
    """A template that could be matched otherwise than in Azure does not start."""
    with pytest.raises(HostError, match="route"):
        Template.read(text)
