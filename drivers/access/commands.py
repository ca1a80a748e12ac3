"""What a card reader can be told to do with its outputs."""

from pydantic import Field

from drivers.command import CommandArguments, CommandOutput

TENTH_S = 0.1
LONGEST_S = 25.5
"""libosdp's Python interface keeps eight bits of the sixteen that the timer has: 30 s would become 4.4 s."""


class PulseOutput(CommandArguments):
    """Switch an output on for a while. The reader counts the time: it ends whatever happens to us."""

    unredacted_fields = frozenset({"output", "duration_s"})

    output: int = Field(0, ge=0, le=255, description="Which output, counted from 0.", examples=[0])
    duration_s: float = Field(
        1.0,
        ge=TENTH_S,
        le=LONGEST_S,
        description="How long, in seconds; the reader counts tenths.",
        examples=[1.0],
    )


class PulseOutputResult(CommandOutput):
    """The reader has taken it. That something moved is for inputs to tell."""

    unredacted_fields = frozenset({"output", "duration_s"})

    output: int = Field(description="Which output, counted from 0.", examples=[0])
    duration_s: float = Field(description="How long it is on, in seconds.", examples=[1.0])
