"""What happens to a barrier and goes wrong with it, beside what `exchange` has for the bus.

A fault that lasts is put right after `for_s` seconds or, without it, by `mend`. The names in `fault` are
those of scenario files, of the control socket and of the command line.
"""

from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError

from simulators.barrier.bus_faults import (
    DuplicatedReply,
    ExceptionReply,
    ForeignReply,
    HangUp,
    LateReply,
    LostReply,
    LostRequest,
    WrongCrc,
)
from simulators.errors import SimulatorError
from simulators.faults import Fault, Noise, Unplug


class LastingFault(Fault):
    """Something that stays wrong for a while."""

    for_s: float | None = Field(None, gt=0, description="For so many seconds; without it, until mended.")


class ClearFaults(Fault):
    """Everything that lasts is put right, and exchanges to come are spared."""

    fault: Literal["mend"] = "mend"


# The boards and their link.


class BoardsHung(LastingFault):
    """The boards hang: they hear nothing and say nothing, though connections stay."""

    fault: Literal["silence"] = "silence"


class SlowBus(LastingFault):
    """Every exchange takes longer; a request is carried out only when it is its turn."""

    fault: Literal["slow-bus"] = "slow-bus"
    delay_s: float = Field(0.2, gt=0, description="How much longer each takes, in seconds.")


class PowerCut(LastingFault):
    """No supply: relays drop, motors are dead. What a controller does when it is back, it then does."""

    fault: Literal["power-cut"] = "power-cut"
    of: Literal["all", "boards", "controllers"] = Field("all", description="Whose supply.")


class WeldedRelay(LastingFault):
    """The contact of a relay does not open any more, whatever its coil does and the board reads back."""

    fault: Literal["welded-relay"] = "welded-relay"
    relay: int = Field(ge=0, description="Which one, counted from 0.")
    unit: int | None = Field(None, ge=1, description="On the board with this address; without it, the first.")


# The wires.


class BrokenWire(LastingFault):
    """The wire of a signal is cut: its circuit is open, whatever the signal."""

    fault: Literal["broken-wire"] = "broken-wire"
    signal: str


class ShortedWire(LastingFault):
    """The wire of a signal is bridged: its circuit is closed, whatever the signal."""

    fault: Literal["shorted-wire"] = "shorted-wire"
    signal: str


class BothLimits(LastingFault):
    """Both limit switches say that the boom is there."""

    fault: Literal["both-limits"] = "both-limits"
    door: str = ""


class Chatter(LastingFault):
    """A contact opens and closes all the time."""

    fault: Literal["chatter"] = "chatter"
    signal: str
    per_s: float = Field(10.0, gt=0, le=1000, description="Changes a second.")


# The machine and the people around it.


class StuckBoom(LastingFault):
    """The boom jams: it does not start or, with `at`, does not get past that position."""

    fault: Literal["stuck-boom"] = "stuck-boom"
    at: float | None = Field(
        None, ge=0, le=1, description="Where: 0 closed, 1 open; without it, where it is."
    )
    door: str = ""


class EmergencyActive(LastingFault):
    """The fire alarm."""

    fault: Literal["fire"] = "fire"


class KeySwitch(LastingFault):
    """Somebody turns the key switch: the barrier is worked on."""

    fault: Literal["key-switch"] = "key-switch"


class ManualLift(Fault):
    """Somebody moves the boom by hand."""

    fault: Literal["lift"] = "lift"
    to: float = Field(1.0, ge=0, le=1, description="Where to: 0 closed, 1 open.")
    over_s: float = Field(1.5, gt=0, description="How long it takes, in seconds.")
    door: str = ""


class ButtonPress(Fault):
    """Somebody presses a button at the barrier itself."""

    fault: Literal["button"] = "button"
    button: Literal["open", "close", "stop"]
    door: str = ""


AnyFault = Annotated[
    LostRequest
    | LostReply
    | DuplicatedReply
    | LateReply
    | WrongCrc
    | ForeignReply
    | ExceptionReply
    | HangUp
    | Unplug
    | Noise
    | BoardsHung
    | SlowBus
    | PowerCut
    | WeldedRelay
    | BrokenWire
    | ShortedWire
    | BothLimits
    | Chatter
    | StuckBoom
    | EmergencyActive
    | KeySwitch
    | ManualLift
    | ButtonPress
    | ClearFaults,
    Field(discriminator="fault"),
]
_FAULTS: TypeAdapter[AnyFault] = TypeAdapter(AnyFault)


def fault_of(name: str, arguments: dict[str, Any] | None = None) -> AnyFault:
    """The fault of that name; SimulatorError for one that cannot be."""
    try:
        return _FAULTS.validate_python({**(arguments or {}), "fault": name})
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"][1:])
        raise SimulatorError(f"fault {name}: {where + ': ' if where else ''}{first['msg']}") from None
