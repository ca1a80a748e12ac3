"""Self-tests of a device or its driver, started by a technician.

The three levels are those of UnifiedPOS (`CheckHealth`, chapter 1): without a visible effect, with one that
people at the counter see or hear, and with a task for a person.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from pydantic import AwareDatetime, Field

from drivers.observation import DataModel, Observation, OpenEnum, Outcome


class SelfTestLevel(OpenEnum):
    """Self-test level: internal (no visible effect), external (lamp), interactive (needs a specimen)."""

    INTERNAL = "internal"
    """Link, identity, registers, sensors: no visible effect at the counter."""
    EXTERNAL = "external"
    """Lights, beeps or takes a frame: noticeable at the counter, without a task for a person."""
    INTERACTIVE = "interactive"
    """A person presents a specimen, a finger or a card, and sees the result."""
    UNKNOWN = "unknown"


class SelfTestStep(DataModel):
    """One step of a self-test. Never personal data: neither in its text nor in its measurement."""

    unredacted_fields = frozenset(
        {"name", "outcome", "text", "measured", "unit", "at_least", "at_most", "action", "how"}
    )

    name: str = Field(description="Code of the step.", examples=["link.answers"])
    outcome: Outcome = Field(description="One of the five outcomes.", examples=["successful"])
    text: str = Field(description="Result, in a plain sentence.", examples=["It responded in 12 ms."])
    measured: float | None = Field(default=None, description="Measured value, in `unit`.", examples=[12.0])
    unit: str = Field(default="", description="Unit of the measured value.", examples=["ms"])
    at_least: float | None = Field(
        default=None, description="Lower limit of good values, in `unit`.", examples=[0.0]
    )
    at_most: float | None = Field(
        default=None, description="Upper limit of good values, in `unit`.", examples=[500.0]
    )
    action: str = Field(
        default="none", description="Recommended action of a person, as for states.", examples=["clean"]
    )
    how: str = Field(
        default="", description="Instructions for the action.", examples=["Wipe the glass with a dry cloth."]
    )


@dataclass(frozen=True, slots=True)
class SelfTestContext:
    """One run of a self-test, as passed to a driver."""

    level: SelfTestLevel
    next_observation: Callable[[], Awaitable[Observation]]
    """Wait for the next observation of the device during the self-test, as yielded by `watch`."""


class SelfTestReport(DataModel):
    """Result of a self-test at one level."""

    unredacted_fields = frozenset({"level", "at", "steps"})

    level: SelfTestLevel = Field(description="Requested level.", examples=["internal"])
    at: AwareDatetime = Field(description="End of the self-test, UTC.", examples=["2026-11-28T08:15:30Z"])
    steps: tuple[SelfTestStep, ...] = Field(description="Steps, in order.", examples=[[]])

    @property
    def outcome(self) -> Outcome:
        """Worst outcome of the steps; `not_supported` without any step."""
        found = {step.outcome for step in self.steps}
        for worst in (Outcome.FAILED, Outcome.ABORTED, Outcome.UNDETERMINED, Outcome.SUCCESSFUL):
            if worst in found:
                return worst
        return Outcome.NOT_SUPPORTED
