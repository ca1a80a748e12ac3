"""Faults of a scanner that takes commands, in addition to those of every reader."""

from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter

from simulators.faults import AnyFault, Fault


class CommandRefused(Fault):
    """A command that is refused from now on, because of a missing licence or another make."""

    fault: Literal["refuse"] = "refuse"
    command: str = Field(
        pattern=r"^[A-Z0-9_]{6}$", description="Name of the command: tag and subtag, such as OCRENA."
    )
    answer: Literal["nak", "enq", "silence"] = Field(
        default="nak", description="nak: no such value. enq: no such command. silence: no answer at all."
    )


SCANNER_FAULTS: TypeAdapter[Any] = TypeAdapter(
    Annotated[AnyFault | CommandRefused, Field(discriminator="fault")]
)
