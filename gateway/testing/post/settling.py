"""Rest of a simulated post between two tests: nothing of the earlier test reaches the next one.

The simulated devices are reset, and what the gateway still has of the earlier test is driven out: captures
are cancelled, a permit of a barrier is revoked and its alarms acknowledged, and a reader that was used reads
one invented document, whose events come after those of every earlier one.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

from drivers.barrier.observations import BarrierState, MovementState
from drivers.driver import Family
from drivers.passport.observations import DocumentRead, DocumentRemoved, MrzRead
from gateway.client import CommandError, ReceivedEvent, Workstation
from gateway.testing.post.errors import PostError
from simulators.control import send_command
from simulators.mrz import Document, Format

SETTLED_S = 30.0
"""Time for a post to be at rest, in seconds."""
POLL_S = 0.01
REPEAT_S = 1.0
"""Time without a read after which the document is presented again, in seconds: the first may be lost."""
PAGE_KINDS = ("document-bridge", "desko")
"""Kinds of simulators at which a document stays until it is taken away."""
SWIPE_KINDS = ("serial-mrz", "ocr-scanner")
BETWEEN = Document(
    format=Format.TD3,
    code="P",
    issuer="UTO",
    number="ZZBETWEEN",
    nationality="UTO",
    surname="Between",
    given_names="Two Tests",
    birth="900101",
    sex="<",
    expiry="391231",
)
"""Document that is read between two tests."""


def boot_ns() -> int:
    """Return the time by which events tell when they were observed, in nanoseconds since the boot."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


class Settling:
    """Brings a post to rest, as a station that hears every event."""

    def __init__(self, monitor: Workstation, positions: Collection[str], control_socket: Path) -> None:
        """`monitor` is connected, and stays so."""
        self._monitor = monitor
        self._positions = positions
        self._socket = control_socket
        self._kinds: dict[str, str] = {}
        self._events: list[ReceivedEvent] = []
        self._arrived = asyncio.Event()
        self._listening: asyncio.Task[None] | None = None

    async def until_usable(self, within_s: float) -> list[str]:
        """Wait until every device is usable; return those that are not after `within_s` seconds."""
        deadline_s = time.monotonic() + within_s
        while waiting := [one for one in self._positions if not self._monitor.status(one).is_usable]:
            if time.monotonic() > deadline_s:
                break
            await asyncio.sleep(POLL_S)
        return waiting

    def causes(self, positions: Collection[str]) -> str:
        """Return the causes for which devices are not usable."""
        states = {position: self._monitor.status(position).state for position in positions}
        return " ".join(f"{at}: {state.text if state else 'no state.'}" for at, state in states.items())

    async def settle(self, used: Collection[str]) -> int:
        """Bring the post to rest; return the time since which it is, as `boot_ns`.

        `used`: positions at which a test has presented something, injected a fault, or sent a command.
        Raises PostError where the post is not at rest within SETTLED_S.
        """
        if self._listening is None:
            self._listening = asyncio.create_task(self._listen())
        self._events.clear()
        step = "the simulated devices"
        try:
            async with asyncio.timeout(SETTLED_S):
                await self._request({"do": "reset"})
                step = "its devices"
                while waiting := await self.until_usable(POLL_S):
                    step = self.causes(waiting)
                for position in sorted(used):
                    step = position
                    await self._drive_out(position)
        except TimeoutError:
            raise PostError(f"The simulated post is not at rest after {SETTLED_S:g} s: {step}") from None
        return boot_ns()

    async def _drive_out(self, position: str) -> None:
        description = self._monitor.status(position).description
        match description.family if description is not None else None:
            case Family.PASSPORT_READER:
                await self._read_between(position)
            case Family.FINGERPRINT_SCANNER | Family.CAMERA:
                with contextlib.suppress(CommandError):  # no capture is running, or it takes no commands
                    await self._monitor.command(position, "cancel")
            case Family.BARRIER:
                await self._close(position)

    async def _read_between(self, position: str) -> None:
        """Let a reader read one document, and take it away."""
        kind = await self._kind(position)
        if kind in PAGE_KINDS:
            found = await self._present_until(position, _is_between(MrzRead))
            transaction = found.envelope.transaction
            await self._request({"do": "remove", "name": position})
            await self._heard(
                position, lambda one: one.envelope.transaction == transaction and _is(one, DocumentRemoved)
            )
        elif kind in SWIPE_KINDS:
            await self._present_until(position, _is_between(DocumentRead))
        else:
            return
        await self._request({"do": "reset", "name": position})

    async def _present_until(self, position: str, matches: Callable[[ReceivedEvent], bool]) -> ReceivedEvent:
        while True:
            await self._request({"do": "insert", "name": position, "lines": list(BETWEEN.lines)})
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(REPEAT_S):
                    return await self._heard(position, matches)

    async def _close(self, position: str) -> None:
        """Revoke the permit of a barrier by a stop, and acknowledge what a person must."""
        with contextlib.suppress(CommandError):
            await self._monitor.command(position, "stop")
        while True:
            last = self._monitor.last_value(position, BarrierState.event_type)
            if last is not None and isinstance(last.data, BarrierState):
                if last.data.conditions:
                    with contextlib.suppress(CommandError):
                        await self._monitor.command(position, "acknowledge", {"reason": "between two tests"})
                elif last.data.state is MovementState.CLOSED:
                    return
            await asyncio.sleep(POLL_S)

    async def _kind(self, position: str) -> str:
        if not self._kinds:
            answer = await self._request({"do": "list"})
            self._kinds = {one["name"]: one["kind"] for one in answer["simulators"]}
        return self._kinds.get(position, "")

    async def _request(self, request: dict[str, Any]) -> dict[str, Any]:
        answer = await send_command(self._socket, request)
        if not answer["ok"]:
            raise PostError(f"The simulated post cannot {request['do']}: {answer['error']}")
        return answer

    async def _listen(self) -> None:
        async for event in self._monitor:
            self._events.append(event)
            self._arrived.set()

    async def _heard(self, position: str, matches: Callable[[ReceivedEvent], bool]) -> ReceivedEvent:
        """Wait for an event of a device."""
        while True:
            self._arrived.clear()
            for event in self._of(position):
                if matches(event):
                    return event
            await self._arrived.wait()

    def _of(self, position: str) -> Iterator[ReceivedEvent]:
        return (event for event in self._events if str(event.position) == position)


def _is(event: ReceivedEvent, kind: type[Any]) -> bool:
    return isinstance(event.data, kind)


def _is_between(kind: type[MrzRead] | type[DocumentRead]) -> Callable[[ReceivedEvent], bool]:
    """Return the condition that an event has the zone of the document between two tests."""
    return lambda event: isinstance(event.data, kind) and event.data.lines == BETWEEN.lines
