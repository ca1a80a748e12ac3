"""Modbus to one board, over TCP or on a serial line: every request is sent once, its answer is its own.

A core of our own, because libraries for hosts repeat what was not answered, take the value of function 05
for a truth value, and let nothing overtake. Here a request is on the wire once at most, whatever becomes of
it, and alone; what was not answered in time is a LinkError, and may have been done all the same.
"""

import asyncio
import re
from collections.abc import Callable
from types import TracebackType
from typing import Literal, Protocol, Self, TypeVar

from pydantic import Field, field_validator, model_validator

from drivers.links.link import Action, Cause, LinkError, Tap
from drivers.links.modbus.framing import (
    StreamDesynchronised,
    TcpMessageReader,
    find_serial_responses,
    interframe_gap_s,
    serial_frame,
    tcp_frame,
)
from drivers.links.modbus.pdu import Identify, ModbusExceptionResponse, ModbusRequest, parse_response
from drivers.links.request_queue import RequestQueue, StaleReplies
from drivers.links.serial import SerialLink, SerialSettings
from drivers.links.settings import Settings
from drivers.links.tcp import TCP_ADDRESS, TcpLink

AnswerT = TypeVar("AnswerT")
TCP_PORT = 502
CONNECT_WITHIN_S = 3.0
IDENTIFIED_WITHIN_S = 2.0
"""A simulator on a busy machine takes its time, and must not be taken for a real board that says nothing."""
SIMULATED = re.compile(r"borderpost simulator", re.IGNORECASE)
"""How boards that do not exist call their maker: over TCP nothing else tells."""
QUIET_S = 0.005
"""How long a serial line is silent at least before the next request: a second copy comes in this time."""


class ModbusSettings(Settings):
    """How to reach one Modbus board."""

    port: str = Field(
        description="`tcp://host:port` (502 unless given), a serial port's path, or `usb:VID:PID[:SERIAL]`.",
        examples=["tcp://192.168.10.21:502"],
    )
    unit: int = Field(1, ge=1, le=255, description="The board's Modbus address.", examples=[1])
    baud: int = Field(9600, description="Bits per second; only on a serial line.", examples=[9600])
    parity: Literal["N", "E", "O"] = Field("N", description="Parity: none, even, odd; only on a serial line.")
    response_timeout_s: float = Field(
        0.2,
        ge=0.02,
        le=1,
        description="How long an answer may take at most, in seconds; a stop waits for one request at most.",
        examples=[0.2],
    )

    @field_validator("port")
    @classmethod
    def _an_address(cls, port: str) -> str:
        if port.startswith("tcp:"):
            found = TCP_ADDRESS.fullmatch(port)
            if found is None or not 1 <= int(found["port"] or TCP_PORT) <= 65535:
                raise ValueError("is no address of a board; write it as tcp://host:port")
            return port
        try:
            return SerialSettings.model_validate({"port": port}).port
        except ValueError:
            raise ValueError(
                "is neither tcp://host:port nor usb:VID:PID[:SERIAL] nor an absolute path"
            ) from None

    @model_validator(mode="after")
    def _suits_the_wire(self) -> Self:
        if self.is_tcp:
            for name in sorted({"baud", "parity"} & self.model_fields_set):
                raise ValueError(
                    f"`{name}` is for a serial line; remove it, or write a serial port as `port`"
                )
        else:
            self.serial_settings  # noqa: B018 - it checks the rate
        return self

    @property
    def is_tcp(self) -> bool:
        """Whether the board is on a network."""
        return self.port.startswith("tcp:")

    @property
    def serial_settings(self) -> SerialSettings:
        """The serial port, where it is on one."""
        return SerialSettings(port=self.port, baud=self.baud, parity=self.parity)


