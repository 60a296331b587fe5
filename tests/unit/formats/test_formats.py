"""Messages become events: four formats, and nothing that a message holds does harm."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.formats import MOST_EVENTS, Passed, Shape, Told, read_message
from shared.values.events import Bucket, Operation
from shared.values.records import Reject, RejectType

COLUMNS = ("no", "name", "credit", "address.city")
FLAT = Shape("json", COLUMNS, "op")
PLAIN = Shape("json", COLUMNS)
CLOUD = Shape("cloudevents", (*COLUMNS, "envelope.time"), "type")
DEBEZIUM = Shape("debezium", (*COLUMNS, "envelope.source.lsn"))
DATAVERSE = Shape(
    "dataverse", ("accountid", "name", "creditlimit", "ownerid", "modifiedon", "kinds"), None, frozenset({"ours"})
)


def read(shape: Shape, document: object, **properties: object) -> list[Told | Passed | Reject]:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return read_message(body, shape, properties)


def told(shape: Shape, document: object, **properties: object) -> Told:
    (one,) = read(shape, document, **properties)
    assert isinstance(one, Told), one
    return one


def refused(shape: Shape, document: object, **properties: object) -> Reject:
    (one,) = read(shape, document, **properties)
    assert isinstance(one, Reject), one
    return one


# ---- flat JSON


def test_a_flat_message_tells_its_columns_and_nothing_else() -> None:
    """Numbers keep their digits, null is null, what is not there is absent, other members are left out."""
    one = told(FLAT, b'{"op":"insert","no":"0007","credit":1.10,"name":null,"address":{"city":"Delft"},"more":[1]}')
    assert one == Told(Operation.UPSERT, {"no": "0007", "name": None, "credit": "1.10", "address.city": "Delft"})
    assert told(FLAT, {"op": "DELETE ", "no": "1"}) == Told(Operation.DELETE, {"no": "1"})


def test_a_list_is_read_record_by_record() -> None:
    """A bad record is refused by itself, with its place in the message; its neighbours go on."""
    first, second, third = read(FLAT, [{"op": "u", "no": 1}, {"op": "burn", "no": 2}, 7])
    assert isinstance(first, Told)
    assert isinstance(second, Reject) and (second.row, second.type, second.found) == (
        2,
        RejectType.UNKNOWN_ACTION,
        "burn",
    )
    assert isinstance(third, Reject) and (third.row, third.type) == (3, RejectType.MALFORMED_ROW)


def test_without_an_action_every_message_is_an_upsert() -> None:
    """And with one, a message that does not name it is refused: nobody guesses between a change and a delete."""
    assert told(PLAIN, {"op": "delete", "no": "1"}).operation is Operation.UPSERT
    assert refused(FLAT, {"no": "1"}).type is RejectType.UNKNOWN_ACTION


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "not valid JSON"),
        (b"\xff\xfe", "not UTF-8"),
        (b'{"no":"1"', "not valid JSON"),
        (b'{"no":"1"} {"no":"2"}', "goes on behind"),
        (b'{"no":NaN}', "not valid JSON"),
        (b"[]", "holds no record"),
        (b"null", "is null, not an object"),
        (b'"text"', "is a text, not an object"),
        (b'{"no":"1","no":"2"}', "stands there twice"),
        (b'{"no":{"a":1,"a":2}}', "stands there twice"),
        (b'{"no":"\\u0000"}', "NUL character"),
        (b'{"no":"\\ud800"}', "surrogate"),
        (b"[" * 200_000, "nested too deeply"),
        (b'{"no":' * 20_000 + b"1" + b"}" * 20_000, "nested too deeply"),
        (b"[" + b'{"no":1},' * MOST_EVENTS + b'{"no":1}]', "at most 1,000"),
    ],
)
def test_hostile_bodies_are_refused_in_plain_words(body: bytes, reason: str) -> None:
    """Whatever it is, it becomes one reject that says what is wrong."""
    found = refused(PLAIN, body)
    assert reason in found.reason
    assert found.rejecting


# ---- CloudEvents


def cloud(**members: object) -> dict[str, object]:
    event = {"specversion": "1.0", "id": "e1", "source": "/erp", "type": "com.example.customer.updated"}
    return {**event, "time": "2025-03-01T12:00:00Z", "data": {"no": "1", "name": "Ada"}, **members}


def test_a_cloud_event_tells_its_data() -> None:
    """The type's last word names the operation, a version behind it does not count; attributes may be columns."""
    assert told(CLOUD, cloud()) == Told(
        Operation.UPSERT, {"no": "1", "name": "Ada", "envelope.time": "2025-03-01T12:00:00Z"}
    )
    assert told(CLOUD, cloud(type="com.example.customer.deleted.v2")).operation is Operation.DELETE
    assert refused(CLOUD, cloud(type="com.example.customer")).column == "type"


