"""Boards on one Modbus bus: dispatch of requests, faults on the way, and the log.

A board executes one request after the other. A `BusConnection` (TCP, a serial line, a test) brings the
requests and takes the answers.
"""

import functools
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from simulators.barrier.boards.modbus_board import BoardOperation, ModbusBoard
from simulators.barrier.bus_faults import Exchange, PendingExchanges
from simulators.barrier.modbus.framing import CompleteMessage, Framing, InvalidBytes
from simulators.barrier.modbus.mbap import HEADER, MbapFraming
from simulators.barrier.modbus.pdu import (
    BROADCAST,
    ModbusRefusal,
    Read,
    WriteMany,
    WriteOne,
    exception_answer,
    read_answer,
    read_request,
)
from simulators.barrier.modbus.rtu import CHARACTER_BITS
from simulators.barrier.timeline import Timeline
from simulators.barrier.wirelog import Effect, Frame, FrameFate, WireLog

_GRAVITY = (Effect.NONE, Effect.CONFIGURE, Effect.RELEASE, Effect.ENERGISE)
Value = int | tuple[int, ...] | None


class BusConnection(Protocol):
    """Source of a request and destination of its answer."""

    @property
    def number(self) -> int:
        """Number of the connection in the log."""

    @property
    def framing(self) -> Framing:
        """Framing of its messages."""

    @property
    def baud(self) -> int | None:
        """The host's baud rate; None without a serial line."""

    def send(self, data: bytes) -> bool:
        """Send an answer; return whether a host is still there."""

    def hang_up(self) -> None:
        """End the connection, if it is one."""


@dataclass(frozen=True, slots=True)
class _PendingRequest:
    """A request that a board has received and will execute."""

    frame: Frame
    message: CompleteMessage
    wire: BusConnection
    board: ModbusBoard
    operation: BoardOperation | ModbusRefusal
    exchange: Exchange
    answering: bool


class ModbusBus:
    """The bus. `paced_baud`: frames take their time at that rate; without it, none."""

    def __init__(
        self,
        boards: Sequence[ModbusBoard],
        timeline: Timeline,
        log: WireLog,
        *,
        paced_baud: int | None = None,
    ) -> None:
        self.boards = tuple(boards)
        self.timeline = timeline
        self.log = log
        self.paced_baud = paced_baud
        self.faults = PendingExchanges()
        self._is_hung = False
        self._slow_s = 0.0
        self._queue: deque[_PendingRequest] = deque()
        self._current: _PendingRequest | None = None

    def on_noise(self, broken: InvalidBytes, wire: BusConnection, *, received_s: float | None = None) -> None:
        """Log invalid bytes, which came just now or at `received_s`."""
        self.log.frame(
            at_s=received_s,
            direction="request",
            fate=FrameFate.DAMAGED,
            wire=broken.wire,
            connection=wire.number,
            meaning=f"no frame: {broken.fault}",
        )

    def on_message(
        self, message: CompleteMessage, wire: BusConnection, *, received_s: float | None = None
    ) -> None:
        """Handle one request, which came just now or at `received_s`."""
        meant = [board for board in self.boards if message.unit in (BROADCAST, board.unit)]
        operations = [_plan(board, message.pdu) for board in meant]
        effect = max(map(_effect, operations), key=_GRAVITY.index, default=Effect.NONE)
        receivers = [] if self._is_hung else [board for board in meant if _receives(board, wire)]
        exchange = self.faults.next(effect) if receivers else Exchange(is_received=False)
        fate = (
            FrameFate.RECEIVED
            if exchange.is_received
            else FrameFate.NOT_RECEIVED
            if meant
            else FrameFate.NOT_OURS
        )
        address, value = _address_and_value(message.pdu)
        frame = self.log.frame(
            at_s=received_s,
            direction="request",
            fate=fate,
            wire=message.wire,
            connection=wire.number,
            unit=message.unit,
            function=message.pdu[0],
            address=address,
            value=value,
            meaning="; ".join(dict.fromkeys(map(_meaning, operations))) or f"for unit {message.unit}",
            effect=effect,
        )
        if exchange.hang_up == "before":
            wire.hang_up()
        elif exchange.is_received:
            for board, operation in zip(meant, operations, strict=True):
                if board in receivers:
                    answering = message.unit != BROADCAST or board.answers_broadcast(message.pdu)
                    self._queue.append(
                        _PendingRequest(frame, message, wire, board, operation, exchange, answering)
                    )
            self._next()

    def set_hung(self, hung: bool) -> None:
        """Make all boards hang, though the connection stays; or end that."""
        self._is_hung = hung

    def set_delay(self, delay_s: float) -> None:
        """Delay every exchange by this time."""
        self._slow_s = delay_s

    def on_power_lost(self) -> None:
        """Discard pending requests: the boards have lost their supply."""
        self._queue.clear()
        self._current = None

    def _next(self) -> None:
        while self._queue and self._current is None:
            self._current = pending = self._queue.popleft()
            delay_s = self._slow_s + self._duration_s(pending.message.wire)
            self._after(delay_s, functools.partial(self._act, pending))

    def _after(self, delay_s: float, action: Callable[[], None]) -> None:
        """Do it after a delay; without one at once, so that nothing can come between."""
        if delay_s > 0:
            self.timeline.call_at(self.timeline.now_s + delay_s, action)
        else:
            action()

    def _duration_s(self, frame: bytes) -> float:
        return len(frame) * CHARACTER_BITS / self.paced_baud if self.paced_baud else 0.0

    def _act(self, pending: _PendingRequest) -> None:
        if pending is not self._current:  # the power was lost meanwhile
            return
        pending.board.on_request()
        pdu = _execute(pending)
        exchange = pending.exchange
        if exchange.hang_up == "after":
            pending.wire.hang_up()
            self._log_answers(pending, pdu, sending=False)
            self._done(pending)
        elif exchange.late_s:
            self._after(exchange.late_s, lambda: self._answer(pending, pdu))
            self._done(pending)
        else:
            self._after(self._duration_s(pdu), lambda: self._answer_and_go_on(pending, pdu))

    def _done(self, pending: _PendingRequest) -> None:
        if pending is self._current:
            self._current = None
            self._next()

    def _answer_and_go_on(self, pending: _PendingRequest, pdu: bytes) -> None:
        self._answer(pending, pdu)
        self._done(pending)

    def _answer(self, pending: _PendingRequest, pdu: bytes) -> None:
        if pending.answering:
            self._log_answers(pending, pdu, sending=pending.exchange.is_answered and pending.board.is_powered)

    def _log_answers(self, pending: _PendingRequest, pdu: bytes, *, sending: bool) -> None:
        """Send an answer, repeated or not at all, and log it either way."""
        exchange, wire = pending.exchange, pending.wire
        unit, tag = pending.board.unit, pending.message.tag
        if exchange.foreign:
            unit, tag = unit % 247 + 1, (tag + 1) % 0x10000
        data = wire.framing.frame(unit, pdu, tag)
        if exchange.is_corrupted:
            data = data[:-1] + bytes([data[-1] ^ 0xFF])
        meaning, value = _describe_answer(pending.message.pdu, pdu)
        for copy in range(exchange.copies):
            if not sending:
                fate = FrameFate.SUPPRESSED
            elif not wire.send(data):
                fate = FrameFate.UNDELIVERED
            elif exchange.is_corrupted or exchange.foreign:
                fate = FrameFate.DAMAGED
            elif exchange.late_s:
                fate = FrameFate.LATE
            else:
                fate = FrameFate.REPEATED if copy else FrameFate.SENT
            self.log.frame(
                direction="response",
                fate=fate,
                wire=data,
                connection=wire.number,
                unit=unit,
                function=pdu[0],
                value=value,
                meaning=meaning,
                answers=pending.frame.number,
            )


