"""Steps of the commissioning and of the proof test of a barrier, made from its configuration.

Sources: EN 12453 (test of protective devices at the machine); EN ISO 13849-1 (periodic test of functions with
faults that are not all detected by themselves).
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from drivers.barrier.board_settings import BoardBarrierSettings
from drivers.barrier.safety.case import ACTIVE_WORDS, Key, build_case, name_of
from drivers.barrier.wiring import BarrierSettings, DoorWiring


@dataclass(frozen=True, slots=True)
class StepText:
    """Sentences of a step: an English template, and the values of its `%(name)s`."""

    template: str
    values: Mapping[str, str]

    def render(self, translate: Callable[[str], str] = str) -> str:
        """Return the sentences; template and values are translated one by one."""
        filled = translate(self.template) % {
            name: translate(value) if value else "" for name, value in self.values.items()
        }
        return " ".join(filled.split()).replace(" .", ".").replace(" ,", ",")


def step_text(template: str, **values: str) -> StepText:
    """Build a text; the catalogue of the console collects the templates of these calls."""
    return StepText(template, values)


class ProtocolKind(StrEnum):
    """Kind of test."""

    COMMISSIONING = "commissioning"
    """Before the first use, and after every change of the configuration: every wire, relay and fault."""
    PROOF_TEST = "proof_test"
    """At intervals: the inputs and functions that protect people."""
    POWER_ON = "power_on"
    """After the gateway's machine, the board or the barrier was without power: a short test before use."""


@dataclass(frozen=True, slots=True)
class ProtocolStep:
    """One step: an instruction, and the result to be seen."""

    name: str
    instruction: StepText
    expected: StepText
    sensed: tuple[Key, bool] | None = None
    """Input that must read so, as its key and value in `barrier.state`; None: a person judges."""


def protocol(settings: BoardBarrierSettings, kind: ProtocolKind) -> tuple[ProtocolStep, ...]:
    """Return the steps of a test in order."""
    if kind is ProtocolKind.POWER_ON:
        return tuple(_power_on(settings))
    steps = [*_inputs(settings, kind), ACKNOWLEDGED, *_functions(settings, kind)]
    if kind is ProtocolKind.COMMISSIONING:
        # First: it may switch off the machine on which the answers are given.
        steps = [POWER_RETURNS, *steps, *_faults(settings)]
    return tuple(steps)


POWER_RETURNS = ProtocolStep(
    "power returns",
    step_text(
        "Switch off the power of the board with the relays for ten seconds, and switch it on again. Watch "
        "the lamps of the relays and the barrier. If the gateway's machine powers the board, switch off the "
        "machine before this test, and answer by what you saw."
    ),
    step_text("No relay closes, not even for a moment, and nothing moves."),
)
"""Relays of some boards close for a moment while they start (arendst/Tasmota#1097): shorter than a poll."""


ACKNOWLEDGED = ProtocolStep(
    "acknowledged",
    step_text(
        "Acknowledge from a counter, or with borderpost command, what the steps before have left, such as an "
        "emergency or a forced opening."
    ),
    step_text("The gateway shows no emergency, and no condition that a person must acknowledge."),
)
"""Until then each closing is refused for that, and no later step shows that it is refused for a person."""
REFUSED_FOR_A_PERSON = step_text(
    "The command is refused because a person is in the way, and the door does not move."
)


def _power_on(settings: BarrierSettings) -> Iterator[ProtocolStep]:
    """Test what a loss of power may have changed: relays, positions, own movements, detectors, stops."""
    yield POWER_RETURNS
    yield ProtocolStep(
        "at rest",
        step_text("Look at the barrier and its lane. Compare it with what the gateway shows."),
        step_text("Nothing moves, the way is clear, and the gateway shows what you see."),
    )
    for index, door in enumerate(settings.doors):
        where = f"{door.name} " if door.name else ""
        if door.presence is not None:
            yield ProtocolStep(
                f"{where}presence operated",
                step_text("Interrupt the presence detector of the %(door)s door.", door=door.name),
                step_text("The gateway shows: %(state)s.", state=ACTIVE_WORDS["presence"][0]),
                (("doors", index, "presence"), True),
            )
        yield ProtocolStep(
            f"{where}open",
            step_text("Open the %(door)s door from a counter, or with borderpost command.", door=door.name),
            step_text("Only this door opens, and the gateway shows it as open."),
            (("doors", index, "open_limit"), True),
        )
        if door.close is not None:
            yield ProtocolStep(
                f"{where}close refused",
                step_text(
                    "Stand in the way of the open %(door)s door, and command it to close.", door=door.name
                ),
                REFUSED_FOR_A_PERSON,
            )
        yield ProtocolStep(
            f"{where}closed",
            _closing(door),
            step_text("Only this door closes, and the gateway shows it as closed."),
            (("doors", index, "closed_limit"), True),
        )
    yield ProtocolStep(
        "stop switch",
        step_text("Command a movement, and use the stop switch at the barrier while it moves."),
        step_text("The barrier stops."),
    )


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
            step_text(
                "Bring %(name)s (input %(number)s) to this state: %(state)s.",
                name=name,
                number=str(wired.input),
                state=active if operated else inactive,
            ),
            step_text("The gateway shows: %(state)s.", state=active if operated else inactive),
            (seen, operated) if seen is not None else None,
        )
        if kind is ProtocolKind.COMMISSIONING:
            reads = wired.contact == "nc"
            yield ProtocolStep(
                f"{name} cut",
                step_text("Unplug the wire of %(name)s at the board. Plug it in afterwards.", name=name)
                if reads
                else step_text(
                    "Begin in this state: %(state)s. Unplug the wire of %(name)s at the board. Plug it in "
                    "afterwards.",
                    state=active,
                    name=name,
                ),
                step_text("The gateway shows: %(state)s.", state=active if reads else inactive),
                (seen, reads) if seen is not None else None,
            )


