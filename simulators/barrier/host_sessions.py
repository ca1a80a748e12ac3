"""Hosts that open a serial port and close it again, as connections in the log."""

import asyncio
from typing import Self

from simulators.barrier.wirelog import WireLog
from simulators.links.serial_line import SerialLine


class HostSessions:
    """The line, in for as long as this is entered, and who has it open."""

    def __init__(self, line: SerialLine, log: WireLog) -> None:
        self.line = line
        self.number = 0
        """How often a host has opened the port."""
        self.present = False
        self._log = log
        self._watching: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Put the line in; SimulatorError where that cannot be."""
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
        """A host is there: what it says may be heard before it is seen to be."""
        if not self.present:
            self.present = True
            self.number += 1
            self._log.connection(self.number, opened=True)

    def on_close(self) -> None:
        """It is not there any more."""
        if self.present:
            self.present = False
            self._log.connection(self.number, opened=False)

    async def _watch(self) -> None:
        while True:
            await self.line.wait_for_host()
            self.on_open()
            await self.line.wait_for_host_close()
            self.on_close()
