"""Criteria on the behaviour of a driver at a device that plays its recordings."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from drivers.driver import Driver, yield_fault
from drivers.links.recording.endpoints import with_endpoint
from drivers.links.recording.recording import Recording
from gateway.testing.acceptance import DriverTrial, PlayedRecording, Result, held, not_held, not_tried
from gateway.testing.leaks import Leftovers, tasks_left
from gateway.testing.playback.damage import RecordedReading, places
from gateway.testing.playback.expectations import (
    contains_in_order,
    expected_file,
    first_difference,
    read_expected,
)
from gateway.testing.playback.open_driver import open_driver
from gateway.testing.playback.recorded_device import Session, fault_of, recorded_device
from gateway.testing.playback.replay_player import address_setting

NOISES = 40
"""Random streams that surround a reading."""
WARM_UPS = 5
"""Openings after which what a driver keeps once is there."""
OPENING_PAUSE_S = 0.01
"""Longest pause of a device that is opened again and again, unless its driver needs the recorded ones."""
LEAK_GRACE_S = 10.0
RECORD = (
    "Record it at a simulated or real device (`borderpost record`), put the file into the folder "
    "`recordings` of the package, or name its folder by --recordings."
)
AGAIN = "Make the criterion `recording` hold first: record it again with this version of the driver."
READING = "Begin a recording with a good reading, which gives an observation."
GIVE_UP = (
    "Discard an incomplete frame after a silence, and yield it as a BadFrame: "
    "drivers.links.framing.frames does both."
)
LINK_ERROR = "Let the LinkError of the link pass, or raise one with cause, text, action and remedy (`how`)."


async def gives_expected_events(trial: DriverTrial) -> Result:
    """Compare what comes of each recording with the file beside it."""
    played = await trial.played()
    if trial.unreadable:
        return not_held("; ".join(trial.unreadable), "Correct the file, or record it again.")
    if not played:
        return _no_recording(trial)
    for one in played:
        fault, remedy = _recording_fault(trial.driver_class, one)
        if fault:
            return not_held(f"{one.path.name}: {fault}.", remedy)
    return held(f"{_count(len(played), 'recording')}")


def _recording_fault(driver: type[Driver[Any]], one: PlayedRecording) -> tuple[str, str]:
    expected = read_expected(one.path)
    if one.whole.unfollowed is not None:
        return str(one.whole.unfollowed), "Record it again with this version of the driver."
    if one.whole.failed_by_itself and not one.whole.items:
        return "the driver does not open it", "Record it from the opening of the device on."
    if one.whole.fault:
        return one.whole.fault, LINK_ERROR
    if fault := next(filter(None, (yield_fault(driver, item) for item in one.whole.items[1:])), None):
        return fault, "Correct the driver; list each Observation that it yields in `observation_types`."
    if expected is None:
        return (
            f"there are no expected events ({expected_file(one.path).name})",
            "Write them by --write-events, and read what it wrote.",
        )
    difference = first_difference(one.whole.events, expected)
    return difference, "Correct the driver; or, if the events are right, write them by --write-events."


async def cut_frame_costs_itself(trial: DriverTrial) -> Result:
    """Cut the first reading at every byte."""

    async def trial_at(one: PlayedRecording, reading: RecordedReading, at: int) -> str:
        session = await trial.run(reading.cut(at), one.patience, _wanted(one), answer=reading.answer)
        loss = _loss(reading, session, one) or _invention(session, one)
        return loss and f"cut after {at} of {len(reading.parts)} {reading.unit}: {loss}"

    def cuts(one: PlayedRecording, reading: RecordedReading) -> list[Callable[[], Awaitable[str]]]:
        return [partial(trial_at, one, reading, at) for at in places(len(reading.parts), trial.places)]

    return await _at_each_reading(trial, cuts, "cut at {} places", GIVE_UP)


async def garbage_is_ignored(trial: DriverTrial) -> Result:
    """Send random bytes before, between and after readings."""

    async def trial_with(one: PlayedRecording, reading: RecordedReading, wanted: int, seed: int) -> str:
        session = await trial.run(
            reading.among_noise(seed), one.patience, _wanted(one) * wanted, answer=reading.answer
        )
        loss = _loss(reading, session, one, wanted)
        return loss and f"beside random bytes (seed {seed}): {loss}"

    async def noises(one: PlayedRecording, reading: RecordedReading) -> list[Callable[[], Awaitable[str]]]:
        wanted = await _repetitions(trial, one, reading)
        return [partial(trial_with, one, reading, wanted, seed) for seed in range(NOISES)]

    return await _at_each_reading(trial, noises, "{} streams of random bytes", GIVE_UP)


async def _repetitions(trial: DriverTrial, one: PlayedRecording, reading: RecordedReading) -> int:
    """Return how many events a reading gives that comes twice: some drivers suppress the same document."""
    if reading.is_asked_for:
        return 1
    silence_s = one.patience.silence_s
    session = await trial.run(reading.twice(), one.patience, _wanted(one), afterwards_s=silence_s)
    return max(1, min(2, session.observed.count(_wanted(one)[0])))


async def unplugging_ends_watch(trial: DriverTrial) -> Result:
    """Unplug after every byte of the opening and of the first reading, then read at a new device."""

    async def trial_of(one: PlayedRecording, recording: Recording, place: str) -> str:
        session = await trial.run(recording, one.patience)
        return f"{place}: {session.fault}" if session.fault else ""

    async def reads_again(one: PlayedRecording, reading: RecordedReading) -> str:
        session = await trial.run(reading.alone(), one.patience, _wanted(one))
        loss = _loss(reading, session, one)
        return loss and f"plugged in again: {loss}"

    def unplugs(one: PlayedRecording, reading: RecordedReading) -> list[Callable[[], Awaitable[str]]]:
        count = len(reading.parts)
        opening = range(min(one.whole.opened_at, reading.begin) + 1)
        return [
            *(
                partial(trial_of, one, _begin_of(one.recording, at), f"after {at} chunks of the opening")
                for at in opening
            ),
            *(
                partial(trial_of, one, reading.begun(at), f"unplugged after {at} of {count} {reading.unit}")
                for at in [*places(count, trial.places), count]
            ),
            partial(reads_again, one, reading),
        ]

    return await _at_each_reading(trial, unplugs, "unplugged at {} moments", LINK_ERROR)


async def absent_device_has_remedy(trial: DriverTrial) -> Result:
    """Open the driver where no device is."""
    if unplayable := trial.unplayable():
        return _no_recording(trial) if not trial.recordings else not_tried(unplayable, OWN_TEST)
    recording = next(iter(trial.recordings.values()))
    place = address_setting(recording)
    address = str(trial.folder / "absent")
    if place == "url" or recording.wire == "tcp":
        address = f"{'http' if place == 'url' else 'tcp'}://127.0.0.1:{_closed_port()}"
    try:
        async with (
            asyncio.timeout(LEAK_GRACE_S * 3),
            open_driver(trial.driver_class, with_endpoint(recording.settings, place, address)),
        ):
            pass
    except Exception as error:  # noqa: BLE001 - code of another package may fail in any way
        if fault := fault_of(error):
            return not_held(f"Without a device {fault}.", LINK_ERROR)
        return held(f"{getattr(error, 'cause', '')}, with a remedy")
    return not_held(
        "It opens although no device is there.", "Open the link in `open`, and ask the device who it is."
    )


async def opening_leaks_nothing(trial: DriverTrial) -> Result:
    """Open and close again and again; count descriptors, threads, processes and tasks."""
    played = [one for one in await trial.played() if one.whole.items]
    if not played:
        return _no_recording(trial)
    one = min(played, key=lambda each: each.whole.opened_at)
    tasks, leftovers = asyncio.all_tasks(), Leftovers()
    folder = trial.folder / "opens"
    folder.mkdir(exist_ok=True)
    pause_s = OPENING_PAUSE_S
    if await _opening_fault(trial, one, folder, pause_s):  # A driver may need the recorded pauses.
        pause_s = one.patience.silence_s
    for number in range(-WARM_UPS, trial.opens):
        if number == 0:
            tasks, leftovers = asyncio.all_tasks(), Leftovers()
        if fault := await _opening_fault(trial, one, folder, pause_s):
            return not_held(
                f"At opening {number + WARM_UPS + 1} {fault}.", "Close in `close` what `open` opened."
            )
    left = await leftovers.wait_in_loop(LEAK_GRACE_S)
    if remaining := await tasks_left(tasks, LEAK_GRACE_S):
        left["tasks"] = remaining
    if left:
        found = ", ".join(f"{len(each)} {name}" for name, each in left.items())
        return not_held(
            f"After {trial.opens} openings {found} remain.", "Close in `close` what `open` opened."
        )
    return held(f"{trial.opens} openings")


async def _opening_fault(trial: DriverTrial, one: PlayedRecording, folder: Path, pause_s: float) -> str:
    """Open and close the driver once; return its fault as a clause, "" for none."""
    async with recorded_device(_opening(one), folder, pause_s) as device:
        try:
            async with (
                asyncio.timeout(one.patience.answer_s),
                open_driver(trial.driver_class, device.settings),
            ):
                pass
        except Exception as error:  # noqa: BLE001 - code of another package may fail in any way
            return fault_of(error) or f"it fails: {getattr(error, 'cause', '')}"
    return ""


async def devices_do_not_affect_each_other(trial: DriverTrial) -> Result:
    """Play a whole recording while another device of the model is cut, noisy and unplugged."""
    played = [one for one in await trial.played() if one.reading is not None]
    if not played:
        return _no_recording(trial)
    one = played[0]
    assert one.reading is not None
    reading: RecordedReading = one.reading
    finished = asyncio.Event()

    async def disturb() -> None:
        seed = 0
        while not finished.is_set():
            await trial.run(reading.begun(len(reading.parts) // 2), one.patience)
            await trial.run(reading.among_noise(seed), one.patience, ())
            seed += 1

    folder = trial.folder / "other"
    folder.mkdir()
    idle = recorded_device(_opening(one), folder, one.patience.silence_s)
    async with idle as other, open_driver(trial.driver_class, other.settings):
        disturbing = asyncio.create_task(disturb())
        try:
            session = await trial.whole(one.recording, one.patience, one.whole.observed)
        finally:
            finished.set()
            await disturbing
    if difference := first_difference(session.events, one.whole.events):
        return not_held(
            f"{one.path.name}, beside other devices of the model: {difference}.",
            "Keep nothing in the module or the class that belongs to one device.",
        )
    return held(one.path.name)


Trials = Sequence[Callable[[], Awaitable[str]]]


async def _at_each_reading(
    trial: DriverTrial,
    trials_of: Callable[[PlayedRecording, RecordedReading], Trials | Awaitable[Trials]],
    summary: str,
    remedy: str,
) -> Result:
    """Run trials at the first reading of each recording."""
    played = await trial.played()
    if not played:
        return _no_recording(trial)
    count = 0
    without = []
    for one in played:
        if one.reading is None or one.event is None:
            without.append(one.path.name)
            continue
        made = trials_of(one, one.reading)
        trials = await made if isinstance(made, Awaitable) else made
        if fault := await trial.first_fault(trials):
            return not_held(f"{one.path.name}, {fault}.", remedy)
        count += len(trials)
    if not count:
        return not_held(f"No recording gives an observation: {', '.join(without)}.", READING)
    return held(summary.format(count))


def _loss(reading: RecordedReading, session: Session, one: PlayedRecording, count: int = 1) -> str:
    """Return the fault as a clause; "" if the reading came, or the link of an asked device failed."""
    if session.failure is not None and (fault := fault_of(session.failure)):
        return fault
    is_reported = reading.is_asked_for and session.failed_by_itself
    if is_reported or contains_in_order(session.observed, _wanted(one) * count):
        return ""
    return "the next reading is lost"


def _invention(session: Session, one: PlayedRecording) -> str:
    """Return the fault of a driver that makes a reading of a cut one, as a clause; "" for none."""
    assert one.event is not None
    others = [event for event in session.observed if event["type"] == one.event["type"]]
    return "" if all(event == one.event for event in others) else "a part of it became another reading"


def _wanted(one: PlayedRecording) -> list[dict[str, object]]:
    assert one.event is not None
    return [one.event]


def _opening(one: PlayedRecording) -> Recording:
    """Return the part of the recording that was played until the driver had opened its device."""
    end = one.whole.opened_at if one.reading is None else min(one.whole.opened_at, one.reading.begin)
    return _begin_of(one.recording, end)


def _begin_of(recording: Recording, count: int) -> Recording:
    return replace(recording, entries=recording.entries[:count])


OWN_TEST = (
    "Show it in tests of the package: gateway.testing.playback.umockdev plays recordings of USB devices, "
    "gateway.testing.playback.open_driver opens the driver."
)


def _no_recording(trial: DriverTrial) -> Result:
    if not trial.recordings:
        return not_held("It has no recording.", RECORD)
    if unplayable := trial.unplayable():
        return not_tried(unplayable, OWN_TEST)
    names = ", ".join(path.name for path in trial.recordings)
    return not_held(f"The driver gets no further with a recording than its opening: {names}.", AGAIN)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _closed_port() -> int:
    """Return a port of this machine at which nothing listens."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
