"""Self-tests: what a device or its driver found out about itself when a technician asked.

The three levels are those of UnifiedPOS (`CheckHealth`, chapter 1): what is told without anybody noticing,
what people at the counter see or hear, and what needs somebody to take part.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from pydantic import AwareDatetime, Field

from drivers.observation import DataModel, Observation, OpenEnum, Outcome


class SelfTestLevel(OpenEnum):
    """How much of the device is tried, and who notices."""

    INTERNAL = "internal"
    """Link, identity, registers, sensors: nobody at the counter notices."""
    EXTERNAL = "external"
    """It lights up, beeps or takes a picture: who stands there notices, nobody has to do anything."""
    INTERACTIVE = "interactive"
    """Somebody presents a specimen, a finger or a card, and sees whether it is read."""
    UNKNOWN = "unknown"


class SelfTestStep(DataModel):
    """One thing that was tried. Never personal data: neither in its text nor in what was measured."""

    unredacted_fields = frozenset(
        {"name", "outcome", "text", "measured", "unit", "at_least", "at_most", "action", "how"}
    )

    name: str = Field(description="What was tried, as a code.", examples=["link.answers"])
    outcome: Outcome = Field(description="One of the five outcomes.", examples=["successful"])
    text: str = Field(description="What was found, in a plain sentence.", examples=["It answered in 12 ms."])
    measured: float | None = Field(None, description="What was measured, in `unit`.", examples=[12.0])
    unit: str = Field("", description="The unit of what was measured.", examples=["ms"])
    at_least: float | None = Field(None, description="The least that is well, in `unit`.", examples=[0.0])
    at_most: float | None = Field(None, description="The most that is well, in `unit`.", examples=[500.0])
    action: str = Field("none", description="What a person should do, as of states.", examples=["clean"])
    how: str = Field("", description="How to do it.", examples=["Wipe the glass with a dry cloth."])


@dataclass(frozen=True, slots=True)
class SelfTestContext:
    """A check that is asked of a driver."""

    level: SelfTestLevel
    next_observation: Callable[[], Awaitable[Observation]]
    """Waits for the next thing that the device says meanwhile, as `watch` yields it."""


class SelfTestReport(DataModel):
    """What a check of one level found."""

    unredacted_fields = frozenset({"level", "at", "steps"})

    level: SelfTestLevel = Field(description="Which level was asked for.", examples=["internal"])
    at: AwareDatetime = Field(description="When it ended, UTC.", examples=["2026-11-28T08:15:30Z"])
    steps: tuple[SelfTestStep, ...] = Field(description="What was tried, in order.", examples=[[]])

    @property
    def outcome(self) -> Outcome:
        """The worst of the steps; `not_supported` where nothing could be tried."""
        found = {step.outcome for step in self.steps}
        for worst in (Outcome.FAILED, Outcome.ABORTED, Outcome.UNDETERMINED, Outcome.SUCCESSFUL):
            if worst in found:
                return worst
        return Outcome.NOT_SUPPORTED
