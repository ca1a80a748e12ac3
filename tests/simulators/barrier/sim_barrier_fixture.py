"""A simulated barrier in manual time, and a host without a connection."""

from typing import Any

from simulators.barrier.bus import DirectConnection
from simulators.barrier.mechanics.barrier import MechanicsSettings
from simulators.barrier.mechanics.boom import BoomSettings
from simulators.barrier.mechanics.controller import ControllerSettings
from simulators.barrier.modbus_site import ModbusSettings, ModbusSite
from simulators.barrier.timeline import ManualClock


class Rig:
    """A site, its time and its host. Keywords are settings of the controller."""

    def __init__(self, settings: ModbusSettings | None = None, **controller: Any) -> None:
        if settings is None:
            settings = ModbusSettings(
                mechanics=MechanicsSettings(controller=ControllerSettings(**controller))
            )
        self.time = ManualClock()
        self.site = ModbusSite(settings, self.time)
        self.log = self.site.log
        self.barrier = self.site.barrier
        self.host = DirectConnection(self.site.bus)

    def request(self, pdu: str, unit: int = 1) -> str | None:
        """Return the answer to a message, both in hexadecimal; None without an immediate one."""
        answer = self.host.request(unit, bytes.fromhex(pdu))
        return None if answer is None else answer.hex()

    def pulse(self, relay: int, tenths: int = 5) -> None:
        """Flash a relay of the Waveshare board."""
        assert self.request(f"0502{relay:02x}{tenths:04x}") is not None

    def open(self) -> None:
        """Open it, and wait until it is open."""
        self.pulse(0)
        self.time.advance(3)

    def inputs(self) -> dict[str, int]:
        """Read the board's inputs by the names of their signals."""
        answer = self.request("0200000008")
        assert answer is not None
        bits = int(answer[4:6], 16)
        return {signal: bits >> at & 1 for signal, at in self.site.settings.boards[0].inputs.items()}

    def event_count(self, name: str, **details: Any) -> int:
        """Return the number of such events."""
        return len(self.log.machine_events(name, **details))


def quick_boom(**settings: Any) -> MechanicsSettings:
    """Return mechanics with a boom of these settings."""
    return MechanicsSettings(boom=BoomSettings(**settings))
