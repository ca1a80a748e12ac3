"""Simulated Sample device: the board and the boom behind it. Written from SHEET.md, not from the driver."""

import asyncio
import re
from typing import Any, Literal

from pydantic import Field
from simulators.errors import SimulatorError
from simulators.simulator import Simulator

from sample_device.simulated_line import LineSettings, LineSimulator

OPEN_RELAY, OPEN_LIMIT, CLOSED_LIMIT = 0, 0, 1
PULSE = re.compile(rb"([0-9]{2});([0-3]);([0-9]{1,2})")
RELEASE = re.compile(rb"[0-9]{2}(;([0-3]))?")


class SampleDeviceSettings(LineSettings):
    """Settings of one simulated barrier."""

    kind: Literal["sample-device"]
    travel_s: float = Field(default=0.6, gt=0, description="Time of a whole movement, in seconds.")
    stays_open_s: float = Field(
        default=3.0, gt=0, description="Time after which its controller closes, in seconds."
    )

    def build(self) -> Simulator:
        """Build the barrier."""
        return SampleDevice(self)


class SampleDevice(LineSimulator):
    """A board and a boom: `insert` presses the open button at the barrier."""

    def __init__(self, settings: SampleDeviceSettings) -> None:
        super().__init__(settings)
        self._times = settings
        self._inputs = [False] * 8
        self._inputs[CLOSED_LIMIT] = True
        self._closed_until_s = [0.0] * 4
        self._moving: asyncio.Task[None] | None = None

    def next_message(self, **arguments: Any) -> tuple[bytes, bytes] | None:
        """Press the button: the boom moves, and the board sends nothing unasked."""
        if arguments:
            raise SimulatorError("insert: takes no arguments")
        self._start()
        return None

    def answer(self, kind: bytes, payload: bytes) -> tuple[bytes, bytes] | None:
        """Answer `R`, `P` and `O`."""
        now_s, number = asyncio.get_running_loop().time(), payload[:2]
        match kind:
            case b"R":
                inputs = "".join("01"[closed] for closed in self._inputs)
                relays = "".join("01"[now_s < until_s] for until_s in self._closed_until_s)
                return b"V", number + f";{inputs};{relays}".encode()
            case b"P" if (pulse := PULSE.fullmatch(payload)) is not None:
                self._closed_until_s[int(pulse[2])] = now_s + int(pulse[3]) / 10
                if int(pulse[2]) == OPEN_RELAY:
                    self._start()
                return b"A", number
            case b"P":
                return b"N", number
            case b"O" if (release := RELEASE.fullmatch(payload)) is not None:
                for relay in range(4) if release[2] is None else (int(release[2]),):
                    self._closed_until_s[relay] = 0.0
                return b"A", number
        return None

    def _start(self) -> None:
        if self._moving is None or self._moving.done():
            self.line.call_soon(self._move())

    async def _move(self) -> None:
        """Open, wait, close: the work of the barrier's own controller."""
        self._moving = asyncio.current_task()
        for leaves, reaches, stays_s in (
            (CLOSED_LIMIT, OPEN_LIMIT, self._times.stays_open_s),
            (OPEN_LIMIT, CLOSED_LIMIT, 0.0),
        ):
            self._inputs[leaves] = False
            await asyncio.sleep(self._times.travel_s)
            self._inputs[reaches] = True
            await asyncio.sleep(stays_s)
