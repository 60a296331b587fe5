"""One connection: headers, SASL, frames, and the sessions on it."""

from __future__ import annotations

import asyncio
from typing import cast

from local.servicebus.codec import Array, CodecError, Symbol, UByte, UInt, UShort
from local.servicebus.faults import Fault, Moment
from local.servicebus.refusals import BusRefusal, Cut
from local.servicebus.wire.broker import Broker
from local.servicebus.wire.frames import (
    AMQP,
    HEADER,
    HEARTBEAT,
    LARGEST,
    SASL,
    SASL_HEADER,
    Code,
    Fields,
    Frame,
    error,
    frame,
    performative,
)
from local.servicebus.wire.session import WINDOW, WireSession

_MOST_SESSIONS = 255
_SMALLEST_FRAME = 512
_IDLE_MS = 240_000
_MECHANISMS = ("MSSBCBS", "PLAIN", "ANONYMOUS", "EXTERNAL")
_LATE_BYTES = 16 * 1024 * 1024
"""What may wait for a peer that is held up; then it is cut off."""


class Connection(asyncio.Protocol):
    """A peer. What it sends in one piece is acted on in one turn, answers leave at the turn's end."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self.sessions: dict[int, WireSession] = {}
        self.authorized = not broker.doorkeeper.keys
        self.peer_frame = _SMALLEST_FRAME
        self.blocked = False
        self._transport: asyncio.Transport | None = None
        self._came = bytearray()
        self._out: list[bytes] = []
        self._out_bytes = 0
        self._held = False
        self._between_headers = True
        self._opened = False
        self._beat: asyncio.TimerHandle | None = None

    # asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        self._transport = cast("asyncio.Transport", transport)
        self.broker.connections.add(self)
        fault = self.broker.fault("connect", "", self)
        if fault is not None:
            self.cut()

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self.broker.connections.discard(self)
        if self._beat is not None:
            self._beat.cancel()
        self._end_sessions()
        self.broker.end_turn()

    def pause_writing(self) -> None:
        """The peer does not read: nothing more is read from it, and no message handed to it."""
        self.blocked = True
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        """The peer reads again."""
        self.blocked = False
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()
        for session in list(self.sessions.values()):
            session.wake()
        self.broker.end_turn()

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        self._came += data
        try:
            while self._take_next():
                pass
        except Cut:
            self._came.clear()
        except CodecError as problem:
            self._came.clear()
            self.close(BusRefusal("amqp:connection:framing-error", str(problem)))
        self.broker.end_turn()

    # what comes

    def _take_next(self) -> bool:
        """Acts on the next header or frame; False where it has not come whole."""
        if len(self._came) < len(HEADER):
            return False
        if self._between_headers:
            self._take_header(bytes(self._came[:8]))
            del self._came[:8]
            return True
        size = int.from_bytes(self._came[:4])
        if not 8 <= size <= LARGEST:
            raise CodecError(f"a frame of {size} bytes came, where 8 to {LARGEST} are allowed")
        if len(self._came) < size:
            return False
        raw = bytes(self._came[:size])
        del self._came[:size]
        self._take_frame(Frame(raw))
        return True

    def _take_header(self, header: bytes) -> None:
        if header not in {HEADER, SASL_HEADER}:
            self.write(HEADER)
            raise CodecError("what came is no AMQP 1.0")
        self.write(header)
        self._between_headers = False
        if header == SASL_HEADER:
            names = Array(0xB3, [Symbol(name) for name in _MECHANISMS])
            self.write(frame(0, performative(Code.SASL_MECHANISMS, [names]), SASL))

    def _take_frame(self, came: Frame) -> None:
        if came.code is None:
            return
        if came.kind == SASL:
            self._take_sasl(came.code, came.fields)
        elif came.kind != AMQP:
            raise CodecError(f"frames of type {came.kind} are not known")
        elif came.code == Code.OPEN:
            self._take_open(came.fields)
        elif not self._opened:
            raise CodecError("a frame came before the connection was opened")
        elif came.code == Code.BEGIN:
            self._take_begin(came.channel, came.fields)
        elif came.code == Code.END:
            self._take_end(came.channel)
        elif came.code == Code.CLOSE:
            self.close()
            raise Cut
        elif (session := self.sessions.get(came.channel)) is not None:
            session.take(came.code, came.fields, came.payload)
        # the SDK still detaches links after it has ended their session: that is passed over

    def _take_sasl(self, code: int, fields: Fields) -> None:
        if code != Code.SASL_INIT:
            raise CodecError(f"SASL frame 0x{code:02x} is not expected")
        known = True
        if fields.text(0) == "PLAIN":
            known = self.broker.doorkeeper.plain(fields.binary(1))
            self.authorized |= known
        self.write(frame(0, performative(Code.SASL_OUTCOME, [UByte(0 if known else 1)]), SASL))
        self._between_headers = True

    def _take_open(self, fields: Fields) -> None:
        self._opened = True
        self.peer_frame = max(_SMALLEST_FRAME, min(fields.number(2, LARGEST), LARGEST))
        told = ["local-servicebus", None, UInt(LARGEST), UShort(_MOST_SESSIONS), UInt(_IDLE_MS)]
        self.write(frame(0, performative(Code.OPEN, told)))
        patience_ms = fields.number(4)
        if patience_ms > 0:
            self._keep_alive(max(patience_ms / 2000, 0.1))

    def _take_begin(self, channel: int, fields: Fields) -> None:
        if channel in self.sessions or channel > _MOST_SESSIONS:
            raise CodecError(f"channel {channel} is taken or above {_MOST_SESSIONS}")
        session = WireSession(self, channel, fields)
        self.sessions[channel] = session
        session.send(Code.BEGIN, [UShort(channel), UInt(0), UInt(WINDOW), UInt(WINDOW), UInt(_MOST_SESSIONS)])

    def _take_end(self, channel: int) -> None:
        session = self.sessions.pop(channel, None)
        if session is not None:
            session.end()
            self.write(frame(channel, performative(Code.END, [])))

    # what goes

    def write(self, raw: bytes) -> None:
        """Puts bytes among those that leave at the end of the turn."""
        self._out.append(raw)
        self._out_bytes += len(raw)

    def flush(self) -> None:
        """Lets everything go that waits, unless it is held back."""
        for session in self.sessions.values():
            session.settle_incoming()
        if self._out_bytes > _LATE_BYTES and self._held:
            self.cut()
        if not self._out or self._held or self._transport is None:
            return
        content = b"".join(self._out)
        self._out.clear()
        self._out_bytes = 0
        if not self._transport.is_closing():
            self._transport.write(content)

    def hold(self, *, held: bool) -> None:
        """Keeps answers back, or lets them go."""
        self._held = held

    def _keep_alive(self, every_s: float) -> None:
        self._beat = asyncio.get_running_loop().call_later(every_s, self._keep_alive, every_s)
        if not self._held and self._transport is not None and not self._transport.is_closing():
            self._transport.write(HEARTBEAT)

    # the end

    def meet(self, at: Moment, queue: str) -> None:
        """Suffers the fault that was ordered for this moment, if one was.

        Raises:
            Cut: the connection is cut.
            BusRefusal: the request is refused.
        """
        fault = self.broker.fault(at, queue.lower(), self)
        if fault is not None:
            self.suffer(fault)

    def suffer(self, fault: Fault) -> None:
        """Raises what the fault says: `Cut` or `BusRefusal`."""
        if fault.action != "drop":
            raise fault.refusal()
        self.cut()
        raise Cut

    def close(self, refusal: BusRefusal | None = None) -> None:
        """Ends the connection politely, with a reason where there is one."""
        self._end_sessions()
        self._held = False
        self.write(frame(0, performative(Code.CLOSE, [error(refusal)] if refusal else [])))
        self.flush()
        if self._transport is not None:
            self._transport.close()

    def cut(self) -> None:
        """Ends the connection without a word."""
        if self._transport is not None:
            self._transport.abort()

    def _end_sessions(self) -> None:
        for session in self.sessions.values():
            session.end()
        self.sessions = {}
