"""The safety argument for one configured barrier, computed by its own state machine.

For a cut wire and a stuck relay, the state machine of the driver is run over this configuration: its answers
to the commands are the statement. What only the machine's own controller can prevent is named. No link is
opened.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from drivers.barrier.board import Board, BoardSettings, PulseEnd
from drivers.barrier.board_settings import BoardBarrierSettings
from drivers.barrier.commands import CloseBarrier, OpenBarrier
from drivers.barrier.contacts import InputContact
from drivers.barrier.control.relays import OVERDUE_MARGIN_S
from drivers.barrier.missed_readings import MAX_MISSED_READINGS
from drivers.barrier.safety.rehearsal import Rehearsal
from drivers.barrier.wiring import BarrierInputs, BarrierSettings
from drivers.links.factory import LinkFactory

Key = tuple[str | int, ...]
REST_S, STEP_S = 65.0, 1.0
"""Time at rest before a command, longer than any `min_interval_s`, and interval of readings, in seconds."""
ACTIVE_WORDS: Mapping[str, tuple[str, str]] = {
    "open_limit": ("open", "not open"),
    "closed_limit": ("closed", "not closed"),
    "presence": ("a person in the way", "clear"),
    "entry_side": ("a person on the entry side", "no person on the entry side"),
    "exit_side": ("a person on the exit side", "no person on the exit side"),
    "emergency": ("an emergency", "no emergency"),
    "key_switch": ("key switch turned", "key switch not turned"),
    "controller_ok": ("controller ready", "controller in fault"),
    "local_button": ("button pressed", "button not pressed"),
}
"""Words for each signal while it is active, and while it is not."""
ACTIVE_AT_REST = frozenset({"controller_ok"})


@dataclass(frozen=True, slots=True)
class Answer:
    """Answer to one command in a state with a fault."""

    command: str
    """As in `close` or `open second`."""
    refusal: str | None
    """None: the command is permitted."""


@dataclass(frozen=True, slots=True)
class WireFault:
    """Effect of a cut and of a short at one input."""

    key: Key
    wired: InputContact
    cut_reads: str
    short_reads: str
    cut: tuple[Answer, ...]
    is_short_noticed: bool
    """True if a short reads as the dangerous condition, or contradicts the other limit switch."""
    unsafe_commands: tuple[str, ...]
    """Commands that are permitted although this input, with its wire cut, must prevent them."""

    @property
    def signal(self) -> str:
        """Name of the signal."""
        return str(self.key[-1])


@dataclass(frozen=True, slots=True)
class RelayFault:
    """Effect of one relay that stays closed."""

    key: Key
    relay: int
    text: str
    answers: tuple[Answer, ...]


@dataclass(frozen=True, slots=True)
class ConfiguredValue:
    """One value of the configuration that is neither a relay nor an input."""

    key: str
    """As in `pulse_s` or `board.time_relay_s`."""
    value: str
    text: str
    """Its meaning."""


@dataclass(frozen=True, slots=True)
class SafetyCase:
    """The argument for one barrier."""

    board: str
    wires: tuple[WireFault, ...]
    relays: tuple[RelayFault, ...]
    dead_gateway: tuple[str, ...]
    dead_board: tuple[str, ...]
    relay_check_s: float | None
    """Time from the start of a pulse until a relay that stays closed is noticed, in seconds; None: never."""
    rests_on_machine: tuple[str, ...]
    """What the gateway cannot prevent, so that the machine's own controller must."""
    to_confirm: tuple[str, ...]
    """Declarations that only a test at the machine confirms."""
    values: tuple[ConfiguredValue, ...]
    """Times, limits and permissions of the barrier and of its boards, defaults included."""


def build_case(settings: BoardBarrierSettings) -> SafetyCase:
    """Compute the safety argument for one barrier."""
    board = settings.build_board(LinkFactory())
    return SafetyCase(
        board=board_name(settings.board),
        wires=tuple(_wire_fault(settings, key, wired) for key, wired in settings.inputs()),
        relays=tuple(_relay_faults(settings)),
        dead_gateway=tuple(_dead_gateway(settings, board)),
        dead_board=tuple(_dead_board(settings, board)),
        relay_check_s=settings.pulse_s + board.release_timeout_s + OVERDUE_MARGIN_S + settings.poll_s
        if settings.board.reads_relays
        else None,
        rests_on_machine=tuple(_rests_on_machine(settings)),
        to_confirm=tuple(_to_confirm(settings, board)),
        values=tuple(_values(settings)),
    )


def board_name(board: BoardSettings) -> str:
    """Return the model of a board."""
    return str(getattr(board, "model", type(board).__name__))


def name_of(settings: BarrierSettings, key: Key) -> str:
    """Return the name of an input or relay for people: its key, and of two doors also the door's name."""
    door = settings.doors[int(key[1])].name if key[0] == "doors" else ""
    return f"{door} {key[-1]}" if door else str(key[-1])


