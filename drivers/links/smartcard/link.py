"""One slot of the service: presence of a card, and the thread of its session."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self, TypeVar

from drivers.links.link import Tap
from drivers.links.smartcard.card import POLL_S, Card
from drivers.links.smartcard.connection import Connection, connect
from drivers.links.smartcard.errors import (
    CardUnavailable,
    no_slot_error,
    not_installed_error,
    scard,
    service_error,
)

Result = TypeVar("Result")

VIRTUAL = "Virtual PCD"
"""Name prefix of the slots of vsmartcard's virtual reader."""


class SmartCardLink:
    """One slot: an async context manager."""

    def __init__(self, reader: str, tap: Tap) -> None:
        self._reader_name = reader
        self._tap = tap
        self._context = 0
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="pcsc")
        self._card: Card | None = None
        self._is_leaving = False
        self.name = ""
        """Full name of the slot, as reported by the service."""
        self.is_mute = False
        """True if a card that was there last did not respond."""

    @property
    def is_simulated(self) -> bool:
        """True if the slot belongs to a virtual reader."""
        return self.name.startswith(VIRTUAL)

    async def __aenter__(self) -> Self:
        """Find the slot; raises LinkError."""
        try:
            await self.run_blocking(self._establish)
        except BaseException:
            if self.name:  # cancelled after the slot was found
                await self.run_blocking(scard.SCardReleaseContext, self._context)
            await self._end_thread()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Disconnect from the card and from the service."""
        if self._card is not None:
            await self.run_blocking(self._card.release)
        await self.run_blocking(scard.SCardReleaseContext, self._context)
        await self._end_thread()

    async def wait_for_card(self, timeout_s: float) -> Card | None:
        """Wait for a card and connect to it; None when there is none in time. Raises LinkError.

        The card's transaction ends with its release, at the latest with this context.
        """
        deadline = time.monotonic() + timeout_s
        while await self._wait(present=True, timeout_s=deadline - time.monotonic()):
            card = await self.run_blocking(self._connect_card)
            if card is not None:
                return card
        return None

    async def wait_until_empty(self, timeout_s: float) -> bool:
        """Wait until the slot is empty; False when it is not in time. Raises LinkError."""
        return await self._wait(present=False, timeout_s=timeout_s)

    async def run_blocking(self, call: Callable[..., Result], *arguments: Any) -> Result:
        """Run a blocking call in the link's thread, and wait for its end even when cancelled."""
        running = asyncio.get_running_loop().run_in_executor(self._thread, call, *arguments)
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            self._is_leaving = True
            await asyncio.wait([running])
            raise

    async def _end_thread(self) -> None:
        await asyncio.get_running_loop().run_in_executor(None, self._thread.shutdown)

    async def _wait(self, *, present: bool, timeout_s: float) -> bool:
        deadline = time.monotonic() + timeout_s
        while True:
            if await self.run_blocking(
                self.wait_for_presence, present, min(POLL_S, max(0.0, deadline - time.monotonic()))
            ):
                return True
            if time.monotonic() >= deadline:
                return False

    def _establish(self) -> None:
        if scard is None:
            raise not_installed_error()
        code, context = scard.SCardEstablishContext(scard.SCARD_SCOPE_SYSTEM)
        if code != scard.SCARD_S_SUCCESS:
            raise service_error(code)
        code, names = scard.SCardListReaders(context, [])
        fitting = [name for name in names or () if name.startswith(self._reader_name)]
        if len(fitting) != 1:
            scard.SCardReleaseContext(context)
            raise no_slot_error(self._reader_name, list(names or ()), fitting)
        self._context, self.name = context, fitting[0]

    # Blocking, for the card.

    def wait_for_presence(self, present: bool, timeout_s: float) -> bool:
        """Wait until a card is present, or absent; return false after `timeout_s` seconds.

        Raises LinkError.
        """
        unwanted = scard.SCARD_STATE_EMPTY if present else scard.SCARD_STATE_PRESENT
        before = scard.SCARD_STATE_UNAWARE
        deadline = time.monotonic() + timeout_s
        while True:
            state = self._state(before, max(0.0, deadline - time.monotonic()))
            if state is None:
                return False
            self.is_mute = bool(state & scard.SCARD_STATE_MUTE)
            if not state & unwanted and not self.is_mute:
                return True
            before = state & ~scard.SCARD_STATE_CHANGED

    def presence(self) -> int:
        """Return a number that changes whenever a card comes or goes; raises LinkError."""
        # pcsc-lite: the upper half of the state counts the insertions and removals.
        return (self._state(scard.SCARD_STATE_UNAWARE, 0) or 0) >> 16

    def connect(self, is_abandoned: Callable[[], bool]) -> Connection | None:
        """Connect to the card; None when it has left again. Raises LinkError and CardUnavailable."""
        return connect(self.name, lambda: self._is_leaving or is_abandoned(), self._is_in_use)

    def _is_in_use(self) -> bool:
        state = self._state(scard.SCARD_STATE_UNAWARE, 0) or 0
        return bool(state & (scard.SCARD_STATE_INUSE | scard.SCARD_STATE_EXCLUSIVE))

    def _connect_card(self) -> Card | None:
        try:
            connection = self.connect(lambda: False)
        except CardUnavailable:
            return None  # the link is about to be closed
        if connection is None:
            return None
        try:
            self._card = Card(self, connection, self._tap)
        except BaseException:
            connection.close()
            raise
        return self._card

    def _state(self, before: int, timeout_s: float) -> int | None:
        """Wait for another state of the slot than `before`; None after `timeout_s` seconds.

        Raises LinkError.
        """
        code, states = scard.SCardGetStatusChange(
            self._context, round(1000 * timeout_s), [(self.name, before)]
        )
        if code == scard.SCARD_E_TIMEOUT:
            return None
        if code != scard.SCARD_S_SUCCESS:
            raise service_error(code)
        state = int(states[0][1])
        if state & (scard.SCARD_STATE_UNAVAILABLE | scard.SCARD_STATE_UNKNOWN):
            raise service_error(scard.SCARD_E_READER_UNAVAILABLE)
        return state
