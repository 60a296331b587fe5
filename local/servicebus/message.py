"""A message as a broker sees it: it reads the head, stamps the annotations, and leaves what the sender wrote as it is.

Source: OASIS AMQP Version 1.0, Part 3: Messaging, section 3.2 (2012-10-29).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from local.servicebus.codec import CodecError, Described, Symbol, UInt, decode, encode, encode_list
from local.servicebus.codec.decoding import decode_all

_HEADER, _DELIVERY_ANNOTATIONS, _ANNOTATIONS, _PROPERTIES, _APPLICATION, _DATA, _SEQUENCE, _VALUE, _FOOTER = range(
    0x70, 0x79
)
_MESSAGE_ID, _CORRELATION_ID, _SESSION_ID = 0, 5, 10
_TTL = 2


class Message:
    """One message: `header` and `annotations` are read, the rest is kept byte by byte.

    `ttl_ms` is the sender's time to live. `raw` is what the sender sent.

    Raises:
        CodecError: it is no message.
    """

    __slots__ = ("_application", "_body", "_properties", "annotations", "header", "message_id", "raw", "session_id")

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self.header: list[Any] = []
        self.annotations: dict[Any, Any] = {}
        self._properties = self._application = self._body = b""
        self.message_id: Any = None
        self.session_id: str | None = None
        self._read_sections(raw)

    def _read_sections(self, raw: bytes) -> None:
        at = 0
        while at < len(raw):
            code, inside = _section(raw, at)
            if code >= _DATA:
                self._body = raw[at:]
                return
            value, end = decode(raw, inside)
            self._take(code, value, raw[at:end])
            at = end

    def _take(self, code: int, value: Any, section: bytes) -> None:
        if code == _HEADER and isinstance(value, list):
            self.header = value
        elif code == _ANNOTATIONS and isinstance(value, dict):
            self.annotations = value
        elif code == _PROPERTIES and isinstance(value, list):
            self._properties = section
            self._take_properties(value)
        elif code == _APPLICATION and isinstance(value, dict):
            self._application = section
        elif code != _DELIVERY_ANNOTATIONS:
            raise CodecError(f"section 0x{code:02x} of a message is a {type(value).__name__}")

    def _take_properties(self, fields: list[Any]) -> None:
        self.message_id, session = _at(fields, _MESSAGE_ID), _at(fields, _SESSION_ID)
        if session is not None and not isinstance(session, str):
            raise CodecError("a message's session id is no text")
        self.session_id = session

    @property
    def ttl_ms(self) -> int | None:
        """The sender's time to live; None where it lives as long as its queue says."""
        ttl = _at(self.header, _TTL)
        return int(ttl) if isinstance(ttl, int) else None

    def application(self) -> dict[Any, Any]:
        """The application properties."""
        if not self._application:
            return {}
        found: dict[Any, Any] = decode(self._application)[0].value
        return found

    def add_properties(self, added: Mapping[str, str]) -> None:
        """Sets application properties; the others keep their bytes."""
        self._application = _with(self._application, added)
        self.raw = self._head() + self._bare()

    def sections(self) -> list[Described]:
        """The body: its data, sequence or value sections.

        Raises:
            CodecError: it is no body.
        """
        found = decode_all(self._body)
        if not all(isinstance(each, Described) for each in found):
            raise CodecError("a message's body has a section without a descriptor")
        return [each for each in found if each.descriptor != _FOOTER]

    def value(self) -> Any:
        """The body's one value; None where it has none."""
        return next((each.value for each in self.sections() if each.descriptor == _VALUE), None)

    def parts(self) -> list[bytes]:
        """The messages inside a batch.

        Raises:
            CodecError: it is no batch.
        """
        found = [each.value for each in self.sections() if each.descriptor == _DATA]
        if not found or not all(isinstance(each, bytes) for each in found):
            raise CodecError("a batch holds no messages")
        return found

    def written(self, delivery_count: int, annotations: Mapping[Any, Any]) -> bytes:
        """The message as a receiver gets it; `delivery_count` counts the deliveries before this one."""
        header = [*self.header[:4], *[None] * (4 - len(self.header[:4])), UInt(delivery_count)]
        return section(_HEADER, header) + section(_ANNOTATIONS, dict(annotations)) + self._bare()

    def _head(self) -> bytes:
        header = section(_HEADER, self.header) if self.header else b""
        return header + (section(_ANNOTATIONS, self.annotations) if self.annotations else b"")

    def _bare(self) -> bytes:
        return self._properties + self._application + self._body


def section(code: int, value: Any) -> bytes:
    """A section of a message, or a performative: a value described by a small number."""
    return b"\x00\x53" + bytes((code,)) + (encode_list(value) if isinstance(value, list) else encode(value))


def reply(value: Any, properties: Mapping[str, Any], correlation_id: Any) -> bytes:
    """The answer to a request: its value, its application properties and the request's id."""
    head = [None] * _CORRELATION_ID + [correlation_id]
    return section(_PROPERTIES, head) + section(_APPLICATION, dict(properties)) + b"\x00\x53\x77" + encode(value)


def _at(fields: list[Any], place: int) -> Any:
    return fields[place] if len(fields) > place else None


_NAMES = {
    "amqp:header:list": _HEADER,
    "amqp:delivery-annotations:map": _DELIVERY_ANNOTATIONS,
    "amqp:message-annotations:map": _ANNOTATIONS,
    "amqp:properties:list": _PROPERTIES,
    "amqp:application-properties:map": _APPLICATION,
    "amqp:data:binary": _DATA,
    "amqp:amqp-sequence:list": _SEQUENCE,
    "amqp:amqp-value:*": _VALUE,
    "amqp:footer:map": _FOOTER,
}


def _section(raw: bytes, at: int) -> tuple[int, int]:
    """The section's number and where its value begins."""
    if raw[at] != 0:
        raise CodecError("a message's section lacks its descriptor")
    descriptor, inside = decode(raw, at + 1)
    code = _NAMES.get(descriptor) if isinstance(descriptor, Symbol) else descriptor
    if not isinstance(code, int) or not _HEADER <= code <= _FOOTER:
        raise CodecError(f"{descriptor!r} describes no section of a message")
    return code, inside


def _with(application: bytes, added: Mapping[str, str]) -> bytes:
    """The application properties' section with `added` in it, each other pair as it was."""
    kept = [pair for key, pair in _pairs(application) if key not in added]
    pairs = kept + [encode(key) + encode(value) for key, value in added.items()]
    content = b"".join(pairs)
    size = (len(content) + 4).to_bytes(4)
    return b"\x00\x53" + bytes((_APPLICATION,)) + b"\xd1" + size + (2 * len(pairs)).to_bytes(4) + content


def _pairs(application: bytes) -> list[tuple[Any, bytes]]:
    if not application:
        return []
    _, at = decode(application, 1)
    at += 9 if application[at] == 0xD1 else 3
    found = []
    while at < len(application):
        key, middle = decode(application, at)
        _, end = decode(application, middle)
        found.append((key, application[at:end]))
        at = end
    return found