def _receives(board: ModbusBoard, wire: BusConnection) -> bool:
    return board.is_powered and wire.baud in (None, board.baud)


def _plan(board: ModbusBoard, pdu: bytes) -> BoardOperation | ModbusRefusal:
    try:
        return board.plan_request(read_request(pdu))
    except ModbusRefusal as refusal:
        return refusal


def _effect(operation: BoardOperation | ModbusRefusal) -> Effect:
    return operation.effect if isinstance(operation, BoardOperation) else Effect.NONE


def _meaning(operation: BoardOperation | ModbusRefusal) -> str:
    return operation.meaning if isinstance(operation, BoardOperation) else f"refused: {operation}"


def _execute(pending: _PendingRequest) -> bytes:
    """Execute the request, if it is not lost, and return the board's answer."""
    function, exchange = pending.message.pdu[0], pending.exchange
    if isinstance(pending.operation, ModbusRefusal):
        return exception_answer(function, pending.operation.code)
    pdu = pending.operation.perform(pending.frame.number) if exchange.is_executed else b""
    return pdu if exchange.refusal is None else exception_answer(function, exchange.refusal)


def _address_and_value(pdu: bytes) -> tuple[int | None, Value]:
    try:
        request = read_request(pdu)
    except ModbusRefusal:
        return None, None
    match request:
        case Read(_, address, count):
            return address, count
        case WriteOne(_, address, value):
            return address, value
        case WriteMany(_, address, values):
            return address, values
    return None, None


def _describe_answer(request_pdu: bytes, pdu: bytes) -> tuple[str, Value]:
    """Return an answer in words, and its value."""
    if pdu[0] & 0x80:
        return f"exception {pdu[1]}", pdu[1]
    request = read_request(request_pdu)
    if not isinstance(request, Read):
        return "done", None
    value = read_answer(request, pdu)
    return ("bits " if request.of_bits else "registers ") + " ".join(map(str, value)), value


class DirectConnection:
    """A host without a connection, for tests that control the time. In the log it is connection 0."""

    number = 0
    baud = None

    def __init__(self, bus: ModbusBus) -> None:
        self.framing = MbapFraming()
        self.bus = bus
        self.answers: list[bytes] = []
        """Answers, each a whole Modbus TCP frame."""
        self.hung_up = False
        self._tag = 0

    def send(self, data: bytes) -> bool:
        """Store an answer."""
        if not self.hung_up:
            self.answers.append(data)
        return not self.hung_up

    def hang_up(self) -> None:
        """Note that the connection ended."""
        self.hung_up = True

    def request(self, unit: int, pdu: bytes) -> bytes | None:
        """Send a request; return the PDU of an immediate answer, else None.

        Later answers are in `answers` once the time has advanced.
        """
        self._tag = self._tag % 0xFFFF + 1
        before = len(self.answers)
        self.bus.on_message(
            CompleteMessage(unit, pdu, self.framing.frame(unit, pdu, self._tag), self._tag), self
        )
        answers = self.answers[before:]
        return answers[0][HEADER:] if answers else None
