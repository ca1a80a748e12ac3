"""A workstation at a simulated post, for tests that have no event loop: every call waits for its result."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from types import TracebackType
from typing import Any, Self

from gateway.client import CommandRejected, CommandResult, DeviceStatus, LastValue, ReceivedEvent, Workstation
from gateway.contract.reason_codes import CommandReason
from gateway.testing.post.loop_thread import LoopThread

POLL_S = 0.01
USABLE_S = 20.0
"""Time for the states of the devices to arrive, in seconds."""
PRESS_S = 0.1
"""Time between two attempts of a command that came too soon after the one before, in seconds."""


class Desk:
    """A workstation that hears only what was observed since the begin of its test. A context manager."""

    def __init__(
        self,
        workstation: Workstation,
        loop: LoopThread,
        since_ns: int,
        positions: Collection[str] = (),
        on_used: Callable[[str], object] = lambda _: None,
    ) -> None:
        """`since_ns`: time of the begin, as `settling.boot_ns`. `positions`: devices that are usable then.

        `on_used`: called with the position of each commanded device.
        """
        self.workstation = workstation
        """The workstation itself; to be used in the thread of the post only."""
        self._loop = loop
        self._since_ns = since_ns
        self._positions = tuple(positions)
        self._on_used = on_used
        self._events: list[ReceivedEvent] = []
        self._taken: set[int] = set()
        """Indexes of the events that `next` has returned."""
        self._arrived = asyncio.Condition()
        self._listening: asyncio.Task[None] | None = None

    def __enter__(self) -> Self:
        self._loop.run(self._open())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.run(self._close())

    @property
    def events(self) -> list[ReceivedEvent]:
        """All events of this test so far, in the order of their arrival."""
        return list(self._events)

    def next(self, event_type: str, position: str | None = None, *, within_s: float = 10.0) -> ReceivedEvent:
        """Return the next event of a type, such as `document.read`, that was not returned before.

        Raises AssertionError if none comes within `within_s` seconds; it names the types that came.
        """
        return self._loop.run(self._next(event_type, position, within_s))

    def command(
        self,
        position: str,
        verb: str,
        args: Mapping[str, Any] | None = None,
        *,
        within_s: float = 10.0,
        transaction: str | None = None,
    ) -> CommandResult[Any]:
        """Command a device, and wait for the end; raises CommandError.

        Repeated while the device refuses it because movements follow each other too quickly.
        """
        self._on_used(position)
        return self._loop.run(self._command(position, verb, args, within_s, transaction))

    @contextlib.contextmanager
    def claim(self, position: str) -> Iterator[None]:
        """Claim a device while the context lasts."""
        held = self.workstation.claim(position)
        self._loop.run(held.__aenter__())
        try:
            yield
        finally:
            self._loop.run(held.__aexit__(None, None, None))

    def status(self, position: str) -> DeviceStatus:
        """Return the status of a device."""
        return self._loop.call(self.workstation.status, position)

    def wait_usable(self, *positions: str, usable: bool = True, within_s: float = 20.0) -> None:
        """Wait until devices are usable, or are not; raises AssertionError with their states."""
        self._loop.run(self._wait_usable(positions, usable, within_s))

    def last_value(self, position: str, event_type: str) -> LastValue | None:
        """Return the last value of a type, such as `barrier.state`; None when none is certain."""
        return self._loop.call(self.workstation.last_value, position, event_type)

    async def _open(self) -> None:
        await self.workstation.__aenter__()
        await self.workstation.connected_event.wait()
        self._listening = asyncio.create_task(self._listen())
        await self._wait_usable(self._positions, True, USABLE_S)

    async def _close(self) -> None:
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.gather(self._listening, return_exceptions=True)
        await self.workstation.__aexit__(None, None, None)

    async def _listen(self) -> None:
        async for event in self.workstation:
            if int(event.envelope.monons) >= self._since_ns:
                async with self._arrived:
                    self._events.append(event)
                    self._arrived.notify_all()

    def _take(self, event_type: str, position: str | None) -> ReceivedEvent | None:
        for index, event in enumerate(self._events):
            if index in self._taken or position not in (None, str(event.position)):
                continue
            if type_of(event) == event_type:
                self._taken.add(index)
                return event
        return None

    async def _next(self, event_type: str, position: str | None, within_s: float) -> ReceivedEvent:
        try:
            async with asyncio.timeout(within_s), self._arrived:
                while (found := self._take(event_type, position)) is None:
                    await self._arrived.wait()
                return found
        except TimeoutError:
            came = ", ".join(f"{type_of(one)} of {one.position}" for one in self._events) or "nothing"
            of = f" of {position}" if position else ""
            raise AssertionError(
                f"no further {event_type}{of} within {within_s:g} s; there came: {came}"
            ) from None

    async def _command(
        self,
        position: str,
        verb: str,
        args: Mapping[str, Any] | None,
        within_s: float,
        transaction: str | None,
    ) -> CommandResult[Any]:
        deadline_s = time.monotonic() + within_s
        while True:
            try:
                return await self.workstation.command(
                    position, verb, args, timeout_s=within_s, transaction=transaction
                )
            except CommandRejected as refused:
                if refused.reason != CommandReason.RATE_LIMITED or time.monotonic() > deadline_s:
                    raise
            await asyncio.sleep(PRESS_S)

    async def _wait_usable(self, positions: tuple[str, ...], usable: bool, within_s: float) -> None:
        deadline_s = time.monotonic() + within_s
        while wrong := [one for one in positions if self.workstation.status(one).is_usable is not usable]:
            if time.monotonic() > deadline_s:
                states = ((one, self.workstation.status(one).state) for one in wrong)
                found = "; ".join(f"{one} is {state.state if state else 'unknown'}" for one, state in states)
                raise AssertionError(f"after {within_s:g} s {found}")
            await asyncio.sleep(POLL_S)


def type_of(event: ReceivedEvent) -> str:
    """Return the type of an event without `bgw.` and version."""
    return event.envelope.type.removeprefix("bgw.").rpartition(".v")[0]
