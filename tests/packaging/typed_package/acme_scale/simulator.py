"""Simulated scale on a pseudo-terminal."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from simulators.errors import SimulatorError
from simulators.links.serial_line import SerialLine
from simulators.simulator import EmitCallback, Simulator, SimulatorSettings


class ScaleSimulatorSettings(SimulatorSettings):
    """Settings of one simulated scale."""

    path: Path

    def build(self) -> Simulator:
        """Build the scale."""
        return SimulatedScale(self)

    @property
    def addresses(self) -> tuple[str, ...]:
        """Return the path of its line."""
        return (str(self.path),)


class SimulatedScale(Simulator):
    """A scale that weighs on request."""

    def __init__(self, settings: ScaleSimulatorSettings) -> None:
        self._path = settings.path
        self._line: SerialLine | None = None

    async def run(self, emit: EmitCallback) -> None:
        """Hold the line open."""
        async with SerialLine.open_at(self._path) as self._line:
            emit("ready", {})
            await asyncio.Event().wait()

    async def handle_command(self, verb: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Weigh an object."""
        if verb != "insert" or self._line is None:
            raise SimulatorError(f"{verb} is not possible now")
        return {"sent": await self._line.send(f"{arguments.get('mass', 20)}\r".encode())}


WRONG_LINE = SerialLine.open_at(7)  # type: ignore[arg-type]
