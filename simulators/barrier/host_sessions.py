"""Hosts that open a serial port and close it again, as connections in the log."""

import asyncio
from typing import Self

from simulators.barrier.wirelog import WireLog
from simulators.links.serial_line import SerialLine


class HostSessions:
    """A line, plugged in while this is entered, and the sessions of hosts on it."""

    def __init__(self, line: SerialLine, log: WireLog) -> None:
        self.line = line
        self.number = 0
        """Number of times a host has opened the port."""
        self.present = False
        self._log = log
        self._watching: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Plug the line in; raise SimulatorError if its path is not free."""
        await self.line.__aenter__()
        self._watching = asyncio.create_task(self._watch())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
        await self.line.close()
        self.on_close()

    def cut(self) -> None:
        """Pull the cable."""
        self.line.unplug()
        self.on_close()

    def on_open(self) -> None:
        """Log that a host is there; its output may arrive before the host is noticed."""
        if not self.present:
            self.present = True
            self.number += 1
            self._log.connection(self.number, opened=True)

    def on_close(self) -> None:
        """Log that the host has closed the port."""
        if self.present:
            self.present = False
            self._log.connection(self.number, opened=False)

    async def _watch(self) -> None:
        while True:
            await self.line.wait_for_host()
            self.on_open()
            await self.line.wait_for_host_close()
            self.on_close()
