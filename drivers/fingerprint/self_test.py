"""Self-test steps of fingerprint scanners: state of the platen, responses, and a captured print."""

from drivers.fingerprint.commands import CaptureFingerResult
from drivers.fingerprint.observations import CaptureOutcome
from drivers.observation import Outcome
from drivers.self_test import SelfTestStep

FINGER_S = 45.0
"""Time for the placement of a finger, in seconds."""
SLOW_MS = 100.0
"""Response time of registers above which the bus is crowded or the cable fails, in milliseconds."""
START_TIMEOUT_S = 5.0
"""Time for the start of the capture, in seconds."""


def glass_step(*, dirty: bool | None) -> SelfTestStep:
    """Build the step of the platen.

    `dirty`: something other than a finger in the last image; None: no image yet.
    """
    if dirty is None:
        return SelfTestStep(
            name="glass.clean",
            outcome=Outcome.UNDETERMINED,
            text="No print has been captured since the start, so the state of the platen is unknown.",
        )
    return SelfTestStep(
        name="glass.clean",
        outcome=Outcome.FAILED if dirty else Outcome.SUCCESSFUL,
        text="Something other than a finger was on the platen." if dirty else "The platen was clean.",
        action="clean" if dirty else "none",
        how="Wipe the platen with a soft, dry cloth." if dirty else "",
    )


def response_step(took_ms: float) -> SelfTestStep:
    """Build the step of the registers, which were read in `took_ms` milliseconds."""
    return SelfTestStep(
        name="registers.answer",
        outcome=Outcome.SUCCESSFUL if took_ms <= SLOW_MS else Outcome.UNDETERMINED,
        text=f"The registers responded in {took_ms:.0f} ms.",
        measured=round(took_ms, 1),
        unit="ms",
        at_most=SLOW_MS,
    )


def capture_step(done: CaptureFingerResult) -> SelfTestStep:
    """Build the step of the captured print, without any content of the print."""
    good = done.outcome is CaptureOutcome.CAPTURED
    quality = done.quality
    return SelfTestStep(
        name="finger.taken",
        outcome=Outcome.SUCCESSFUL if good else Outcome.FAILED,
        text="A print of sufficient quality was captured."
        if good
        else f"No print sufficed: {done.reason or done.outcome}.",
        measured=float(quality.value) if quality is not None and quality.value is not None else None,
        unit=str(quality.measure) if quality is not None else "",
        at_least=quality.required_minimum if quality is not None else None,
        action="none" if good else "clean",
        how="" if good else "Clean the platen, and try another finger, neither dry nor wet.",
    )


def capture_failed_step(text: str) -> SelfTestStep:
    """Build the step of a capture that failed, with its reason in a sentence."""
    return SelfTestStep(
        name="finger.taken",
        outcome=Outcome.FAILED,
        text=text,
        action="clean",
        how="Place the finger flat, and keep it there until the lamp changes.",
    )
