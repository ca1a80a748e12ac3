"""Modbus to one board, over TCP or on a serial line: every request is sent once, and matched to its response.

An own implementation: Modbus client libraries repeat requests without a response, take the value of function
05 for a boolean, and have no urgent requests. Here a request is on the line once at most, and alone. A
missing response is a LinkError; the board may have executed the request all the same.
"""

import asyncio
import os
import re
from contextlib import ExitStack
from types import TracebackType
from typing import Literal, Self, TypeVar

from pydantic import Field, field_validator, model_validator

from drivers.links.link import Action, Cause, LinkError, Tap
from drivers.links.modbus.exclusive import ExclusiveUse
from drivers.links.modbus.pdu import Identify, ModbusExceptionResponse, ModbusRequest
from drivers.links.modbus.transports import BeforeWrite, SerialTransport, TcpTransport, Transport
from drivers.links.request_queue import RequestQueue
from drivers.links.serial import SerialLink, SerialSettings
from drivers.links.settings import LinkRights, Settings, network_rights
from drivers.links.tcp import TCP_ADDRESS, TcpLink

AnswerT = TypeVar("AnswerT")
TCP_PORT = 502
CONNECT_WITHIN_S = 3.0
IDENTIFIED_WITHIN_S = (0.5, 1.5)
"""Time limits of the identification, one for each request.

A slow simulator must not be taken for a silent real board. But nothing else is read before the answer, so a
request that is lost is soon repeated: a door may be closing on a person.
"""
SIMULATED = re.compile(r"borderpost simulator", re.IGNORECASE)
"""Vendor name of simulated boards: over TCP there is no other sign."""


class ModbusSettings(Settings):
    """Address and line parameters of one Modbus board."""

    port: str = Field(
        description="`tcp://address:port` (502 unless given), the path of a serial port, or "
        "`usb:VID:PID[:SERIAL]`; for a barrier an IP address.",
        examples=["tcp://192.168.10.21:502"],
    )
    unit: int = Field(default=1, ge=1, le=255, description="Modbus address of the board.", examples=[1])
    baud: int = Field(default=9600, description="Bits per second; only on a serial line.", examples=[9600])
    parity: Literal["N", "E", "O"] = Field(
        default="N", description="Parity: none, even, odd; only on a serial line."
    )
    response_timeout_s: float = Field(
        default=0.2,
        ge=0.02,
        le=1,
        description="Time limit of one response, in seconds; for a barrier 0.2 at most: a stop may wait for "
        "one.",
        examples=[0.2],
    )

    def link_rights(self) -> LinkRights:
        """Return the rights to the board's TCP port, or to the serial port; the lock is a UNIX socket."""
        rights = super().link_rights() | LinkRights(local_sockets=True)
        found = TCP_ADDRESS.fullmatch(self.port)
        if found is None:
            return rights | self.serial_settings.link_rights()
        return rights | network_rights(found["host"], int(found["port"] or TCP_PORT))

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


def _allow() -> None:
    """Allow the request."""


class ModbusLink:
    """One board, or the first of several on a line: an async context manager."""

    def __init__(self, settings: ModbusSettings, tap: Tap) -> None:
        self.settings = settings
        self.is_simulated = self.is_replayed = False
        self._tap = tap
        self._link: TcpLink | SerialLink | None = None
        self._requests = RequestQueue()
        self._locks = ExitStack()
        self.answer_time_s = 0.0
        """Time that the last request took on the line, in seconds; without a response, its time limit."""

    async def __aenter__(self) -> Self:
        """Open the port or connect; raises LinkError. Over TCP, the identification marks a simulator."""
        settings = self.settings
        self._wire: Transport
        if settings.is_tcp:
            tcp = TcpLink(settings.port, TCP_PORT, CONNECT_WITHIN_S, self._tap)
            self._link = await tcp.__aenter__()
            self._line, self._wire = tcp.peer, TcpTransport(tcp)
        else:
            line = SerialLink(settings.serial_settings, self._tap)
            self._link = await line.__aenter__()
            self.is_simulated, self.is_replayed = line.is_simulated, line.is_replayed
            # Of other processes, the port itself has only one.
            self._line = f"{os.getpid()} {settings.port}"
            self._wire = SerialTransport(line, settings.baud, settings.response_timeout_s)
        await self._requests.__aenter__()
        try:
            self._take_unit(settings)
            if settings.is_tcp:
                self.is_simulated = await self._identifies_as_simulator()
        except BaseException:
            await self.__aexit__(None, None, None)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the running request, and close; what is not sent yet is never sent."""
        await self._requests.__aexit__()
        if self._link is not None:
            self._wire.discard_output()
            await self._link.__aexit__(kind, error, trace)
        self._locks.close()

    async def request(
        self,
        request: ModbusRequest[AnswerT],
        *,
        urgent: bool = False,
        before_write: BeforeWrite = _allow,
    ) -> AnswerT:
        """Send a request once, when its turn comes, and return its parsed response.

        `before_write` is called right before the first byte, after every wait. A write that is not urgent is
        a movement: it raises LineNotFree, unsent, while earlier bytes may still wait. An urgent request goes
        first, and does not wait for late responses of an equal one; see `has_late_twin`. Raises
        ModbusExceptionResponse, and LinkError when the link fails or no response arrives in time.
        """
        return await self._requests.submit(
            lambda: self._exchange(request, before_write, urgent=urgent),
            urgent=urgent,
            not_before=lambda: 0.0 if urgent else self._wire.earliest_send_s(self.settings.unit, request),
        )

    def has_late_twin(self, request: ModbusRequest[object]) -> bool:
        """Return True while the response to an equal, abandoned request may be taken for its own."""
        return self._wire.has_late_twin(self.settings.unit, request)

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
        other._line, other._wire, other._requests = self._line, self._wire, self._requests
        other._locks = self._locks
        other._take_unit(settings)
        return other

    def _take_unit(self, settings: ModbusSettings) -> None:
        """Reserve the board for this link on this machine; raises LinkError."""
        name = f"The board at {settings.port} (unit {settings.unit})"
        self._locks.enter_context(ExclusiveUse(f"modbus/{self._line}/{settings.unit}", name))

    async def _exchange(
        self,
        request: ModbusRequest[AnswerT],
        before_write: BeforeWrite,
        *,
        urgent: bool,
        at_least_s: float = 0,
    ) -> AnswerT:
        within_s = max(self.settings.response_timeout_s, at_least_s)
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        try:
            async with asyncio.timeout(within_s):
                answer = await self._wire.exchange(self.settings.unit, request, before_write, urgent=urgent)
            self.answer_time_s = loop.time() - began_s
            return answer
        except TimeoutError:
            self.answer_time_s = within_s
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
        for within_s in IDENTIFIED_WITHIN_S:
            try:
                maker, *_ = await self._exchange(Identify(), _allow, urgent=False, at_least_s=within_s) or (
                    "",
                )
            except ModbusExceptionResponse:
                return False
            except LinkError as error:
                if error.cause is not Cause.NO_RESPONSE:
                    raise
            else:
                return bool(SIMULATED.match(maker))
        return False
