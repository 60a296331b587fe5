"""What a definition means for messages."""

from __future__ import annotations

from shared.definitions.sync import SyncDefinition
from shared.engine.realtime.hearing import Hearing
from shared.values.events import Event, Operation, Origin


def hearing(type_: str) -> Hearing:
    """A sync whose key is a column of a type."""
    columns = [{"name": "no", "type": type_}, {"name": "site", "type": "text"}]
    return Hearing(
        SyncDefinition.model_validate(
            {
                "name": "accounts",
                "version": "1.0.0",
                "source": {"type": "delimited", "path": "a.csv", "schema": columns},
                "destination": {
                    "type": "dynamics",
                    "entity": "account",
                    "service_url": "https://org.crm4.dynamics.com",
                    "auth": "managed_identity",
                    "id_column": "accountid",
                },
                "mappings": [{"source": "no", "target": "accountnumber"}],
                "behaviour": {"strategy": "delta", "key": ["accountnumber"]},
                "listener": {"enabled": True, "key": ["site", "no"]},
            }
        ),
        {},
    )


def told(no: str | None) -> Event:
    return Event("accounts", Operation.UPSERT, {"no": no, "site": "A"}, Origin(1))


def test_a_number_is_one_record_however_it_is_written() -> None:
    """Events of it share a lane and wait for each other; of a text column each spelling is a key of its own."""
    spellings = ["7", "7.0", "+07", " 7e0 "]
    for type_, records in (("number", 1), ("text", 4)):
        heard = hearing(type_)
        assert len({tuple(heard.key_texts(told(no))) for no in spellings}) == records
        assert len({heard.waiting_key(told(no)) for no in spellings}) == records
    assert hearing("number").waiting_key(told(None)) is None