# Computation by the state machine.


def _reading(settings: BarrierSettings, open_door: int | None, cut: int | None) -> BarrierInputs:
    """Return what is read of a barrier at rest without a person, with one wire cut."""
    closed = [False] * (1 + max(wired.input for _, wired in settings.inputs()))
    for key, wired in settings.inputs():
        signal = str(key[-1])
        active = signal in ACTIVE_AT_REST
        if signal == "open_limit":
            active = key[1] == open_door
        elif signal == "closed_limit":
            active = key[1] != open_door
        closed[wired.input] = active == (wired.contact == "no") and wired.input != cut
    return settings.decode_inputs(closed)


def _answers(
    settings: BarrierSettings, *, cut: int | None = None, stuck: int | None = None
) -> tuple[Answer, ...]:
    """Return the answer to each command at rest with the fault: to open when closed, to close when open."""
    answers = []
    rest = _reading(settings, None, None)
    for door, wiring in enumerate(settings.doors):
        for verb in ("open", "close") if wiring.close is not None else ("open",):
            rehearsal, at = Rehearsal(settings), None
            _let_rest(rehearsal, rest)
            if verb == "close":
                rehearsal.refusal(OpenBarrier(door=wiring.name))
                at = door
                _let_rest(rehearsal, _reading(settings, at, None))
            rehearsal.sense(_reading(settings, at, cut), STEP_S)
            if stuck is not None:
                rehearsal.stick_relay(stuck)
            request = OpenBarrier(door=wiring.name) if verb == "open" else CloseBarrier(door=wiring.name)
            answers.append(Answer(f"{verb} {wiring.name}".strip(), rehearsal.refusal(request)))
    return tuple(answers)


def _let_rest(rehearsal: Rehearsal, reading: BarrierInputs) -> None:
    for _ in range(round(REST_S / STEP_S)):
        rehearsal.sense(reading, STEP_S)


# Statements.


def _wire_fault(settings: BarrierSettings, key: Key, wired: InputContact) -> WireFault:
    signal = str(key[-1])
    active, inactive = ACTIVE_WORDS[signal]
    cut_is_active = wired.contact == "nc"
    at_rest = signal in ACTIVE_AT_REST
    answers = _answers(settings, cut=wired.input)
    prevented = _prevented_commands(settings, key)
    return WireFault(
        key=key,
        wired=wired,
        cut_reads=active if cut_is_active else inactive,
        short_reads=inactive if cut_is_active else active,
        cut=answers,
        # A shorted limit switch contradicts the other one as soon as the door is at the other end.
        is_short_noticed=signal in ("open_limit", "closed_limit") or (not cut_is_active and not at_rest),
        unsafe_commands=tuple(
            each.command for each in answers if each.refusal is None and each.command in prevented
        ),
    )


def _prevented_commands(settings: BarrierSettings, key: Key) -> set[str]:
    """Return the commands that an input must prevent while its wire is cut."""
    names = [door.name for door in settings.doors]
    door = names[int(key[1])] if key[0] == "doors" else ""
    closings = {f"close {name}".strip() for name in names}
    openings = {f"open {name}".strip() for name in names}
    match key[-1]:
        case "presence":
            return {f"close {door}".strip()}
        case "closed_limit":
            return openings - {f"open {door}".strip()}
        case "emergency":
            return closings
        case "key_switch":
            return closings | openings
        case "controller_ok":
            return closings if settings.open_in_fault else closings | openings
        case _:
            return set()


def _relay_faults(settings: BoardBarrierSettings) -> Iterator[RelayFault]:
    texts = {
        "open": "The open contact stays closed: the door opens, and a machine that gives opening priority "
        "stays open.",
        "close": "The close contact stays closed: the door closes, and may close again after its photocell "
        "has opened it.",
        "stop": "The stop contact stays closed: the door does not move.",
        "presence_test": "The test input stays closed: the detector reports presence, and nothing is closed.",
    }
    for index, door in enumerate(settings.doors):
        for name, text in texts.items():
            relay = getattr(door, name)
            if relay is not None:
                seen = relay if settings.board.reads_relays else None
                yield RelayFault(("doors", index, name), relay, text, _answers(settings, stuck=seen))


def _dead_gateway(settings: BoardBarrierSettings, board: Board) -> Iterator[str]:
    declared = getattr(settings.board, "time_relay_s", None)
    if declared is not None:
        yield f"The time relay behind the board opens each contact {declared:g} s after it closed."
    elif board.pulse_end is PulseEnd.BOARD_TIMED:
        yield (
            "The board times each pulse itself: a contact opens at most "
            f"{settings.pulse_s + board.release_timeout_s:g} s after it closed."
        )
    elif getattr(settings.board, "released_on_kill", False):
        yield (
            "The kernel releases the lines of a dead process: relays open within "
            f"{board.release_timeout_s:g} s."
        )
        yield (
            "A driver that hangs is not dead: a contact that it has closed stays closed until the gateway "
            "kills it, after heartbeat_timeout_s of the table supervision."
        )
    else:
        yield f"The board's watchdog opens all relays {board.release_timeout_s:g} s after the last request."
    yield "No command is stored: after a restart, only releases are written before a new command."
    yield (
        "A door that moves at that moment goes on moving: until the gateway runs again, it does not reverse "
        "the door for a person in its way."
    )
    yield "An emergency, a forced opening and a maintenance lease stay recorded until a person ends them."