class _Transport(Protocol):
    """What carries one request and brings its answer; called for one after the other."""

    async def exchange(self, unit: int, request: ModbusRequest[AnswerT]) -> AnswerT:
        """Send it to a board and wait for its answer, for ever; raises LinkError and ModbusRefused."""

    def abandon(self, unit: int, request: ModbusRequest[object]) -> None:
        """Nobody waits for the answer any longer: see that it is never taken for another's."""

    def earliest_send_s(self, unit: int, request: ModbusRequest[object], *, urgent: bool) -> float:
        """From when on it may be sent, a time of the loop: no other's answer can be taken for its own."""


class ModbusLink:
    """One board, or the first of several on a wire: an async context manager."""

    def __init__(self, settings: ModbusSettings, tap: Tap) -> None:
        self.settings = settings
        self.is_simulated = self.is_replayed = False
        self._tap = tap
        self._link: TcpLink | SerialLink | None = None
        self._turns = RequestQueue()

    async def __aenter__(self) -> Self:
        """Open the port or connect; raises LinkError. A network is asked whether the board is simulated."""
        settings = self.settings
        self._wire: _Transport
        if settings.is_tcp:
            tcp = TcpLink(settings.port, TCP_PORT, CONNECT_WITHIN_S, self._tap)
            self._link = await tcp.__aenter__()
            self._wire = _TcpTransport(tcp)
        else:
            line = SerialLink(settings.serial_settings, self._tap)
            self._link = await line.__aenter__()
            self.is_simulated, self.is_replayed = line.is_simulated, line.is_replayed
            self._wire = _SerialTransport(line, settings)
        await self._turns.__aenter__()
        if settings.is_tcp:
            try:
                self.is_simulated = await self._says_so()
            except BaseException:
                await self.__aexit__(None, None, None)
                raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End what is under way, and close."""
        await self._turns.__aexit__()
        if self._link is not None:
            await self._link.__aexit__(kind, error, trace)

    async def request(
        self,
        request: ModbusRequest[AnswerT],
        *,
        urgent: bool = False,
        is_wanted: Callable[[], bool] = lambda: True,
    ) -> AnswerT:
        """Send a request when its turn comes, once, and return what the answer says.

        `wanted` is asked at the moment of sending. Raises Withdrawn where it is not; ModbusRefused; and
        LinkError when the link fails or no answer comes in time.
        """
        return await self._turns.submit(
            lambda: self._exchange(request),
            urgent=urgent,
            is_wanted=is_wanted,
            not_before=lambda: self._wire.earliest_send_s(self.settings.unit, request, urgent=urgent),
        )

    def for_unit(self, settings: ModbusSettings) -> "ModbusLink":
        """Another board on the same wire, which ends with this link; raises LinkError."""
        if (settings.baud, settings.parity) != (self.settings.baud, self.settings.parity):
            raise LinkError(
                Cause.ADDRESS_AMBIGUOUS,
                f"Two boards at {settings.port} are to be spoken to at different rates or parities.",
                Action.CONFIGURE,
                "Set both boards, and `baud` and `parity` of both, to the same.",
            )
        other = ModbusLink(settings, self._tap)
        other.is_simulated, other.is_replayed = self.is_simulated, self.is_replayed
        other._wire, other._turns = self._wire, self._turns
        return other

    async def _exchange(self, request: ModbusRequest[AnswerT], at_least_s: float = 0) -> AnswerT:
        within_s = max(self.settings.response_timeout_s, at_least_s)
        try:
            async with asyncio.timeout(within_s):
                return await self._wire.exchange(self.settings.unit, request)
        except TimeoutError:
            self._wire.abandon(self.settings.unit, request)
            raise LinkError(
                Cause.NO_RESPONSE,
                f"The board at {self.settings.port} (unit {self.settings.unit}) did not answer within "
                f"{within_s:g} seconds.",
                Action.CALL_SUPPORT,
                "Check the board's supply, its cable, and its address and rate.",
            ) from None

    async def _says_so(self) -> bool:
        """Whether it says that it is simulated. Real boards refuse the question, or do not answer it."""
        try:
            maker, *_ = await self._exchange(Identify(), IDENTIFIED_WITHIN_S) or ("",)
        except ModbusExceptionResponse:
            return False
        except LinkError as error:
            if error.cause is not Cause.NO_RESPONSE:
                raise
            return False
        return bool(SIMULATED.match(maker))


class _TcpTransport:
    """Messages with numbers: an answer that comes late or twice has another's number."""

    def __init__(self, link: TcpLink) -> None:
        self._link = link
        self._messages = TcpMessageReader()
        self._number = 0
        self._cut = False

    async def exchange(self, unit: int, request: ModbusRequest[AnswerT]) -> AnswerT:
        """See `_Wire`."""
        if self._cut:
            await self._link.connect()
            self._messages = TcpMessageReader()
            self._cut = False
        self._number = self._number % 0xFFFF + 1
        await self._link.write(tcp_frame(self._number, unit, request.pdu))
        while True:
            try:
                for message in self._messages.feed(await self._link.read()):
                    ours = (message.number, message.unit) == (self._number, unit)
                    if ours and (answer := parse_response(request, message.pdu)) is not None:
                        return answer
            except StreamDesynchronised:
                self._link.abort()
                raise LinkError(
                    Cause.WRONG_DEVICE,
                    f"What answers at {self._link.address} does not speak Modbus TCP.",
                    Action.CONFIGURE,
                    "Correct `port`; set a converter to Modbus TCP, not to pass bytes through.",
                ) from None

    def abandon(self, unit: int, request: ModbusRequest[object]) -> None:  # noqa: ARG002 - it is cut for all
        """See `_Wire`. A write that still waits in this machine must never reach the board later.

        So its connection is cut; the next request, which may be a stop, makes another.
        """
        if request.is_write:
            self._link.abort()
            self._cut = True

    def earliest_send_s(self, unit: int, request: ModbusRequest[object], *, urgent: bool) -> float:  # noqa: ARG002
        """See `_Wire`: all have numbers."""
        return 0.0


