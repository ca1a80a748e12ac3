"""One capture from command to outcome: placements, feedback, the best image, and how it ended.

It speaks to a `Scanner` and knows no wire, and no time: whoever runs it ends it when the time is over, when
it is called off, or when the link is lost.
"""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import ClassVar

from drivers.driver import StateCode, Status
from drivers.fingerprint.assessment import Assessment
from drivers.fingerprint.commands import CaptureFinger, CaptureFingerResult
from drivers.fingerprint.observations import (
    SINGLE_FINGERS,
    CaptureEnded,
    CaptureOutcome,
    FeedbackCode,
    FingerCaptured,
    FingerFeedback,
    FingerPosition,
    ImageQuality,
    UnreadableReason,
)
from drivers.fingerprint.raster import CaptureFailure, Raster
from drivers.observation import Attachment, Observation, Outcome


class ScannerProtocol(ABC):
    """What a capture needs of a scanner: the part that the driver of one protocol writes.

    **Who calls.** One task calls these methods, one after the other, never two at a time: whoever implements
    them owns the wire and needs no lock. An opened scanner is told `idle`; for a capture `idle` is cancelled,
    then come `ready`, for each placement `finger_on`, `take`, perhaps `lifted`, and (before the next)
    `finger_off`, with `show` in between, then `rest`, and `idle` again.

    **Being cancelled.** A capture is called off, or its time ends, at any moment: everything but `rest` may
    be cancelled at every `await`. Let CancelledError pass, at once. What that leaves on the way (half of a
    packet, a transfer in a thread) is put in order by the call that comes next: `ready` after `idle`, else
    `rest`.

    **Failing.** The device or its link is lost: raise LinkError, and the driver is closed and opened anew. A
    placement gave no image, but the link stands: return `Spoilt`. Bytes that mean nothing: `say` a BadFrame.

    **Time.** None of them limits what a person takes: the capture has a limit. What the *device* does not
    answer in its usual time is a LinkError with `NO_ANSWER`. A link lost in a capture is raised in 300 ms.
    """

    positions: frozenset[FingerPosition] = SINGLE_FINGERS
    """What it can be asked for; other positions are refused as `not_supported`."""
    senses_fingers: ClassVar[bool] = True
    """Whether it tells when a finger comes and goes. False: `take` itself waits for the finger, and neither
    `finger_on` nor `finger_off` is called."""

    @abstractmethod
    async def watch_idle(self) -> None:
        """Nothing is asked: keep the device quiet, publish nothing, raise LinkError as soon as it is gone.

        Never returns; it is cancelled when a capture is asked for.
        """

    async def prepare_capture(self, wanted: CaptureFinger) -> None:  # noqa: B027 - most have nothing to do
        """A capture begins: power up, set parameters. Raises Refused for what this device cannot."""

    @abstractmethod
    async def wait_for_finger(self) -> None:
        """Return once a finger lies there, at once if one does already."""

    @abstractmethod
    async def capture_image(self) -> Raster | CaptureFailure:
        """Take one image of what lies there now, and return it as a `Raster` describes.

        Lifted before the image was complete: `Spoilt(LIFTED_TOO_EARLY)`.
        """

    @abstractmethod
    async def wait_for_lift(self) -> None:
        """Return once no finger lies there, at once if none does."""

    async def is_finger_lifted(self) -> bool:
        """Whether the finger of the image just taken has gone already; asked if that shows nothing.

        May take 0.1 s. A device that cannot tell says no.
        """
        return False

    async def show_feedback(self, feedback: FeedbackCode) -> None:  # noqa: B027 - most have no lamp
        """Tell the person by a lamp or a sound of the device, if it has one."""

    def idle_status(self) -> Status:
        """How the device is while nothing is asked; said after every capture."""
        return Status(StateCode.ONLINE)

    @abstractmethod
    async def end_capture(self) -> None:
        """A capture is over, however it ended: bring the device to rest, lamps off, nothing on the way.

        Its outcome has been said already, so this may take its time; the device is `busy` until it returns.
        Not called after LinkError.
        """


EmitCallback = Callable[[Observation], None]
AssessCallback = Callable[[Raster], Awaitable[Assessment]]
"""Judges an image."""
EncodeCallback = Callable[[Raster, ImageQuality], Awaitable[tuple[Attachment, ...]]]
"""Encodes an image of that quality as asked for."""


@dataclass(frozen=True, slots=True)
class _Candidate:
    raster: Raster
    quality: ImageQuality
    attempt: int


