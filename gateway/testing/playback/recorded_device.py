"""A device that sends what was recorded, and one session of a driver with it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from drivers.command import Invocation
from drivers.driver import Driver
from drivers.links.link import LinkError
from drivers.links.recording.endpoints import with_endpoint
from drivers.links.recording.recording import Recording
from gateway.testing.playback.expectations import Event, contains_in_order, events_of
from gateway.testing.playback.open_driver import open_driver
from gateway.testing.playback.replay_player import (
    ReplayError,
    ReplayPlayer,
    address_setting,
    replayed_line,
    silence,
)
from simulators.links.line import Line

LOOK_S = 0.005
"""Interval at which a device without a host looks for one, in seconds."""
OPEN_S = 20.0
"""Longest wait for `open`, which asks the device within seconds."""
PLAY_S = 300.0
"""Longest wait for the end of a recording, whose pauses are shortened."""
DriverClass = type[Driver[Any]]
Answer = tuple[bytes, bytes]
"""A request of the driver, and the answer of its device."""


class RecordedDevice:
    """A recording that is played, once, to the driver that opens it."""

    def __init__(self, player: ReplayPlayer, settings: dict[str, Any], unplug: Callable[[], object]) -> None:
        self.player = player
        self.settings = settings
        """Settings of its driver, with its address."""
        self.played = asyncio.Event()
        """Set when everything has been sent, or cannot be."""
        self.error: ReplayError | None = None
        """The driver did not follow the recording."""
        self.is_unplugged = False
        self._unplug = unplug

    def unplug(self) -> None:
        """Pull the cable, or end the service."""
        self.is_unplugged = True
        self._unplug()


@asynccontextmanager
async def recorded_device(
    recording: Recording, folder: Path, longest_pause_s: float, answer: Answer | None = None
) -> AsyncIterator[RecordedDevice]:
    """Provide the device of a recording in that folder; raises ReplayError for one that cannot be played.

    `answer`: request on a line that is answered also after the recording's end.
    """
    player = ReplayPlayer(recording, longest_pause_s)
    place = address_setting(recording)
    async with AsyncExitStack() as stack:
        if place == "url":
            served = await stack.enter_async_context(AsyncExitStack())
            port, finished = await served.enter_async_context(player.serve_http())
            address = f"http://127.0.0.1:{port}"
            stopping: list[asyncio.Task[None]] = []
            device = RecordedDevice(
                player,
                with_endpoint(recording.settings, place, address),
                lambda: stopping.append(asyncio.create_task(served.aclose())),
            )
            device.played = finished
            stack.push_async_callback(_all_of, stopping)
        else:
            line = await stack.enter_async_context(replayed_line(recording, folder, LOOK_S))
            settings = with_endpoint(recording.settings, place, line.address)
            device = RecordedDevice(player, settings, line.unplug)
            playing = asyncio.create_task(_play(device, line, answer))
            stack.push_async_callback(_cancel, playing)
        yield device


async def _play(device: RecordedDevice, line: Line, answer: Answer | None) -> None:
    try:
        await device.player.play_entries(line)
    except ReplayError as error:
        device.error = error
    device.played.set()
    while answer is not None:
        request, data = answer
        await line.wait_for_bytes(request)
        line.discard_received(request)
        await line.send(data)


async def _cancel(task: "asyncio.Future[Any]") -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def _all_of(tasks: Sequence["asyncio.Task[None]"]) -> None:
    await asyncio.gather(*tasks)


@dataclass
class Session:
    """Items that a driver yielded for one recording, from its opening to the loss of its device."""

    items: list[object] = field(default_factory=list)
    played_at: list[int] = field(default_factory=list)
    """Number of entries that were played before each item."""
    opened_at: int = 0
    """Number of entries that were played when `open` returned."""
    failure: Exception | None = None
    """The exception that ended it; None: it had not ended when it was no longer waited for."""
    failed_by_itself: bool = False
    """It failed before its device was unplugged."""
    unfollowed: ReplayError | None = None
    """The driver did not send the recorded bytes."""

    @property
    def reading(self) -> int | None:
        """Index of the first observation with attachments, or else of the first one that is no state.

        A capture yields instructions for the person before its picture.
        """
        found = [index for index, item in enumerate(self.items) if _is_reading(item)]
        with_attachments = (index for index in found if getattr(self.items[index], "attachments", ()))
        return next(with_attachments, found[0] if found else None)

    @property
    def events(self) -> list[Event]:
        """Identity and observations."""
        return list(events_of(self.items))

    def event_of(self, index: int) -> Event:
        """Return the item with that index as an event."""
        (event,) = events_of([self.items[index]])
        return event

    @property
    def observed(self) -> list[Event]:
        """Observations."""
        return [event for event in self.events if event["type"] != "identity"]

    @property
    def fault(self) -> str:
        """Fault of the driver in the way that its link failed, as a clause; "" for none."""
        if self.failure is None:
            return "its watch does not end when the device is unplugged"
        return fault_of(self.failure)


def fault_of(failure: Exception) -> str:
    """Return the fault of a failure, as a clause without its content; "" for one with cause and remedy."""
    if isinstance(failure, TimeoutError):
        return "its open does not end"
    if not isinstance(failure, LinkError):
        return f"it raises {type(failure).__name__} instead of a LinkError with a remedy"
    if not failure.text or not failure.how:
        return f"its LinkError `{failure.cause}` has no remedy (`how`)"
    return ""


@dataclass(frozen=True)
class Patience:
    """Times of a session, in seconds."""

    silence_s: float
    """Longest pause between entries, and the silence after the last one."""
    answer_s: float
    """Longest wait for what must come once all has been sent."""


async def run_session(
    driver_class: DriverClass,
    recording: Recording,
    folder: Path,
    patience: Patience,
    wanted: Sequence[Event] | None = None,
    *,
    afterwards_s: float = 0,
    answer: Answer | None = None,
) -> Session:
    """Open the driver at the recorded device, wait for the wanted events, and unplug it.

    `wanted`: None: the device is unplugged as soon as the driver has read everything, even while it opens;
    `afterwards_s`: time for further events, once the recorded command has ended; `answer`: a request that is
    answered also after the recording's end. The failure of the driver is in the result; that by an unplugged
    device only without `wanted` or with `afterwards_s`, because a driver that polls notices it late.
    """
    session = Session()
    ended, heard = asyncio.Event(), asyncio.Event()
    async with AsyncExitStack() as stack:
        device = await stack.enter_async_context(
            recorded_device(recording, folder, patience.silence_s, answer)
        )

        def note(item: object) -> None:
            if isinstance(item, Exception):
                session.failure = item
                ended.set()
            else:
                session.items.append(item)
                session.played_at.append(device.player.played_entries)
            heard.set()

        async def heard_wanted() -> None:
            while not contains_in_order(session.observed, wanted or ()):
                heard.clear()
                await heard.wait()

        if wanted is None:
            stack.push_async_callback(_cancel, asyncio.create_task(_unplug_when_played(device)))
        try:
            async with asyncio.timeout(OPEN_S) as limit, _limited(device, limit):
                opening = open_driver(driver_class, device.settings)
                there = await stack.enter_async_context(opening)
        except Exception as error:  # noqa: BLE001 - code of another package may fail in any way
            session.failure = error
            session.failed_by_itself = not device.is_unplugged
            session.unfollowed = device.error
            return session
        note(there.identity)
        session.opened_at = device.player.played_entries
        there.on_said = note
        async with recorded_command(there.driver, recording) as command:
            await _first(PLAY_S, device.played.wait(), ended.wait())
            if wanted is not None:
                await _first(patience.answer_s, heard_wanted(), ended.wait())
                if afterwards_s:
                    await _first(patience.answer_s, asyncio.wait([command]), ended.wait())
                    await silence(afterwards_s)
                session.failed_by_itself = ended.is_set()
                device.unplug()
            if wanted is None or afterwards_s:
                await _first(patience.answer_s, ended.wait())
        session.unfollowed = device.error
    return session


@asynccontextmanager
async def _limited(device: RecordedDevice, limit: asyncio.Timeout) -> AsyncIterator[None]:
    """End the time at once if the driver does not follow the recording."""

    async def watch() -> None:
        await device.played.wait()
        if device.error is not None:
            limit.reschedule(0)

    watching = asyncio.create_task(watch())
    try:
        yield
    finally:
        await _cancel(watching)


async def _unplug_when_played(device: RecordedDevice) -> None:
    await device.played.wait()
    device.unplug()


def _is_reading(item: object) -> bool:
    return any(True for event in events_of([item]) if event["type"] != "identity") and not getattr(
        item, "is_state", False
    )


async def _first(limit_s: float, *waits: Any) -> None:
    """Wait until one of them is done, or the time is over."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, timeout=limit_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def recorded_command(driver: Driver[Any], recording: Recording) -> AsyncIterator["asyncio.Future[Any]"]:
    """Send the driver the recorded command meanwhile, and return its future, which is done without one."""
    running: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    if recording.commands is None:
        running.set_result(None)
    else:
        verb, arguments = recording.commands
        command = driver.commands[verb]
        request = command.arguments_type.model_validate(arguments)
        running = asyncio.ensure_future(getattr(driver, command.method)(request, Invocation.local()))
    try:
        yield running
    finally:
        await _cancel(running)