class _SerialTransport:
    """Messages without numbers: an answer is known by what it repeats, and by when it comes."""

    def __init__(self, link: SerialLink, settings: ModbusSettings) -> None:
        self._link = link
        self._quiet_s = max(QUIET_S, interframe_gap_s(settings.baud))
        self._late = StaleReplies(settings.response_timeout_s)
        self._heard_s = 0.0
        """When the line was last heard to say something; a time of the loop."""

    async def exchange(self, unit: int, request: ModbusRequest[AnswerT]) -> AnswerT:
        """See `_Wire`."""
        await self._silence()
        doubtful = self._late.latest_s(_same_function(unit, request))
        await self._link.write(serial_frame(unit, request.pdu))
        heard = b""
        while True:
            heard += await self._read()
            for pdu in find_serial_responses(heard, unit, request):
                # A refusal repeats nothing but the function: it may be of what was asked before.
                if pdu[0] != request.pdu[0] and self._heard_s < doubtful:
                    continue
                if (answer := parse_response(request, pdu)) is not None:
                    return answer

    def abandon(self, unit: int, request: ModbusRequest[object]) -> None:
        """See `_Wire`."""
        self._late.add(bytes([unit]) + request.pdu)

    def earliest_send_s(self, unit: int, request: ModbusRequest[object], *, urgent: bool) -> float:
        """See `_Wire`. What is urgent is a write, whose answer repeats it: only its like must be over."""
        if urgent:
            return self._late.latest_s(lambda late: late == bytes([unit]) + request.pdu)
        return self._late.latest_s(_same_function(unit, request))

    async def _silence(self) -> None:
        """Throw away what is said unasked, until nothing is: a second copy, a late answer, noise."""
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


def _same_function(unit: int, request: ModbusRequest[object]) -> Callable[[bytes], bool]:
    return lambda late: late[:2] == bytes([unit, request.pdu[0]])