class CaptureTransaction:
    """One capture. `run` it, cut it short or not, then `conclude`: that says how it ended, once."""

    def __init__(
        self,
        scanner: ScannerProtocol,
        wanted: CaptureFinger,
        transaction: str,
        say: EmitCallback,
        assess: AssessCallback,
        encode: EncodeCallback,
    ) -> None:
        self._scanner = scanner
        self._wanted = wanted
        self._id = transaction
        self._say = say
        self._assess = assess
        self._encode = encode
        self._attempt = 0
        self._best: _Candidate | None = None
        self._last = CaptureFailure(CaptureOutcome.UNREADABLE)
        self._encoded: tuple[Attachment, ...] | None = None
        self.is_dirty = False
        """Whether the last image shows that the scanner should be cleaned."""

    async def run(self) -> None:
        """Take images until one suffices or the placements are used up; raises LinkError, Refused."""
        await self._scanner.prepare_capture(self._wanted)
        while self._attempt < self._wanted.best_of:
            await self._await_placement()
            taken = await self._scanner.capture_image()
            if isinstance(taken, Raster) and await self._suffices(taken):
                break
            if isinstance(taken, CaptureFailure):
                await self._on_failure(taken)
                if taken.outcome is CaptureOutcome.CANCELLED:  # at the scanner: no other placement is wanted
                    break
        if self._best is not None:
            self._encoded = await self._encode(self._best.raster, self._best.quality)

    async def _await_placement(self) -> None:
        senses = self._scanner.senses_fingers
        if senses and self._attempt > 0:
            await self._send_feedback(FeedbackCode.LIFT)
            await self._scanner.wait_for_lift()
        await self._send_feedback(FeedbackCode.PLACE, self._attempt + 1)
        if senses:
            await self._scanner.wait_for_finger()
            await self._send_feedback(FeedbackCode.KEEP_STILL, self._attempt + 1)
        self._attempt += 1

    async def _suffices(self, raster: Raster) -> bool:
        """Judge an image, and keep it if it is the best one yet."""
        await self._send_feedback(FeedbackCode.ASSESSING)
        found = await self._assess(raster)
        if (
            found.failure == _NOTHING
            and self._scanner.senses_fingers
            and await self._scanner.is_finger_lifted()
        ):
            found = _LIFTED
        self.is_dirty = found.is_dirty
        if found.quality is not None:
            candidate = _Candidate(raster, found.quality, self._attempt)
            if self._best is None or _worth(found.quality) > _worth(self._best.quality):
                self._best = candidate
            if found.quality.outcome is Outcome.SUCCESSFUL:
                return True
        if found.failure is not None:
            self._last = found.failure
        for feedback in found.feedback:
            await self._send_feedback(feedback)
        return False

    async def _on_failure(self, spoilt: CaptureFailure) -> None:
        self._last = spoilt
        self.is_dirty = spoilt.outcome is CaptureOutcome.SENSOR_DIRTY
        if spoilt.outcome in _TOLD:
            await self._send_feedback(_TOLD[spoilt.outcome])

    async def _send_feedback(self, feedback: FeedbackCode, attempt: int | None = None) -> None:
        self._say(
            FingerFeedback(
                feedback=feedback,
                position=self._wanted.position,
                attempt=attempt or self._attempt,
                best_of=self._wanted.best_of,
                transaction=self._id,
            )
        )
        await self._scanner.show_feedback(feedback)

    async def conclude(
        self, cut: CaptureOutcome | None = None, *, broken: bool = False
    ) -> CaptureFingerResult:
        """Say the best image, unless the capture was called off, and how it ended.

        `cut`: CANCELLED, TIMED_OUT or DEVICE_LOST, where it did not run to its end; `broken`: by a fault of
        the program, which the image may have caused.
        """
        best = None if broken or cut is CaptureOutcome.CANCELLED else self._best
        if best is not None:
            if self._encoded is None:
                self._encoded = await self._encode(best.raster, best.quality)
            self._say(self._captured(best, self._encoded))
        outcome, reason = self._outcome(best, cut)
        ended = CaptureEnded(
            outcome=outcome,
            reason=reason,
            position=self._wanted.position,
            purpose=self._wanted.purpose,
            attempts=self._attempt,
            best_of=self._wanted.best_of,
            transaction=self._id,
        )
        self._say(ended)
        return CaptureFingerResult(
            outcome=outcome, reason=reason, attempts=self._attempt, quality=best and best.quality
        )

    def _outcome(
        self, best: _Candidate | None, cut: CaptureOutcome | None
    ) -> tuple[CaptureOutcome, UnreadableReason | None]:
        if cut in (None, CaptureOutcome.TIMED_OUT) and best is not None and _usable(best.quality):
            return CaptureOutcome.CAPTURED, None
        if cut is not None:
            return cut, self._last.reason if best is not None else None
        return self._last.outcome, self._last.reason

    def _captured(self, best: _Candidate, encoded: tuple[Attachment, ...]) -> FingerCaptured:
        wanted, raster = self._wanted, best.raster
        return FingerCaptured(
            position=wanted.position,
            missing_fingers=wanted.missing_fingers,
            purpose=wanted.purpose,
            impression=raster.impression,
            width_px=raster.width_px,
            height_px=raster.height_px,
            resolution_ppi=raster.resolution_ppi,
            bits_per_pixel=raster.bits_per_pixel,
            quality=best.quality,
            attempt=best.attempt,
            attempts=self._attempt,
            best_of=wanted.best_of,
            attachments=encoded,
            transaction=self._id,
        )


_NOTHING = CaptureFailure(CaptureOutcome.UNREADABLE, UnreadableReason.NO_RIDGES)
_LIFTED = Assessment(None, CaptureFailure(CaptureOutcome.LIFTED_TOO_EARLY), (FeedbackCode.LIFTED_TOO_EARLY,))
_TOLD = {
    CaptureOutcome.LIFTED_TOO_EARLY: FeedbackCode.LIFTED_TOO_EARLY,
    CaptureOutcome.SENSOR_DIRTY: FeedbackCode.SENSOR_DIRTY,
}


def _usable(quality: ImageQuality) -> bool:
    return quality.outcome is not Outcome.FAILED


def _worth(quality: ImageQuality) -> float:
    """To compare images of one capture, which all have the same measure."""
    return -1.0 if quality.value is None else quality.value
