"""Claims as nobody has thought of them: a caller, or 401 with a problem document; never a fault of the program."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.examples import examples
from tests.unit.web.conftest import NOW, TENANT, Api, Opener

KNOWN = [
    "oid", "tid", "exp", "scp", "idtyp", "roles", "groups", "name", "preferred_username", "azp",
    "http://schemas.microsoft.com/identity/claims/objectidentifier",
    "http://schemas.microsoft.com/identity/claims/tenantid",
]  # fmt: skip
SOUND = {"oid": "5d000000-0000-4000-8000-000000000001", "tid": TENANT, "preferred_username": "nia@contoso.com"}
SURROGATE = "\ud800"
TEXTS = st.text(st.characters(codec=None), max_size=20) | st.sampled_from(
    ["NaN", "nan", "inf", "-inf", "1e999", "9" * 400, "", " 1", "1_0", "٣", SURROGATE, "\x00", "dynsync.admin", TENANT]
)
ANYTHING: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
CLAIM = st.fixed_dictionaries({"typ": st.sampled_from(KNOWN) | TEXTS, "val": TEXTS}) | ANYTHING
PRINCIPALS = st.fixed_dictionaries(
    {"auth_typ": st.just("aad"), "claims": st.lists(CLAIM, max_size=8) | ANYTHING},
    optional={"role_typ": ANYTHING, "name_typ": ANYTHING},
) | ANYTHING  # fmt: skip


def header(told: object) -> dict[str, str]:
    return {"x-ms-client-principal": base64.b64encode(json.dumps(told).encode()).decode()}


def claims(*more: tuple[str, Any], **sound: Any) -> dict[str, str]:
    """The header of a sound reader of the whole app, with claims replaced and added."""
    pairs = [*(SOUND | sound).items(), ("roles", "dynsync.admin"), *more]
    return header({"auth_typ": "aad", "claims": [{"typ": name, "val": value} for name, value in pairs]})


def refused(api: Api, headers: dict[str, str]) -> bool:
    """Whether the caller is not believed; says so by a problem document and starts nothing."""
    answer = api.call("POST", "/api/syncs/accounts/jobs", json_body={}, headers=headers)
    if answer.status == 202:
        return False
    assert answer.status == 401, answer.body
    assert answer.content_type == "application/problem+json"
    assert json.loads(answer.body)["type"] == "urn:dynsync:problem:not-signed-in"
    return True


@pytest.mark.parametrize(
    "value",
    [
        "NaN", "nan", "inf", "Infinity", "-inf", "1e999", "soon", " ", "9" * 400, "1_000_000_000_000", "٣",
        1_900_000_000, float("nan"), None, [], {"exp": "1"}, True,
    ],
)  # fmt: skip
def test_an_end_that_is_no_time_is_not_believed(open_api: Opener, value: Any) -> None:
    """A comparison with what is no number is never true, so such an identity would never end."""
    assert refused(open_api(), claims(exp=value))


@pytest.mark.parametrize(
    ("name", "value"),
    [("exp", "1"), ("oid", "another"), ("tid", "another"), (KNOWN[-1], "another"), (KNOWN[-2], "another")],
)
def test_a_claim_that_says_two_things_is_not_believed(open_api: Opener, name: str, value: str) -> None:
    """Who, whose and until when are said once; the same twice is once."""
    good = str(int(NOW.timestamp()) + 60)
    assert refused(open_api(), claims((name, value), exp=good))
    assert not refused(open_api(), claims(("oid", SOUND["oid"]), ("tid", TENANT), ("exp", good), exp=good))


def test_members_given_twice_are_not_believed(open_api: Opener) -> None:
    """Of two readers one would take the first and one the last."""
    text = json.dumps([{"typ": name, "val": value} for name, value in SOUND.items()])
    twice = f'{{"auth_typ": "aad", "claims": {text}, "claims": {text}}}'
    assert refused(open_api(), {"x-ms-client-principal": base64.b64encode(twice.encode()).decode()})


@pytest.mark.parametrize("value", [["a"], {"a": "b"}, 7, None, True, SURROGATE, f"Nia {SURROGATE}"])
@pytest.mark.parametrize("name", ["oid", "name", "roles", "tid", "anything"])
def test_a_claim_that_is_no_text_is_not_believed(open_api: Opener, name: str, value: Any) -> None:
    """Nested values, numbers, and halves of a character that no store can keep."""
    assert refused(open_api(), claims((name, value)))


@settings(max_examples=examples(300), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(told=PRINCIPALS)
def test_nothing_that_is_claimed_breaks_the_app(api: Api, told: object) -> None:
    """Whatever stands in the header: an answer of the API, never 500."""
    for method, path in (("GET", "/api/jobs"), ("GET", "/api/health"), ("POST", "/api/syncs/accounts/jobs")):
        body = {} if method == "POST" else None
        answer = api.call(method, path, json_body=body, headers=header(told))
        assert answer.status in (200, 202, 401, 403, 404), answer.body
        if answer.status >= 400:
            assert answer.content_type == "application/problem+json"


@settings(max_examples=examples(100))
@given(content=st.binary(max_size=200) | TEXTS.map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_no_header_breaks_the_reading_of_it(content: bytes) -> None:
    """Bytes that are no JSON, and headers that are no base64."""
    from shared.errors import NotSignedInError
    from shared.web.call import Request
    from shared.web.identity import caller_of
    from shared.wiring.hosted import Trust
    from shared.wiring.settings import Settings

    for sent in (base64.b64encode(content).decode(), content.decode("latin-1")):
        request = Request("GET", "/api/syncs", headers={"x-ms-client-principal": sent})
        with pytest.raises(NotSignedInError):
            caller_of(request, Trust(platform=True), Settings.from_environment({}), NOW)
