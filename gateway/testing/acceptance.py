"""Acceptance of the drivers of one package: criteria, their outcomes, and what a criterion judges."""

import asyncio
import tempfile
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import Any

from drivers.driver import Driver
from drivers.links.recording.recording import Recording, RecordingError
from drivers.links.settings import Settings
from drivers.registry import load_driver
from gateway.testing.packages import DriverPackage
from gateway.testing.playback.damage import RecordedReading, with_shorter_pauses
from gateway.testing.playback.expectations import Event, read_recording
from gateway.testing.playback.recorded_device import Answer, Patience, Session, run_session
from gateway.testing.playback.replay_player import ReplayError, address_setting

OPENS = 1000
"""How often a driver is opened and closed."""
PLACES = 256
"""Upper limit of the places at which one reading is cut: every byte of a text, not of a picture."""
AT_ONCE = 32
"""Sessions that run at the same time: they mostly wait."""
ANSWER_S = 20.0
SHORTEST_PAUSE_S = 0.25
"""Shorter pauses of a recording are not played."""
LONGEST_PAUSE_S = 0.4
"""Longer pauses of a whole recording are shortened to this."""
GAPS = 3
"""Silence after which an incomplete frame is given up, in units of the driver's `gap_s`."""
UNKNOWN_GAP_S = 0.5
"""Silence of a driver without that setting: the longest of ours."""


class AcceptanceOutcome(StrEnum):
    """Outcome of one criterion for one driver."""

    HELD = "held"
    NOT_HELD = "not held"
    NOT_TRIED = "not tried"
    """The kit cannot try it with this driver; it does not count."""


@dataclass(frozen=True, slots=True)
class Result:
    """Outcome of one criterion, what was found, and what to do."""

    outcome: AcceptanceOutcome
    found: str
    remedy: str = ""


def held(found: str) -> Result:
    """Return the result of a criterion that holds."""
    return Result(AcceptanceOutcome.HELD, found)


def not_held(found: str, remedy: str) -> Result:
    """Return the result of a criterion that does not hold."""
    return Result(AcceptanceOutcome.NOT_HELD, found, remedy)


def not_tried(found: str, remedy: str) -> Result:
    """Return the result of a criterion that cannot be tried here."""
    return Result(AcceptanceOutcome.NOT_TRIED, found, remedy)


@dataclass(frozen=True)
class PlayedRecording:
    """A recording of the driver, what came of it as a whole, and its first reading."""

    path: Path
    recording: Recording
    patience: Patience
    whole: Session
    reading: RecordedReading | None
    """None: it gave no observation but states."""
    event: Event | None
    """Event of the reading."""