def _functions(settings: BarrierSettings, kind: ProtocolKind) -> Iterator[ProtocolStep]:
    for index, door in enumerate(settings.doors):
        where = f"{door.name} " if door.name else ""
        yield ProtocolStep(
            f"{where}open",
            step_text("Open the %(door)s door from a counter, or with borderpost command.", door=door.name),
            step_text("Only this door opens, and the gateway shows it as open."),
            (("doors", index, "open_limit"), True),
        )
        if door.close is not None:
            yield ProtocolStep(
                f"{where}close refused",
                step_text(
                    "Stand in the way of the open %(door)s door, and command it to close.", door=door.name
                ),
                REFUSED_FOR_A_PERSON,
            )
            if door.presence_test is not None:
                yield ProtocolStep(
                    f"{where}detector test",
                    step_text(
                        "Unplug the wire of the detector's test input (relay %(relay)s), and command the "
                        "%(door)s door to close with its way clear. Plug it in afterwards.",
                        relay=str(door.presence_test),
                        door=door.name,
                    ),
                    step_text("The command is refused, and the gateway raises an alarm."),
                )
            yield ProtocolStep(
                f"{where}reversal",
                step_text(
                    "Close the %(door)s door, and put an object in its way while it closes.", door=door.name
                ),
                step_text("The door stops or opens at once, and the gateway raises an alarm."),
            )
        yield ProtocolStep(
            f"{where}stop",
            step_text(
                "Command the %(door)s door to move, and command a stop while it moves.", door=door.name
            ),
            step_text("The door stops.")
            if door.stop is not None
            else step_text(
                "The relays open. The door goes on, unless it moves only while its contact is closed."
            ),
        )
        # The other door of a gate opens only while this one is closed.
        if len(settings.doors) == 2 or (kind is ProtocolKind.COMMISSIONING and door.close is not None):
            yield ProtocolStep(
                f"{where}close",
                _closing(door),
                step_text("Only this door closes, and the gateway shows it as closed."),
                (("doors", index, "closed_limit"), True),
            )
    if settings.emergency is not None:
        yield _emergency(can_close=any(door.close is not None for door in settings.doors))
    if settings.key_switch is not None:
        yield ProtocolStep(
            "key switch",
            step_text("Turn the key switch, and command the barrier to open."),
            step_text("The command is refused because the key switch is turned, and nothing moves."),
        )
    if len(settings.doors) == 2:
        yield ProtocolStep(
            "interlock",
            step_text(
                "Open the first door, and command the second one to open. Repeat it the other way round."
            ),
            step_text("The second command is refused each time because the other door is not closed."),
        )


def _closing(door: DoorWiring) -> StepText:
    if door.close is None:
        return step_text("Let the %(door)s door close by its own controller.", door=door.name)
    return step_text("Close the %(door)s door with its way clear.", door=door.name)


def _emergency(*, can_close: bool) -> ProtocolStep:
    """Build the step of the emergency; `can_close`: the gateway closes a door."""
    if not can_close:
        return ProtocolStep(
            "emergency",
            step_text("Trigger the emergency input with the barrier closed, and end it again."),
            step_text(
                "The machine's own controller opens the barrier, and the gateway shows the emergency until "
                "it is over and acknowledged."
            ),
        )
    return ProtocolStep(
        "emergency",
        step_text("Trigger the emergency input with the barrier open, and command it to close."),
        step_text(
            "The machine's own controller opens or holds it open, and the command is refused until the "
            "emergency is over and acknowledged."
        ),
    )


def _faults(settings: BoardBarrierSettings) -> Iterator[ProtocolStep]:
    yield ProtocolStep(
        "dead gateway",
        step_text(
            "Command a movement, and kill the gateway during it: sudo systemctl kill -s KILL borderpost."
        ),
        step_text("The relay opens within a second, and nothing moves when the gateway is back."),
    )
    yield ProtocolStep(
        "dead board",
        step_text("Unplug the board from its network or port."),
        step_text("The gateway shows the barrier as offline within two seconds, and refuses commands."),
    )
    for index, item in enumerate(build_case(settings).to_confirm, 1):
        yield ProtocolStep(
            f"confirmed {index}",
            step_text("Confirm by a test at the machine."),
            StepText("%(item)s", {"item": item}),
        )
