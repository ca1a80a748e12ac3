"""Modbus to one board, over TCP or on a serial line: every request is sent once, and matched to its response.

An own implementation: Modbus client libraries repeat requests without a response, take the value of function
05 for a boolean, and have no urgent requests. Here a request is on the line once at most, and alone. A
missing response is a LinkError; the board may have executed the request all the same.
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
from drivers.links.settings import LinkRights, Settings, network_rights
from drivers.links.tcp import TCP_ADDRESS, TcpLink

AnswerT = TypeVar("AnswerT")
TCP_PORT = 502
CONNECT_WITHIN_S = 3.0
IDENTIFIED_WITHIN_S = 2.0
"""Time limit of the identification: a slow simulator must not be taken for a silent real board."""
SIMULATED = re.compile(r"borderpost simulator", re.IGNORECASE)
"""Vendor name of simulated boards: over TCP there is no other sign."""
QUIET_S = 0.005
"""Minimum silence on a serial line before the next request: a duplicate response arrives in this time."""


class ModbusSettings(Settings):
    """Address and line parameters of one Modbus board."""

    port: str = Field(
        description="`tcp://host:port` (502 unless given), a serial port's path, or `usb:VID:PID[:SERIAL]`.",
        examples=["tcp://192.168.10.21:502"],
    )
    unit: int = Field(1, ge=1, le=255, description="Modbus address of the board.", examples=[1])
    baud: int = Field(9600, description="Bits per second; only on a serial line.", examples=[9600])
    parity: Literal["N", "E", "O"] = Field("N", description="Parity: none, even, odd; only on a serial line.")
    response_timeout_s: float = Field(
        0.2,
        ge=0.02,
        le=1,
        description="Time limit of one response, in seconds; a stop waits for one request at most.",
        examples=[0.2],
    )

    def link_rights(self) -> LinkRights:
        """Return the rights to the board's TCP port, or to the serial port."""
        found = TCP_ADDRESS.fullmatch(self.port)
        if found is None:
            return super().link_rights() | self.serial_settings.link_rights()
        return super().link_rights() | network_rights(found["host"], int(found["port"] or TCP_PORT))

    @field_validator("port")
    @classmethod
    def _check_address(cls, port: str) -> str:
        if port.startswith("tcp:"):
            found = TCP_ADDRESS.fullmatch(port)
            if found is None or not 1 <= int(found["port"] or TCP_PORT) <= 65535:
                raise ValueError("is not an address of a board; write it as tcp://host:port")
            return port
        try:
            return SerialSettings.model_validate({"port": port}).port
        except ValueError:
            raise ValueError(
                "is neither tcp://host:port nor usb:VID:PID[:SERIAL] nor an absolute path"
            ) from None

    @model_validator(mode="after")
    def _check_line_settings(self) -> Self:
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
        """True if the board is on a network."""
        return self.port.startswith("tcp:")

    @property
    def serial_settings(self) -> SerialSettings:
        """Settings of the serial port, where the board is on one."""
        return SerialSettings(port=self.port, baud=self.baud, parity=self.parity)


class _Transport(Protocol):
    """Transport of one request and its response at a time."""

    async def exchange(self, unit: int, request: ModbusRequest[AnswerT]) -> AnswerT:
        """Send a request to a board and wait for its response, without a limit.

        Raises LinkError and ModbusExceptionResponse.
        """

    def abandon(self, unit: int, request: ModbusRequest[object]) -> None:
        """Abandon a request: its response must never be taken for another's."""

    def earliest_send_s(self, unit: int, request: ModbusRequest[object], *, urgent: bool) -> float:
        """Return the earliest time (of the loop) at which no other response can be taken for its own."""


