"""Simulated line of the Sample device: frames, identity and faults. Written from SHEET.md, sections 1 and 2."""

import asyncio
import re
from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field
from simulators.errors import SimulatorError
from simulators.links.serial_line import SerialLine
from simulators.simulator import EmitCallback, Simulator, SimulatorSettings

_REQUEST = re.compile(rb"\x02([?A-Z])([\r\x20-\x7e]*)\x03(.)", re.DOTALL)


class LineSettings(SimulatorSettings):
    """Settings of a device on a line."""

    path: Path = Field(description="Path of the port: a symlink to the pty.")
    serial_number: str = Field(default="SIM0001", pattern=r"^[A-Z0-9]{1,16}$", description="Stated serial number.")
    every_s: float | None = Field(
        default=None, gt=0, description="Seconds between two messages of its own; only by command if omitted."
    )

    @property
    def addresses(self) -> tuple[str, ...]:
        """Path of the port."""
        return (str(self.path),)

    def summary(self) -> dict[str, Any]:
        """Return name, kind and path."""
        return super().summary() | {"path": str(self.path)}


class LineSimulator(Simulator):
    """A device on a line; the simulator of a family says what it sends and answers."""

    def __init__(self, settings: LineSettings) -> None:
        self.settings = settings
        self.line = SerialLine.open_at(settings.path)
        self.line.on_received = self._on_received
        self._received = b""
        self._sent = 0
        self._cuts = False
        """True: the next frame ends in its middle."""

    async def run(self, emit: EmitCallback) -> None:
        """Run until cancelled."""
        async with self.line:
            emit("ready", self.settings.summary())
            while True:
                await self.line.wait_for_host()
                if self.settings.every_s is None:
                    await self.line.wait_for_host_close()
                    continue
                await asyncio.sleep(self.settings.every_s)
                await self._insert({})
                emit("sent", {"messages": self._sent})

    async def handle_command(self, verb: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """See `Simulator.handle_command`."""
        match verb:
            case "insert":
                return {"heard": await self._insert(arguments)}
            case "fault":
                return await self._fault(**arguments)
            case "status":
                return self.settings.summary() | {
                    "plugged": self.line.is_plugged,
                    "host_connected": self.line.has_host,
                    "messages": self._sent,
                }
        raise SimulatorError(f"{self.settings.kind} does not support {verb!r}: use insert, fault or status")

    async def _insert(self, arguments: Mapping[str, Any]) -> bool:
        message = self.next_message(**arguments)
        return False if message is None else await self.send(*message)

    @abstractmethod
    def next_message(self, **arguments: Any) -> tuple[bytes, bytes] | None:
        """Let something happen at the device; return kind and payload of what it sends unasked.

        None: it sends nothing now. Raises SimulatorError.
        """

    @abstractmethod
    def answer(self, kind: bytes, payload: bytes) -> tuple[bytes, bytes] | None:
        """Return kind and payload of the answer to a request; None: the device stays silent."""

    async def send(self, kind: bytes, payload: bytes = b"") -> bool:
        """Send a frame; return whether a host received it."""
        frame = _frame(kind, payload)
        if self._cuts:
            self._cuts, frame = False, frame[: len(frame) // 2]
        self._sent += 1
        return await self.line.send(frame)

    async def _fault(self, fault: str, args: Mapping[str, Any] | None = None) -> dict[str, Any]:
        match fault:
            case "unplug":
                self.line.unplug(**(args or {}))
            case "garbage":
                await self.line.send(bytes(range(0x80, 0xA0)))
            case "cut":
                self._cuts = True
            case _:
                raise SimulatorError(f"fault {fault!r} is none of unplug, garbage, cut")
        return {}

    def _on_received(self, chunk: bytes) -> None:
        self._received += chunk
        while (found := _REQUEST.search(self._received)) is not None:
            self._received = self._received[found.end() :]
            if found[0] != _frame(found[1], found[2]):
                continue  # a damaged request: a real device ignores it
            if found[1] == b"?":
                reply = b"I", f"SAMPLE-1;{self.settings.serial_number};1.0".encode()
            elif (given := self.answer(found[1], found[2])) is None:
                continue
            else:
                reply = given
            self.line.call_soon(self.send(*reply))


def _frame(kind: bytes, payload: bytes) -> bytes:
    body = kind + payload + b"\x03"
    check = 0
    for byte in body:
        check ^= byte
    return b"\x02" + body + bytes([check])
