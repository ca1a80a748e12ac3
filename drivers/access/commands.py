"""Commands of card readers: pulses of their outputs."""

from pydantic import Field

from drivers.command import CommandArguments, CommandOutput

TENTH_S = 0.1
LONGEST_S = 25.5
"""libosdp's Python interface keeps eight bits of the sixteen that the timer has: 30 s would become 4.4 s."""


class PulseOutput(CommandArguments):
    """Switch an output on for a limited time.

    The reader has the timer: it ends whatever happens to the gateway.
    """

    unredacted_fields = frozenset({"output", "duration_s"})

    output: int = Field(
        default=0, ge=0, le=255, description="Number of the output, counted from 0.", examples=[0]
    )
    duration_s: float = Field(
        default=1.0,
        ge=TENTH_S,
        le=LONGEST_S,
        description="Duration, in seconds; the reader counts tenths.",
        examples=[1.0],
    )


class PulseOutputResult(CommandOutput):
    """The reader has accepted the command. A movement is reported by inputs only."""

    unredacted_fields = frozenset({"output", "duration_s"})

    output: int = Field(description="Number of the output, counted from 0.", examples=[0])
    duration_s: float = Field(description="Duration, in seconds.", examples=[1.0])
