"""Simulated scale of Savanna."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from simulators.errors import SimulatorError
from simulators.links.tcp_line import TcpLine
from simulators.simulator import EmitCallback, Simulator, SimulatorSettings


class ScaleSettings(SimulatorSettings):
    """Settings of one scale."""

    kind: Literal["savanna-scale"]
    port: int = Field(ge=0, le=65535, description="TCP port of this machine.")

    def build(self) -> Simulator:
        """Build the scale."""
        return Scale(self)


class Scale(Simulator):
    """A scale: `insert` takes kilograms and the name on the label; `fault` breaks it."""

    def __init__(self, settings: ScaleSettings) -> None:
        self.settings = settings
        self.line = TcpLine.open_at(settings.port)
        self.line.on_received = self._received
        self.load = "0.0"

    async def run(self, emit: EmitCallback) -> None:
        """Run until cancelled."""
        async with self.line:
            emit("ready", self.settings.summary())
            while True:
                await self.line.wait_for_host()
                await self.line.wait_for_host_close()

    async def handle_command(self, verb: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """See `Simulator.handle_command`."""
        match verb:
            case "insert":
                self.load = f"{arguments.get('kilograms', 23.4):.1f}"
                line = f"W {self.load} {arguments.get('label', 'SPECIMEN')}\n"
                return {"heard": await self.line.send(line.encode())}
            case "fault":
                return {"heard": await self.line.send(b"? BROKEN\n")}
        raise SimulatorError(f"{verb}: use insert or fault")

    def _received(self, chunk: bytes) -> None:
        for _ in range(chunk.count(b"T")):
            self.line.call_soon(self.line.send(f"Z {self.load}\n".encode()))
