"""Checks of fingerprint scanners: was the glass clean, and does a finger give a print that suffices."""

from drivers.fingerprint.commands import CaptureFingerResult
from drivers.fingerprint.observations import CaptureOutcome
from drivers.observation import Outcome
from drivers.self_test import SelfTestStep

FINGER_S = 45.0
"""How long somebody has to place a finger, in seconds."""
SLOW_MS = 100.0
"""A register takes a few milliseconds; a bus that is crowded or a cable that fails takes longer."""
START_TIMEOUT_S = 5.0
"""How long the scanner has to begin, in seconds."""


def glass_step(*, dirty: bool | None) -> SelfTestStep:
    """Whether the last image showed something else than a finger; None: there was none yet."""
    if dirty is None:
        return SelfTestStep(
            name="glass.clean",
            outcome=Outcome.UNDETERMINED,
            text="No print has been taken since it was opened, so nothing is known of its glass.",
        )
    return SelfTestStep(
        name="glass.clean",
        outcome=Outcome.FAILED if dirty else Outcome.SUCCESSFUL,
        text="Something else than a finger was on the glass." if dirty else "The glass was clean.",
        action="clean" if dirty else "none",
        how="Wipe the glass with a soft, dry cloth." if dirty else "",
    )


def response_step(took_ms: float) -> SelfTestStep:
    """Its registers were read, in so many milliseconds."""
    return SelfTestStep(
        name="registers.answer",
        outcome=Outcome.SUCCESSFUL if took_ms <= SLOW_MS else Outcome.UNDETERMINED,
        text=f"Its registers answered in {took_ms:.0f} ms.",
        measured=round(took_ms, 1),
        unit="ms",
        at_most=SLOW_MS,
    )


def capture_step(done: CaptureFingerResult) -> SelfTestStep:
    """How a print came out. Nothing of the print itself."""
    good = done.outcome is CaptureOutcome.CAPTURED
    quality = done.quality
    return SelfTestStep(
        name="finger.taken",
        outcome=Outcome.SUCCESSFUL if good else Outcome.FAILED,
        text="A print was taken that suffices."
        if good
        else f"No print sufficed: {done.reason or done.outcome}.",
        measured=float(quality.value) if quality is not None and quality.value is not None else None,
        unit=str(quality.measure) if quality is not None else "",
        at_least=quality.required_minimum if quality is not None else None,
        action="none" if good else "clean",
        how="" if good else "Clean the glass, and try another finger, neither dry nor wet.",
    )


def capture_failed_step(text: str) -> SelfTestStep:
    """None came, for a reason in a sentence."""
    return SelfTestStep(
        name="finger.taken",
        outcome=Outcome.FAILED,
        text=text,
        action="clean",
        how="Place the finger flat, and keep it there until the lamp changes.",
    )