def test_an_attribute_never_stands_in_for_a_member() -> None:
    """The event's own id is no record's id: what the data lacks is absent."""
    assert told(Shape("cloudevents", ("id", "no")), cloud()).record == {"no": "1"}


def test_cloud_events_come_in_batches_lists_and_base64() -> None:
    """The JSON batch format, a list as data, and data in base64 or as a JSON text."""
    coded = base64.b64encode(b'{"no":"3"}').decode()
    later = {name: value for name, value in cloud(data_base64=coded).items() if name != "data"}
    text = cloud(data='{"no":"4"}', datacontenttype="application/json")
    parts = read(CLOUD, [cloud(data=[{"no": "1"}, {"no": "2"}]), later, text])
    assert [part.record["no"] for part in parts if isinstance(part, Told)] == ["1", "2", "3", "4"]


def test_a_binary_cloud_event_has_its_attributes_beside_the_body() -> None:
    """As the AMQP binding sends them: properties with a prefix, the body is the data."""
    properties = {"cloudEvents:specversion": "1.0", "cloudEvents:type": "customer.deleted", "cloudEvents:time": "t"}
    assert told(CLOUD, {"no": "1"}, **properties) == Told(Operation.DELETE, {"no": "1", "envelope.time": "t"})


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (cloud(specversion="0.3"), "specversion"),
        (cloud(data=7), "data is a number"),
        ({"specversion": "1.0", "type": "a.updated"}, "no data"),
        ({"specversion": "1.0", "type": "a.updated", "data_base64": "!!"}, "not base64"),
        (cloud(data="{", datacontenttype="application/json"), "not JSON"),
        (cloud(data='{"no":"1"}\n{"no":"2"}', datacontenttype="application/json"), "goes on behind its JSON value"),
        ({"no": "1"}, "specversion"),
    ],
)
def test_what_is_no_cloud_event_is_refused(event: object, reason: str) -> None:
    """With the part that is wrong."""
    assert reason in refused(CLOUD, event).reason


# ---- Debezium


def change(op: object, before: object = None, after: object = None) -> dict[str, object]:
    return {"before": before, "after": after, "op": op, "ts_ms": 5, "source": {"lsn": 77, "table": "customers"}}


@pytest.mark.parametrize("op", ["c", "r", "u"])
def test_a_debezium_change_tells_the_row_after_it(op: str) -> None:
    """With and without its schema; a value that was not sent because it did not change is absent."""
    row = {"no": "1", "name": "__debezium_unavailable_value", "credit": None}
    expected = Told(Operation.UPSERT, {"no": "1", "credit": None, "envelope.source.lsn": "77"})
    assert told(DEBEZIUM, change(op, after=row)) == expected
    assert told(DEBEZIUM, {"schema": {}, "payload": change(op, after=row)}) == expected


def test_a_debezium_delete_tells_the_row_before_it() -> None:
    """The tombstone that follows it is passed over, whichever way it comes."""
    assert told(DEBEZIUM, change("d", before={"no": "1"})).operation is Operation.DELETE
    for tombstone in (b"", b"null", {"payload": None, "schema": None}):
        (passed,) = read(DEBEZIUM, tombstone)
        assert isinstance(passed, Passed) and passed.bucket is Bucket.SKIPPED


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (change("t"), "empties the whole table"),
        (change("x"), "none of c, r, u and d"),
        (change(None), "none of c, r, u and d"),
        (change("d"), "replica identity"),
        (change("u", after="x"), "'after' is a text"),
        ({"payload": []}, "the payload is a list"),
    ],
)
def test_what_is_no_debezium_change_is_refused(event: object, reason: str) -> None:
    """A truncate above all: no event may empty a table."""
    assert reason in refused(DEBEZIUM, event).reason


# ---- Dataverse


def context(message: str = "Update", **members: Any) -> dict[str, Any]:
    attributes = [
        {"key": "name", "value": "Ada"},
        {"key": "creditlimit", "value": {"__type": "Money:x", "Value": 12.50}},
        {"key": "ownerid", "value": {"__type": "EntityReference:x", "Id": "u-1", "LogicalName": "systemuser"}},
        {"key": "modifiedon", "value": "/Date(1740830400000)/"},
        {"key": "kinds", "value": [{"Value": 3}, {"Value": 1}]},
    ]
    target = {"Id": "a-1", "LogicalName": "account", "Attributes": attributes}
    return {
        "MessageName": message,
        "PrimaryEntityName": "account",
        "PrimaryEntityId": "a-1",
        "InputParameters": [{"key": "Target", "value": target}],
        "PostEntityImages": [],
        "SharedVariables": [],
        **members,
    }


