"""What can go wrong with a scanner that is spoken to, beside what can with every reader."""

from typing import Literal

from pydantic import Field

from simulators.faults import Fault


class CommandRefused(Fault):
    """A command is refused from now on: the scanner has no licence for it, or is of another make."""

    fault: Literal["refuse"] = "refuse"
    command: str = Field(pattern=r"^[A-Z0-9_]{6}$", description="Its name: tag and subtag, such as OCRENA.")
    answer: Literal["nak", "enq", "silence"] = Field(
        "nak", description="nak: no such value. enq: no such command. silence: no answer at all."
    )
