"""Faults of a barrier and events at it, in addition to those of the bus (`bus_faults`).

A lasting fault ends after `for_s` seconds or, without it, by `mend`. The names in `fault` are used in
scenario files, on the control socket and on the command line.
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
    """A fault that lasts for a while."""

    for_s: float | None = Field(
        default=None, gt=0, description="Duration in seconds; until mended if omitted."
    )


class ClearFaults(Fault):
    """End of all lasting faults and discarding of pending ones."""

    fault: Literal["mend"] = "mend"


# The boards and their link.


class BoardsHung(LastingFault):
    """Hung boards: no request is received and no answer sent, though connections stay."""

    fault: Literal["silence"] = "silence"


class SlowBus(LastingFault):
    """A delay of every exchange; a request is executed after the delay."""

    fault: Literal["slow-bus"] = "slow-bus"
    delay_s: float = Field(default=0.2, gt=0, description="Additional time of each, in seconds.")


class StalledAdapter(LastingFault):
    """A serial adapter that stalls: it holds the host's bytes, and transmits them at the end of the fault."""

    fault: Literal["stalled-adapter"] = "stalled-adapter"
    discards: bool = Field(
        default=True,
        description="Whether bytes that the host discards are gone, as with a UART of the machine.",
    )


class PowerCut(LastingFault):
    """No supply: relays are released, motors stop. When it returns, the controller acts as configured."""

    fault: Literal["power-cut"] = "power-cut"
    of: Literal["all", "boards", "controllers"] = Field(default="all", description="Whose supply.")
    clicks_s: float = Field(
        default=0.0,
        ge=0,
        le=5,
        description="Time for which every relay of a board closes while it starts, in seconds; 0: none does. "
        "Seen with relays that are driven by the pins of a microcontroller (arendst/Tasmota, issue 1097).",
    )


class WeldedRelay(LastingFault):
    """A relay contact that no longer opens, whatever its coil does and the board reads back."""

    fault: Literal["welded-relay"] = "welded-relay"
    relay: int = Field(ge=0, description="Number of the relay, counted from 0.")
    unit: int | None = Field(
        default=None, ge=1, description="Address of its board; the first one if omitted."
    )


# The wires.


class BrokenWire(LastingFault):
    """A cut wire of a signal: its circuit is open, whatever the signal."""

    fault: Literal["broken-wire"] = "broken-wire"
    signal: str


class ShortedWire(LastingFault):
    """A short circuit of a signal's wire: its circuit is closed, whatever the signal."""

    fault: Literal["shorted-wire"] = "shorted-wire"
    signal: str


class BothLimits(LastingFault):
    """Both limit switches active."""

    fault: Literal["both-limits"] = "both-limits"
    door: str = ""


class Chatter(LastingFault):
    """A contact that opens and closes continuously."""

    fault: Literal["chatter"] = "chatter"
    signal: str
    per_s: float = Field(default=10.0, gt=0, le=1000, description="Changes a second.")


# The machine and its environment.


class StuckBoom(LastingFault):
    """A jammed boom: it does not start or, with `at`, does not pass that position."""

    fault: Literal["stuck-boom"] = "stuck-boom"
    at: float | None = Field(
        default=None, ge=0, le=1, description="Position: 0 closed, 1 open; the present one if omitted."
    )
    door: str = ""


class EmergencyActive(LastingFault):
    """The fire alarm."""

    fault: Literal["fire"] = "fire"


class KeySwitch(LastingFault):
    """The key switch turned for maintenance."""

    fault: Literal["key-switch"] = "key-switch"


class ManualLift(Fault):
    """The boom moved by hand."""

    fault: Literal["lift"] = "lift"
    to: float = Field(default=1.0, ge=0, le=1, description="Final position: 0 closed, 1 open.")
    over_s: float = Field(default=1.5, gt=0, description="Duration in seconds.")
    door: str = ""


class ButtonPress(Fault):
    """A button pressed at the barrier itself."""

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
    | StalledAdapter
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
FAULTS: TypeAdapter[AnyFault] = TypeAdapter(AnyFault)


def fault_of(name: str, arguments: dict[str, Any] | None = None) -> AnyFault:
    """Return the fault with that name; raise SimulatorError if it is invalid."""
    try:
        return FAULTS.validate_python({**(arguments or {}), "fault": name})
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"][1:])
        raise SimulatorError(f"fault {name}: {where + ': ' if where else ''}{first['msg']}") from None
