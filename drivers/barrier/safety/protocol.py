"""Steps of the commissioning and of the proof test of a barrier, made from its configuration.

Sources: EN 12453 (test of protective devices at the machine); EN ISO 13849-1 (periodic test of functions with
faults that are not all detected by themselves).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from drivers.barrier.board_settings import BoardBarrierSettings
from drivers.barrier.safety.case import ACTIVE_WORDS, Key, build_case, name_of
from drivers.barrier.wiring import BarrierSettings

COMMAND_HINT = "from a counter, or with borderpost command"


class ProtocolKind(StrEnum):
    """Kind of test."""

    COMMISSIONING = "commissioning"
    """Before the first use, and after every change of the configuration: every wire, relay and fault."""
    PROOF_TEST = "proof_test"
    """At intervals: the inputs and functions that protect people."""


@dataclass(frozen=True, slots=True)
class ProtocolStep:
    """One step: an instruction, and the result to be seen."""

    name: str
    instruction: str
    expected: str
    sensed: tuple[Key, bool] | None = None
    """Input that must read so, as its key and value in `barrier.state`; None: a person judges."""


def protocol(settings: BoardBarrierSettings, kind: ProtocolKind) -> tuple[ProtocolStep, ...]:
    """Return the steps of a test in order."""
    steps = [*_inputs(settings, kind), *_functions(settings, kind)]
    if kind is ProtocolKind.COMMISSIONING:
        steps += _faults(settings)
    return tuple(steps)


def _inputs(settings: BarrierSettings, kind: ProtocolKind) -> Iterator[ProtocolStep]:
    """Operate each input; at commissioning, also cut its wire."""
    protective = ("presence", "emergency", "key_switch", "open_limit", "closed_limit", "controller_ok")
    for key, wired in settings.inputs():
        signal = str(key[-1])
        if kind is ProtocolKind.PROOF_TEST and signal not in protective:
            continue
        name = name_of(settings, key)
        active, inactive = ACTIVE_WORDS[signal]
        seen = None if signal == "local_button" else key
        # A ready controller is active at rest: the fault is the other state.
        operated = signal != "controller_ok"
        yield ProtocolStep(
            f"{name} operated",
            f"Bring {name} (input {wired.input}) to this state: {active if operated else inactive}.",
            f"The gateway shows: {active if operated else inactive}.",
            (seen, operated) if seen is not None else None,
        )
        if kind is ProtocolKind.COMMISSIONING:
            reads = wired.contact == "nc"
            opposite = "" if reads else f" Begin in this state: {active}."
            yield ProtocolStep(
                f"{name} cut",
                f"Unplug the wire of {name} at the board.{opposite} Plug it in afterwards.",
                f"The gateway shows: {active if reads else inactive}.",
                (seen, reads) if seen is not None else None,
            )


def _functions(settings: BarrierSettings, kind: ProtocolKind) -> Iterator[ProtocolStep]:
    for index, door in enumerate(settings.doors):
        where = f"{door.name} " if door.name else ""
        yield ProtocolStep(
            f"{where}open",
            f"Open the {where}door {COMMAND_HINT}.",
            "Only this door opens, and the gateway shows it as open.",
            (("doors", index, "open_limit"), True),
        )
        if door.close is not None:
            yield ProtocolStep(
                f"{where}close refused",
                f"Stand in the way of the open {where}door, and command it to close.",
                "The command is refused, and the door does not move.",
            )
            yield ProtocolStep(
                f"{where}reversal",
                f"Close the {where}door, and put an object in its way while it closes.",
                "The door stops or opens at once, and the gateway raises an alarm.",
            )
        yield ProtocolStep(
            f"{where}stop",
            f"Command the {where}door to move, and command a stop while it moves.",
            "The door stops."
            if door.stop is not None
            else "The relays open. The door goes on, unless it moves only while its contact is closed.",
        )
        if kind is ProtocolKind.COMMISSIONING and door.close is not None:
            yield ProtocolStep(
                f"{where}close",
                f"Close the {where}door with its way clear.",
                "Only this door closes, and the gateway shows it as closed.",
                (("doors", index, "closed_limit"), True),
            )
    if settings.emergency is not None:
        yield ProtocolStep(
            "emergency",
            "Trigger the emergency input with the barrier open, and command it to close.",
            "The machine's own controller opens or holds it open, and the command is refused until the "
            "emergency is over and acknowledged.",
        )
    if len(settings.doors) == 2:
        yield ProtocolStep(
            "interlock",
            "Open the first door, and command the second one to open. Repeat it the other way round.",
            "The second command is refused each time.",
        )


def _faults(settings: BoardBarrierSettings) -> Iterator[ProtocolStep]:
    yield ProtocolStep(
        "dead gateway",
        "Command a movement, and kill the gateway during it: sudo systemctl kill -s KILL borderpost.",
        "The relay opens within a second, and nothing moves when the gateway is back.",
    )
    yield ProtocolStep(
        "dead board",
        "Unplug the board from its network or port.",
        "The gateway shows the barrier as offline within two seconds, and refuses commands.",
    )
    for index, item in enumerate(build_case(settings).to_confirm, 1):
        yield ProtocolStep(f"confirmed {index}", "Confirm by a test at the machine.", item)
