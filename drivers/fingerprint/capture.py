"""One capture from command to outcome: placements, feedback, best image, outcome.

It uses a `ScannerProtocol` and has no access to the device link and no clock: its caller ends it on timeout,
on cancellation, and when the link is lost.
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
    """Interface of a scanner to a capture: the part that the driver of one protocol implements.

    **Calls.** One task calls these methods, one after the other, never two at a time: an implementation owns
    the link and needs no lock. An opened scanner is in `watch_idle`; for a capture that is cancelled, then
    follow `prepare_capture`, for each placement `wait_for_finger`, `capture_image`, perhaps
    `is_finger_lifted`, and (before the next) `wait_for_lift`, with `show_feedback` in between, then
    `end_capture`, and `watch_idle` again.

    **Cancellation.** A capture is cancelled, or times out, at any moment: everything except `end_capture` may
    be cancelled at every `await`. CancelledError must be passed on at once. The next call cleans up what
    remains (half of a packet, a transfer in a thread): `prepare_capture` after `watch_idle`, else
    `end_capture`.

    **Failures.** The device or its link is lost: raise LinkError, and the driver is closed and opened again.
    A placement gave no image, but the link works: return `CaptureFailure`. Bytes without meaning: `emit` a
    BadFrame.

    **Time.** None of them limits the time of a person: the capture has a limit. A missing response of the
    *device* is a LinkError with `NO_RESPONSE`. A link lost during a capture is reported within 300 ms.
    """

    positions: frozenset[FingerPosition] = SINGLE_FINGERS
    """Supported positions; others are refused as `not_supported`."""
    senses_fingers: ClassVar[bool] = True
    """True if the device detects placement and lift. False: `capture_image` itself waits for the finger, and

    neither `wait_for_finger` nor `wait_for_lift` is called.
    """

    @abstractmethod
    async def watch_idle(self) -> None:
        """Keep the device at rest, publish nothing, and raise LinkError as soon as it is gone."""

    async def prepare_capture(self, wanted: CaptureFinger) -> None:  # noqa: B027 - most have nothing to do
        """Prepare a capture: power up, set parameters. Raises CommandRefusal for unsupported parameters."""

    @abstractmethod
    async def wait_for_finger(self) -> None:
        """Return once a finger is on the platen, at once if one is there already."""

    @abstractmethod
    async def capture_image(self) -> Raster | CaptureFailure:
        """Capture one image of the platen now, and return it as described at `Raster`.

        Lifted before the image was complete: `CaptureFailure(LIFTED_TOO_EARLY)`.
        """

    @abstractmethod
    async def wait_for_lift(self) -> None:
        """Return once no finger is on the platen, at once if none is."""

    async def is_finger_lifted(self) -> bool:
        """Return True if the finger of the last image is lifted; called if that image shows nothing.

        May take 0.1 s. A device that cannot detect it returns False.
        """
        return False

    async def show_feedback(self, feedback: FeedbackCode) -> None:  # noqa: B027 - most have no lamp
        """Show feedback to the person by a lamp or a sound of the device, if it has one."""

    def idle_status(self) -> Status:
        """Return the device's state at rest; emitted after every capture."""
        return Status(StateCode.ONLINE)

    @abstractmethod
    async def end_capture(self) -> None:
        """End a capture, whatever its outcome: bring the device to rest, lamps off, no pending responses.

        The outcome is published already, so this may take some time; the device is `busy` until it returns.
        Not called after LinkError.
        """


EmitCallback = Callable[[Observation], None]
AssessCallback = Callable[[Raster], Awaitable[Assessment]]
"""Function that assesses an image."""
EncodeCallback = Callable[[Raster, ImageQuality], Awaitable[tuple[Attachment, ...]]]
"""Function that encodes an image of that quality in the requested encodings."""


@dataclass(frozen=True, slots=True)
class _Candidate:
    raster: Raster
    quality: ImageQuality
    attempt: int


class CaptureTransaction:
    """One capture: `run` it, interrupted or not, then `conclude` it, which publishes the outcome once."""

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
        """True if the last image shows that the platen must be cleaned."""

    async def run(self) -> None:
        """Capture images until one suffices or all placements are used; raises LinkError."""
        await self._scanner.prepare_capture(self._wanted)
        while self._attempt < self._wanted.best_of:
            await self._await_placement()
            taken = await self._scanner.capture_image()
            if isinstance(taken, Raster) and await self._suffices(taken):
                break
            if isinstance(taken, CaptureFailure):
                await self._on_failure(taken)
                if (
                    taken.outcome is CaptureOutcome.CANCELLED
                ):  # cancelled at the scanner: no further placement
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
        """Assess an image, and keep it if it is the best one so far."""
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
        """Publish the best image, unless the capture was cancelled, and the outcome.

        `cut`: CANCELLED, TIMED_OUT or DEVICE_LOST, if it did not run to its end; `broken`: by an internal
        error, which the image may have caused.
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
    """Return a number that orders images of one capture, which all have the same measure."""
    return -1.0 if quality.value is None else quality.value