def test_a_context_tells_what_was_written() -> None:
    """Typed values as plain ones; the row's id as the table's id column."""
    assert told(DATAVERSE, context()) == Told(
        Operation.UPSERT,
        {
            "accountid": "a-1",
            "name": "Ada",
            "creditlimit": "12.5",
            "ownerid": "u-1",
            "modifiedon": "2025-03-01T12:00:00Z",
            "kinds": "3,1",
        },
    )


def test_an_image_fills_in_what_was_not_written() -> None:
    """The written value counts where both have one."""
    image = {"Attributes": [{"key": "name", "value": "old"}, {"key": "creditlimit", "value": {"Value": 1}}]}
    target = {"Attributes": [{"key": "name", "value": "new"}]}
    parameters = [{"key": "Target", "value": target}]
    images = [{"key": "after", "value": image}]
    record = told(DATAVERSE, context(InputParameters=parameters, PostEntityImages=images)).record
    assert record == {"accountid": "a-1", "name": "new", "creditlimit": "1"}


def test_a_date_is_an_instant_with_four_digits_of_the_year() -> None:
    """Also that of years before 1000, as the service tells a date that was never set."""
    attributes = [{"key": "since", "value": "/Date(-62135596800000)/"}]
    parameters = [{"key": "Target", "value": {"Attributes": attributes}}]
    record = told(Shape("dataverse", ("since",)), context(InputParameters=parameters)).record
    assert record == {"since": "0001-01-01T00:00:00Z"}


def test_a_delete_tells_the_row_and_its_image() -> None:
    """A deleted row is named by its id, and by what stood there before when that is sent along."""
    before = [{"key": "before", "value": {"Attributes": [{"key": "name", "value": "Ada"}]}}]
    reference = [{"key": "Target", "value": {"Id": "a-1", "LogicalName": "account"}}]
    one = told(DATAVERSE, context("Delete", InputParameters=reference, PreEntityImages=before))
    assert one == Told(Operation.DELETE, {"accountid": "a-1", "name": "Ada"})


def test_a_write_of_our_own_is_an_echo() -> None:
    """So two environments that feed each other do not chase each other's writes."""
    ours = [{"key": "tag", "value": "ours"}]
    (passed,) = read(DATAVERSE, context(SharedVariables=ours))
    assert isinstance(passed, Passed) and passed.bucket is Bucket.ECHO
    assert told(DATAVERSE, context(SharedVariables=[{"key": "tag", "value": "theirs"}]))


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (context("Associate"), "none of Create, Update and Delete"),
        ({"MessageName": "Update", "PrimaryEntityId": "a"}, "over 256 KB"),
        (context(InputParameters={}), "InputParameters is an object"),
        (context(SharedVariables="x"), "SharedVariables is a text"),
        ([], "is a list, not an object"),
        (
            context(
                InputParameters=[
                    {"key": "Target", "value": {"Attributes": [{"key": "name", "value": "/Date(9999999999999999)/"}]}}
                ]
            ),
            "beyond the year 9999",
        ),
    ],
)
def test_what_is_no_context_is_refused(message: object, reason: str) -> None:
    """One that the service cut down because of its size says so."""
    assert reason in refused(DATAVERSE, message).reason


# ---- laws

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["op", "no", "name", "payload", "after", "before", "data", "specversion", "InputParameters"]
            )
            | st.text(max_size=3),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@settings(max_examples=200)
@given(document=JSON, shape=st.sampled_from([FLAT, PLAIN, CLOUD, DEBEZIUM, DATAVERSE]))
def test_any_json_becomes_parts(document: object, shape: Shape) -> None:
    """No document raises; each has at least one part, and records hold known columns and storable texts only."""
    parts = read_message(json.dumps(document).encode("utf-8", "surrogatepass"), shape)
    assert parts
    for part in parts:
        if isinstance(part, Told):
            assert part.record.keys() <= set(shape.columns)
            assert all("\0" not in (text or "") for text in part.record.values())


@given(body=st.binary(max_size=200), shape=st.sampled_from([FLAT, CLOUD, DEBEZIUM, DATAVERSE]))
def test_any_bytes_become_parts(body: bytes, shape: Shape) -> None:
    """Nor do bytes that are no JSON at all."""
    assert read_message(body, shape)
