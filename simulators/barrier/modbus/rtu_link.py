"""Modbus RTU on a pty: bytes become frames by the silence after them, answers go back to the host."""

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

    `quiet_s`: how long the line is silent when a frame is over, in seconds; as the specification has it for
    the rate of the boards unless given. A machine under load wants it longer, a host may want it shorter.
    """

    def __init__(
        self, bus: ModbusBus, line: SerialLine, *, baud: int = 9600, quiet_s: float | None = None
    ) -> None:
        self.bus = bus
        self.line = line
        self.framing = RtuFraming()
        self.quiet_s = silence_s(baud) if quiet_s is None else quiet_s
        self._visits = HostSessions(line, bus.log)
        self._heard = b""
        self._came_s = 0.0
        """When the last of that was heard."""
        self._ending: asyncio.TimerHandle | None = None
        line.on_received = self._received

    async def __aenter__(self) -> Self:
        """Put the line in; SimulatorError where that cannot be."""
        await self._visits.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._silence()
        await self._visits.__aexit__()

    @property
    def number(self) -> int:
        """See `Wire`."""
        return self._visits.number

    @property
    def baud(self) -> int | None:
        """See `Wire`."""
        return self.line.baud

    def send(self, data: bytes) -> bool:
        """See `Wire`."""
        if not self.line.has_host:
            return False
        self.line.call_soon(self.line.send(data))
        return True

    def send_noise(self, data: bytes) -> None:
        """Send bytes that mean nothing."""
        self.bus.log.frame(
            direction="response",
            fate=FrameFate.DAMAGED if self.send(data) else FrameFate.UNDELIVERED,
            wire=data,
            connection=self.number,
            meaning="noise",
        )

    def hang_up(self) -> None:
        """A serial line has no connection that could end."""

    def drop(self) -> None:
        """Neither has it one that could be dropped."""

    def cut(self) -> None:
        """Pull the cable."""
        self._silence()
        self._visits.cut()

    def restore(self) -> None:
        """Put it back."""
        self.line.replug()

    def _received(self, data: bytes) -> None:
        self._visits.on_open()
        self._heard += data
        self._came_s = self.bus.timeline.now_s
        if self._ending:
            self._ending.cancel()
        self._ending = asyncio.get_running_loop().call_later(self.quiet_s, self._silence)

    def _silence(self) -> None:
        """The line has been silent: what was heard is whatever it is."""
        if self._ending:
            self._ending.cancel()
            self._ending = None
        heard, self._heard = self._heard, b""
        for found in read_frames(heard):
            if isinstance(found, InvalidBytes):
                self.bus.on_noise(found, self, came_s=self._came_s)
            else:
                self.bus.on_message(found, self, came_s=self._came_s)