class ModbusLink:
    """One board, or the first of several on a line: an async context manager."""

    def __init__(self, settings: ModbusSettings, tap: Tap) -> None:
        self.settings = settings
        self.is_simulated = self.is_replayed = False
        self._tap = tap
        self._link: TcpLink | SerialLink | None = None
        self._turns = RequestQueue()

    async def __aenter__(self) -> Self:
        """Open the port or connect; raises LinkError. Over TCP, the identification marks a simulator."""
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
                self.is_simulated = await self._identifies_as_simulator()
            except BaseException:
                await self.__aexit__(None, None, None)
                raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the running request, and close."""
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
        """Send a request once, when its turn comes, and return its parsed response.

        `is_wanted` is called right before sending; RequestCancelled is raised if it returns False. Raises
        ModbusExceptionResponse, and LinkError when the link fails or no response arrives in time.
        """
        return await self._turns.submit(
            lambda: self._exchange(request),
            urgent=urgent,
            is_wanted=is_wanted,
            not_before=lambda: self._wire.earliest_send_s(self.settings.unit, request, urgent=urgent),
        )

    def for_unit(self, settings: ModbusSettings) -> "ModbusLink":
        """Return a link to another board on the line, closed together with this one; raises LinkError."""
        if (settings.baud, settings.parity) != (self.settings.baud, self.settings.parity):
            raise LinkError(
                Cause.ADDRESS_AMBIGUOUS,
                f"Two boards at {settings.port} are configured with different rates or parities.",
                Action.CONFIGURE,
                "Set both boards, and `baud` and `parity` of both, to the same values.",
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
                f"The board at {self.settings.port} (unit {self.settings.unit}) did not respond within "
                f"{within_s:g} seconds.",
                Action.CALL_SUPPORT,
                "Check the board's power supply, its cable, and its address and rate.",
            ) from None

    async def _identifies_as_simulator(self) -> bool:
        """Return True if the board identifies as a simulator.

        Real boards reject the request, or do not respond.
        """
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
    """Messages with numbers: a late or duplicate response has another number."""

    def __init__(self, link: TcpLink) -> None:
        self._link = link
        self._messages = TcpMessageReader()
        self._number = 0
        self._cut = False

    async def exchange(self, unit: int, request: ModbusRequest[AnswerT]) -> AnswerT:
        """See `_Transport`."""
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
                    f"The host at {self._link.address} does not speak Modbus TCP.",
                    Action.CONFIGURE,
                    "Correct `port`; set a converter to Modbus TCP, not to transparent mode.",
                ) from None

    def abandon(self, unit: int, request: ModbusRequest[object]) -> None:  # noqa: ARG002 - it is cut for all
        """See `_Transport`. A write that is still buffered in this machine must never reach the board later.

        So its connection is cut; the next request, which may be a stop, opens another.
        """
        if request.is_write:
            self._link.abort()
            self._cut = True

    def earliest_send_s(self, unit: int, request: ModbusRequest[object], *, urgent: bool) -> float:  # noqa: ARG002
        """See `_Transport`: all messages have numbers."""
        return 0.0


class _SerialTransport:
    """Messages without numbers: a response is recognised by the fields that it repeats, and by its time."""

    def __init__(self, link: SerialLink, settings: ModbusSettings) -> None:
        self._link = link
        self._quiet_s = max(QUIET_S, interframe_gap_s(settings.baud))
        self._late = StaleReplies(settings.response_timeout_s)
        self._heard_s = 0.0
        """Time of the last received byte; a time of the loop."""

    async def exchange(self, unit: int, request: ModbusRequest[AnswerT]) -> AnswerT:
        """See `_Transport`."""
        await self._silence()
        doubtful = self._late.latest_s(_same_function(unit, request))
        await self._link.write(serial_frame(unit, request.pdu))
        received = b""
        while True:
            received += await self._read()
            for pdu in find_serial_responses(received, unit, request):
                # An exception repeats only the function: it may belong to an earlier request.
                if pdu[0] != request.pdu[0] and self._heard_s < doubtful:
                    continue
                if (answer := parse_response(request, pdu)) is not None:
                    return answer

    def abandon(self, unit: int, request: ModbusRequest[object]) -> None:
        """See `_Transport`."""
        self._late.add(bytes([unit]) + request.pdu)

    def earliest_send_s(self, unit: int, request: ModbusRequest[object], *, urgent: bool) -> float:
        """See `_Transport`. An urgent request is a write, repeated by its response.

        Only alike ones must be over.
        """
        if urgent:
            return self._late.latest_s(lambda late: late == bytes([unit]) + request.pdu)
        return self._late.latest_s(_same_function(unit, request))

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


def _same_function(unit: int, request: ModbusRequest[object]) -> Callable[[bytes], bool]:
    return lambda late: late[:2] == bytes([unit, request.pdu[0]])