@dataclass
class DriverTrial:
    """One driver that is tried, and its recordings."""

    package: DriverPackage
    name: str
    folder: Path
    """Folder for the ports of devices, one of each."""
    opens: int = OPENS
    places: int = PLACES
    answer_s: float = ANSWER_S
    """Longest wait for what the driver must yield or raise."""
    unreadable: list[str] = field(default_factory=list)
    """Files that are no recordings, each with its fault."""
    _played: list[PlayedRecording] | None = None
    _numbers: "count[int]" = field(default_factory=count)

    @cached_property
    def driver_class(self) -> type[Driver[Settings]]:
        """Class of the driver; loading runs the package's code."""
        return load_driver(self.name)

    @cached_property
    def recordings(self) -> dict[Path, Recording]:
        """Recordings of this driver, by their path."""
        found = {}
        for path in self.package.recordings:
            try:
                recording = read_recording(path)
            except RecordingError as error:
                self.unreadable.append(f"{path.name}: {error}")
            except (OSError, UnicodeDecodeError):
                self.unreadable.append(f"{path.name}: it cannot be read")
            else:
                if recording.driver == self.name:
                    found[path] = recording
        return found

    def unplayable(self) -> str:
        """Return why no recording can be played, as a sentence; "" if one can."""
        if not self.recordings:
            return "It has no recording."
        for recording in self.recordings.values():
            try:
                address_setting(recording)
            except ReplayError as error:
                fault = str(error)
            else:
                return ""
        return fault[:1].upper() + fault[1:] + "."

    async def played(self) -> list[PlayedRecording]:
        """Play every recording once, and return them with their first readings."""
        if self._played is None:
            self._played = [
                await self._play(path, recording)
                for path, recording in self.recordings.items()
                if _can_be_played(recording)
            ]
        return self._played

    async def run(
        self,
        recording: Recording,
        patience: Patience,
        wanted: Sequence[Event] | None = None,
        *,
        afterwards_s: float = 0,
        answer: Answer | None = None,
    ) -> Session:
        """Run one session with a new device, as `run_session`."""
        folder = self.folder / str(next(self._numbers))
        folder.mkdir()
        return await run_session(
            self.driver_class,
            recording,
            folder,
            patience,
            wanted,
            afterwards_s=afterwards_s,
            answer=answer,
        )

    async def whole(self, recording: Recording, patience: Patience, wanted: Sequence[Event]) -> Session:
        """Play a whole recording, with a silence after it."""
        silence_s = max(LONGEST_PAUSE_S, patience.silence_s)
        slower = replace(patience, silence_s=silence_s)
        return await self.run(recording, slower, wanted, afterwards_s=silence_s)

    async def first_fault(self, trials: Sequence[Callable[[], Awaitable[str]]]) -> str:
        """Run trials, some at once, until one returns a fault; return it, or ""."""
        faults: list[str] = []
        waiting = iter(trials)

        async def work() -> None:
            for trial in waiting:
                if faults:
                    return
                if fault := await trial():
                    faults.append(fault)

        await asyncio.gather(*(work() for _ in range(AT_ONCE)))
        return faults[0] if faults else ""

    def silence_s(self, recording: Recording) -> float:
        """Return the silence that ends an incomplete frame, by the setting `gap_s`."""
        gap_s = self._gap_s(recording)
        return max(SHORTEST_PAUSE_S, GAPS * (UNKNOWN_GAP_S if gap_s is None else gap_s))

    def _gap_s(self, recording: Recording) -> float | None:
        model = self.driver_class.settings_model.model_fields.get("gap_s")
        gap_s: Any = recording.settings.get("gap_s", model.default if model else None)
        return float(gap_s) if isinstance(gap_s, int | float) else None

    async def _play(self, path: Path, recording: Recording) -> PlayedRecording:
        patience = Patience(self.silence_s(recording), self.answer_s)
        joined_s = None
        if self._gap_s(recording) is None:
            # The silence may be longer than a driver waits for an answer, and than pauses between readings.
            joined_s = UNKNOWN_GAP_S / 2
            recording = with_shorter_pauses(recording, UNKNOWN_GAP_S)
        whole = await self.whole(recording, patience, ())
        reading = event = None
        if (index := whole.reading) is not None:
            at = _last_received(recording, whole.played_at[index])
            reading = RecordedReading.around(recording, at, patience.silence_s, joined_s)
            event = whole.event_of(index)
        return PlayedRecording(path, recording, patience, whole, reading, event)


def _can_be_played(recording: Recording) -> bool:
    try:
        address_setting(recording)
    except ReplayError:
        return False
    return True


def _last_received(recording: Recording, played: int) -> int:
    """Return the index of the last chunk from the device among the first `played`."""
    chunks = recording.chunks[: max(1, played)]
    return max(index for index, chunk in enumerate(chunks) if chunk.direction == "in" or index == 0)


Check = Callable[[DriverTrial], Awaitable[Result]]


@dataclass(frozen=True, slots=True)
class Criterion:
    """One criterion of the acceptance."""

    name: str
    text: str
    """What holds, in a plain sentence."""
    check: Check
    rules: tuple[str, ...] = ()
    """Rules of the quality scale that it is evidence for."""


@asynccontextmanager
async def driver_trial(package: DriverPackage, name: str, opens: int = OPENS) -> AsyncIterator[DriverTrial]:
    """Return the trial of a driver, with a temporary folder for its devices."""
    with tempfile.TemporaryDirectory(prefix="borderpost-accept-") as folder:
        yield DriverTrial(package, name, Path(folder), opens, PLACES)


async def judge(criterion: Criterion, trial: DriverTrial) -> Result:
    """Return the result of a criterion; an exception of the driver is one that does not hold."""
    try:
        return await criterion.check(trial)
    except Exception as error:  # noqa: BLE001 - code of another package may fail in any way
        last = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{Path(last.filename).name}:{last.lineno}"
        return not_held(
            f"It raises {type(error).__name__} at {place}, where no exception is expected.",
            "Correct it; a device must not be able to cause it.",
        )
