"""Transports of one Modbus request and its response at a time: over TCP, and on a serial line.

A movement is a write that is not urgent. It is sent only on a free line: nothing written earlier waits to be
sent, and the last request was answered. Otherwise its frame could wait in the kernel or in an adapter, behind
others, and reach the board long after it was given up. Urgent writes are safe whenever they arrive.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol, TypeVar

from drivers.links.link import Action, Cause, LinkError
from drivers.links.modbus.framing import (
    SerialResponseReader,
    StreamDesynchronised,
    TcpMessageReader,
    interframe_gap_s,
    serial_frame,
    tcp_frame,
)
from drivers.links.modbus.pdu import ModbusRequest, parse_response
from drivers.links.request_queue import LineNotFree, StaleReplies
from drivers.links.serial import SerialLink
from drivers.links.tcp import TcpLink

AnswerT = TypeVar("AnswerT")
QUIET_S = 0.005
"""Minimum silence on a serial line before the next request: a duplicate response arrives in this time."""
BeforeWrite = Callable[[], None]
"""Callback right before the first byte of a request is written; raises to keep it from being sent."""


class Transport(Protocol):
    """Transport of one request and its response at a time."""

    async def exchange(
        self, unit: int, request: ModbusRequest[AnswerT], before_write: BeforeWrite, *, urgent: bool
    ) -> AnswerT:
        """Send a request to a board and wait for its response, without a limit.

        Raises LinkError, ModbusExceptionResponse, LineNotFree, and the errors of `before_write`.
        """

    def abandon(self, unit: int, request: ModbusRequest[object]) -> None:
        """Abandon a request: it is not sent later, and its response is never taken for another's."""

    def discard_output(self) -> None:
        """Discard what is not sent yet, before the link is closed."""

    def earliest_send_s(self, unit: int, request: ModbusRequest[object]) -> float:
        """Return the earliest time (of the loop) at which no other response can be taken for its own."""

    def has_late_twin(self, unit: int, request: ModbusRequest[object]) -> bool:
        """Return True while the response to an equal, abandoned request may still come."""


class TcpTransport:
    """Messages with numbers: a late or duplicate response has another number."""

    def __init__(self, link: TcpLink) -> None:
        self._link = link
        self._messages = TcpMessageReader()
        self._number = 0
        self._is_cut = False
        """True once this transport has cut the connection; the next request opens another."""
        self._is_lost = False
        """True once the connection has ended by itself; only an urgent request opens another."""
        self._is_answered = True

    async def exchange(
        self, unit: int, request: ModbusRequest[AnswerT], before_write: BeforeWrite, *, urgent: bool
    ) -> AnswerT:
        """See `Transport`."""
        if self._is_cut or (self._is_lost and urgent):
            await self._link.connect()
            self._messages = TcpMessageReader()
            self._is_cut = self._is_lost = False
            self._is_answered = True
        try:
            if _is_movement(request, urgent=urgent) and not (
                self._is_answered and not self._link.unsent_bytes
            ):
                raise LineNotFree
            before_write()
            self._number = self._number % 0xFFFF + 1
            await self._link.write(tcp_frame(self._number, unit, request.pdu))
            while True:
                for message in self._messages.feed(await self._link.read()):
                    ours = (message.number, message.unit) == (self._number, unit)
                    if ours and (answer := parse_response(request, message.pdu)) is not None:
                        self._is_answered = True
                        return answer
        except StreamDesynchronised:
            self._link.abort()
            raise LinkError(
                Cause.WRONG_DEVICE,
                f"The host at {self._link.address} does not speak Modbus TCP.",
                Action.CONFIGURE,
                "Correct `port`; set a converter to Modbus TCP, not to transparent mode.",
            ) from None
        except LinkError:
            self._is_lost = True
            raise

    def abandon(self, unit: int, request: ModbusRequest[object]) -> None:  # noqa: ARG002 - it is cut for all
        """See `Transport`. A write that is still buffered in this machine must never reach the board later.

        So its connection is cut; the next request, which may be a stop, opens another.
        """
        self._is_answered = False
        if request.is_write:
            self._link.abort()
            self._is_cut = True

    def discard_output(self) -> None:
        """See `Transport`."""
        self._link.abort()

    def earliest_send_s(self, unit: int, request: ModbusRequest[object]) -> float:  # noqa: ARG002
        """See `Transport`: all messages have numbers."""
        return 0.0

    def has_late_twin(self, unit: int, request: ModbusRequest[object]) -> bool:  # noqa: ARG002
        """See `Transport`: all messages have numbers."""
        return False


class SerialTransport:
    """Messages without numbers: a response is recognised by the fields that it repeats, and by its time."""

    def __init__(self, link: SerialLink, baud: int, response_timeout_s: float) -> None:
        self._link = link
        self._quiet_s = max(QUIET_S, interframe_gap_s(baud))
        self._late = StaleReplies(response_timeout_s)
        self._heard_s = 0.0
        """Time of the last received byte; a time of the loop."""
        self._is_answered = True

    async def exchange(
        self, unit: int, request: ModbusRequest[AnswerT], before_write: BeforeWrite, *, urgent: bool
    ) -> AnswerT:
        """See `Transport`."""
        await self._silence()
        doubtful = self._late.latest_s(_same_function(unit, request))
        if _is_movement(request, urgent=urgent) and not (self._is_answered and not self._link.unsent_bytes):
            raise LineNotFree
        before_write()
        await self._link.write(serial_frame(unit, request.pdu))
        responses = SerialResponseReader(unit, request)
        while True:
            for pdu in responses.feed(await self._read()):
                # An exception repeats only the function: it may belong to an earlier request.
                if pdu[0] != request.pdu[0] and self._heard_s < doubtful:
                    continue
                if (answer := parse_response(request, pdu)) is not None:
                    self._is_answered = True
                    return answer

    def abandon(self, unit: int, request: ModbusRequest[object]) -> None:
        """See `Transport`."""
        self._link.discard_output()
        self._is_answered = False
        self._late.add(bytes([unit]) + request.pdu)

    def discard_output(self) -> None:
        """See `Transport`."""
        self._link.discard_output()

    def earliest_send_s(self, unit: int, request: ModbusRequest[object]) -> float:
        """See `Transport`."""
        return self._late.latest_s(_same_function(unit, request))

    def has_late_twin(self, unit: int, request: ModbusRequest[object]) -> bool:
        """See `Transport`."""
        return self._late.latest_s(lambda late: late == bytes([unit]) + request.pdu) > 0

    async def _silence(self) -> None:
        """Discard unexpected bytes until the line is silent: a duplicate or late response, or noise."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                async with asyncio.timeout_at(max(self._heard_s + self._quiet_s, loop.time())):
                    await self._read()
            except TimeoutError:
                return

    async def _read(self) -> bytes:
        chunk = await self._link.read()
        self._heard_s = asyncio.get_running_loop().time()
        return chunk


def _is_movement(request: ModbusRequest[object], *, urgent: bool) -> bool:
    return request.is_write and not urgent


def _same_function(unit: int, request: ModbusRequest[object]) -> Callable[[bytes], bool]:
    return lambda late: late[:2] == bytes([unit, request.pdu[0]])
