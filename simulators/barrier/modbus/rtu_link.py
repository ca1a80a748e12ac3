"""Modbus RTU on a pty: silence ends a frame, answers go back to the host."""

import asyncio
from typing import Self

from simulators.barrier.bus import ModbusBus
from simulators.barrier.host_sessions import HostSessions
from simulators.barrier.modbus.framing import InvalidBytes
from simulators.barrier.modbus.rtu import RtuFraming, read_frames, silence_s
from simulators.barrier.wirelog import FrameFate
from simulators.links.serial_line import SerialLine


class RtuLink:
    """The boards' end of a serial line: an async context manager.

    `quiet_s`: silence that ends a frame, in seconds; by default the specification's for the boards' rate. A
    machine under load needs a longer one, a host may need a shorter one.
    """

    def __init__(
        self, bus: ModbusBus, line: SerialLine, *, baud: int = 9600, quiet_s: float | None = None
    ) -> None:
        self.bus = bus
        self.line = line
        self.framing = RtuFraming()
        self.quiet_s = silence_s(baud) if quiet_s is None else quiet_s
        self._visits = HostSessions(line, bus.log)
        self._buffer = b""
        self._received_s = 0.0
        """Time of the last received byte."""
        self._ending: asyncio.TimerHandle | None = None
        line.on_received = self._on_received

    async def __aenter__(self) -> Self:
        """Plug in the line; raise SimulatorError if its path is not free."""
        await self._visits.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._silence()
        await self._visits.__aexit__()

    @property
    def number(self) -> int:
        """See `BusConnection`."""
        return self._visits.number

    @property
    def baud(self) -> int | None:
        """See `BusConnection`."""
        return self.line.baud

    def send(self, data: bytes) -> bool:
        """See `BusConnection`."""
        if not self.line.has_host:
            return False
        self.line.call_soon(self.line.send(data))
        return True

    def send_noise(self, data: bytes) -> None:
        """Send meaningless bytes."""
        self.bus.log.frame(
            direction="response",
            fate=FrameFate.DAMAGED if self.send(data) else FrameFate.UNDELIVERED,
            wire=data,
            connection=self.number,
            meaning="noise",
        )

    def hang_up(self) -> None:
        """Do nothing: a serial line has no connection to end."""

    def drop(self) -> None:
        """Do nothing: a serial line has no connection to drop."""

    def cut(self) -> None:
        """Pull the cable."""
        self._silence()
        self._visits.cut()

    def restore(self) -> None:
        """Plug in the cable again."""
        self.line.replug()

    def _on_received(self, data: bytes) -> None:
        self._visits.on_open()
        self._buffer += data
        self._received_s = self.bus.timeline.now_s
        if self._ending:
            self._ending.cancel()
        self._ending = asyncio.get_running_loop().call_later(self.quiet_s, self._silence)

    def _silence(self) -> None:
        """Parse the received bytes after a silence."""
        if self._ending:
            self._ending.cancel()
            self._ending = None
        received, self._buffer = self._buffer, b""
        for found in read_frames(received):
            if isinstance(found, InvalidBytes):
                self.bus.on_noise(found, self, received_s=self._received_s)
            else:
                self.bus.on_message(found, self, received_s=self._received_s)