def _dead_board(settings: BarrierSettings, board: Board) -> Iterator[str]:
    within_s = MAX_MISSED_READINGS * max(settings.poll_s, board.response_timeout_s)
    yield (
        f"After {MAX_MISSED_READINGS} readings without a response, at most {within_s:g} s, "
        "the barrier is offline and its last state is marked as stale."
    )
    yield "Commands are refused from the first reading that fails, and none is stored."
    yield "A stop cannot be sent: only the machine's own stop button and controller stop the door."


def _rests_on_machine(settings: BarrierSettings) -> Iterator[str]:
    yield "Force and speed of the door, and stopping for a person: EN 12453 requires it of the machine."
    yield "A person in the way of a door that moves while the gateway or the board is dead."
    yield "A relay whose contact is welded: a board reports its coils, not its contacts."
    if any(door.presence is not None and door.presence_test is None for door in settings.doors):
        yield (
            "A presence detector that is shorted, covered or reads clear by a fault of its own: no relay of "
            "the gateway tests it (presence_test)."
        )
    if any(door.presence_test is not None for door in settings.doors):
        yield (
            "A presence detector that fails after its test, which is done before each closing, or that does "
            "not look where people go."
        )
    if not settings.clear_s and any(door.close is not None for door in settings.doors):
        yield (
            "A person who leaves the beam of the presence detector for a moment: a closing may begin as soon "
            "as it is clear (clear_s)."
        )
    for door in settings.doors:
        where = f"Door {door.name}: " if door.name else ""
        if door.presence is None:
            yield f"{where}Detecting people and vehicles: no presence detector is wired to the gateway."
        if door.close is None:
            yield f"{where}Closing, and when to close: no close contact is wired to the gateway."
        if door.stop is None:
            yield (
                f"{where}Stopping: there is no stop contact. A stop opens all relays, which stops only a "
                "machine that moves while its contact is closed."
            )
    if settings.no_emergency_input:
        yield "Opening in an emergency: the alarm reaches the machine's controller alone."
    else:
        yield "Opening in an emergency: the gateway withholds closing, and opens nothing by itself."
    if settings.key_switch is None:
        yield "Safety of a person who works inside the machine: no key switch is wired to the gateway."
    if settings.controller_ok is None:
        yield "Noticing a fault of the controller: its ready contact is not wired to the gateway."


def _to_confirm(settings: BoardBarrierSettings, board: Board) -> Iterator[str]:
    yield "Each input has the number and contact of the configuration: operate it, and unplug its wire."
    yield "Each relay operates only the contact of the configuration."
    for name, each in (("board", settings.board), ("inputs_from", settings.inputs_from)):
        if each is None:
            continue
        declared = each.model_dump()
        if declared.get("time_relay_s") is not None:
            yield f"{name}: the time relay opens its contact within {declared['time_relay_s']:g} s."
        if declared.get("released_on_kill"):
            yield f"{name}: the relays open when the gateway's process is killed."
        if declared.get("inputs_open_when_cut"):
            yield f"{name}: each input reads as open when its wire is unplugged."
        if str(declared.get("port", "")).startswith("tcp:"):
            yield (
                f"{name}: the board at this address and unit is this barrier's own, and no other program "
                "uses it."
            )
    if board.pulse_end is PulseEnd.WATCHDOG and not getattr(settings.board, "released_on_kill", False):
        yield "The relays open by the board's watchdog: pull the gateway's cable during a movement."


def _values(settings: BoardBarrierSettings) -> Iterator[ConfiguredValue]:
    for prefix, table in (("", settings), ("board.", settings.board), ("inputs_from.", settings.inputs_from)):
        if table is None:
            continue
        unused = ("baud", "parity") if getattr(table, "is_tcp", False) else ()
        for name, field in type(table).model_fields.items():
            value = getattr(table, name)
            if name not in unused and (shown := _shown(value)) is not None:
                yield ConfiguredValue(f"{prefix}{name}", shown, field.description or "")


def _shown(value: object) -> str | None:
    """Return a value as in the post's file; None for one that is not set, and for tables."""
    match value:
        case bool():
            return str(value).lower()
        case float():
            return f"{value:g}"
        case int() | str():
            return str(value)
        case (int(), *_):
            return ", ".join(map(str, value))
        case _:
            return None
