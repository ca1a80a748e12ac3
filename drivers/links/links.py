"""Opens the links of one driver, closes them again, and knows whether what is on them is real."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from drivers.links.link import Tap

if TYPE_CHECKING:
    from drivers.links.http import HttpLink, HttpSettings
    from drivers.links.keyboard import KeyboardLink, KeyboardSettings
    from drivers.links.serial import SerialLink, SerialSettings
    from drivers.links.smartcard import SmartCardLink


def _no_tap(direction: str, chunk: bytes) -> None:
    """Trace nothing."""


class Links:
    """The links that one opened driver holds. Libraries are imported when a link of their kind is opened."""

    def __init__(self, tap: Tap = _no_tap) -> None:
        self._tap = tap
        self._open = AsyncExitStack()
        self.simulated = False
        """True once a link turned out to lead to a simulator, whatever the configuration says."""

    async def serial(self, settings: "SerialSettings") -> "SerialLink":
        """Open a serial port, exclusively; raises LinkError."""
        from drivers.links.serial import SerialLink

        link = await self._open.enter_async_context(SerialLink(settings, self._tap))
        self.simulated = self.simulated or link.simulated
        return link

    async def keyboard(self, settings: "KeyboardSettings") -> "KeyboardLink":
        """Open an input device that types, exclusively; raises LinkError."""
        from drivers.links.keyboard import KeyboardLink

        link = await self._open.enter_async_context(KeyboardLink(settings, self._tap))
        self.simulated = self.simulated or link.simulated
        return link

    @asynccontextmanager
    async def smart_card(self, reader: str) -> "AsyncIterator[SmartCardLink]":
        """Use a PC/SC slot, named by the beginning of its name, for one document; raises LinkError."""
        from drivers.links.smartcard import SmartCardLink

        async with SmartCardLink(reader, self._tap) as link:
            self.simulated = self.simulated or link.simulated
            yield link

    async def http(self, settings: "HttpSettings") -> "HttpLink":
        """Prepare to ask an HTTP service, which says itself whether it is real; raises LinkError."""
        from drivers.links.http import HttpLink

        return await self._open.enter_async_context(HttpLink(settings, self._tap, self._found_simulator))

    def _found_simulator(self) -> None:
        self.simulated = True

    async def close(self) -> None:
        """Close what is open, last opened first."""
        await self._open.aclose()
