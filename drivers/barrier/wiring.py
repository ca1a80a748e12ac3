"""Wiring and times of a barrier, and the checks that refuse dangerous wiring.

Sources: EN 12453 (an arm that can close on a person needs a presence detector), EN 17352 (powered gates on
escape routes), and the manuals of Magnetic's MGC controllers (pulse inputs of 0.2 to 1 s; an emergency input
that opens when it is *interrupted*).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from drivers.barrier.board import Board, PulseEnd
from drivers.barrier.contacts import (
    AnyContact,
    ClosedLimit,
    ControllerReady,
    Emergency,
    InputContact,
    KeySwitch,
    LocalButton,
    OpenLimit,
    Presence,
)
from drivers.barrier.observations import DOOR_NAME_PATTERN
from drivers.barrier.safety.violations import Violation, raise_violations
from drivers.links.settings import Settings

MIN_TEST_PULSE_S = 0.3
"""Shortest pulse at the test input of a presence detector, in seconds: it is read several times meanwhile."""
MAX_PULSE_S = 1.0
"""Upper bound on the time for which a relay is closed, in seconds."""


class DoorWiring(BaseModel):
    """Wiring of one boom or door: relays of its contacts, and inputs of its sensors."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    name: str = Field(
        default="",
        pattern=DOOR_NAME_PATTERN,
        description="Name of the door, if there are two.",
        examples=["first"],
    )
    open: int = Field(ge=0, description="Relay of the open contact, counted from 0.", examples=[0])
    close: int | None = Field(
        default=None,
        ge=0,
        description="Relay of the close contact; without it, the barrier's own controller closes the door.",
        examples=[1],
    )
    stop: int | None = Field(
        default=None,
        ge=0,
        description="Relay of the stop contact. Required wherever the machine has one.",
        examples=[2],
    )
    open_limit: OpenLimit = Field(
        description='Open limit switch, contact "no": closes at this end.',
        examples=[{"input": 0, "contact": "no"}],
    )
    closed_limit: ClosedLimit = Field(
        description='Closed limit switch, contact "no": closes at this end.',
        examples=[{"input": 1, "contact": "no"}],
    )
    presence: Presence | None = Field(
        default=None,
        description="Presence detector (photocell or scanner) across the way of the door, contact "
        '"nc": opens on presence, so that a cut wire prevents closing. An induction loop alone does not '
        "detect people.",
        examples=[{"input": 4, "contact": "nc"}],
    )
    presence_test: int | None = Field(
        default=None,
        ge=0,
        description="Relay of the presence detector's test input, which switches its transmitter off. It is "
        "tested before each closing: while the relay is closed, the detector must report presence.",
        examples=[3],
    )
    entry_side: AnyContact | None = Field(
        default=None,
        description="Loop or mat on the entry side: detects an approach. Prevents no movement.",
        examples=[{"input": 2, "contact": "no"}],
    )
    exit_side: AnyContact | None = Field(
        default=None,
        description="Loop or mat on the exit side: detects the end of a passage. Prevents no movement.",
        examples=[{"input": 3, "contact": "no"}],
    )

    @model_validator(mode="after")
    def _sees_whom_it_closes_on(self) -> Self:
        if self.close is not None and self.presence is None:
            text = (
                "without presence, close would close on a person; wire a photocell or scanner to an input "
                "and write it as `presence`, or omit `close` so that the machine's own controller closes"
            )
            raise_violations(self, [Violation(("close",), text)])
        if self.presence_test is not None and (self.presence is None or self.close is None):
            text = (
                "the detector is tested before each closing, and here is no detector or no closing; remove "
                "the key, or write `presence` and `close`"
            )
            raise_violations(self, [Violation(("presence_test",), text)])
        return self

    @property
    def relays(self) -> list[int]:
        """All relays of the door."""
        wired = (self.open, self.close, self.stop, self.presence_test)
        return [relay for relay in wired if relay is not None]

    @property
    def inputs(self) -> dict[str, InputContact]:
        """All wired inputs of the door, by their keys."""
        return _wired(self, ("open_limit", "closed_limit", "presence", "entry_side", "exit_side"))


@dataclass(frozen=True, slots=True)
class DoorInputs:
    """Input values of one door. None: not wired."""

    open_limit: bool
    closed_limit: bool
    presence: bool | None = None
    entry_side: bool | None = None
    exit_side: bool | None = None


@dataclass(frozen=True, slots=True)
class BarrierInputs:
    """All input values at one moment. None: not wired."""

    doors: tuple[DoorInputs, ...]
    emergency: bool | None = None
    key_switch: bool | None = None
    controller_ok: bool | None = None
    local_button: bool | None = None


class BarrierSettings(Settings):
    """Common settings of all barriers; the settings of a driver derive from this class."""

    doors: tuple[DoorWiring, ...] = Field(
        min_length=1,
        max_length=2,
        description="The boom; or the two doors of a gate in walking order, of which at most one is open.",
    )
    emergency: Emergency | None = Field(
        default=None,
        description='Fire alarm or emergency button, contact "nc": closed at rest, so that a cut wire counts '
        "as an emergency.",
        examples=[{"input": 5, "contact": "nc"}],
    )
    no_emergency_input: bool = Field(
        default=False,
        description="There is no emergency input: the alarm reaches only the machine's controller. Only for "
        "one boom that the gateway does not close.",
        examples=[False],
    )
    key_switch: KeySwitch | None = Field(
        default=None,
        description='Key switch at the barrier, contact "nc": opens when turned. While it is turned, or its '
        "wire is cut, no command moves the barrier.",
        examples=[{"input": 6, "contact": "nc"}],
    )
    controller_ok: ControllerReady | None = Field(
        default=None,
        description='Ready contact of the machine\'s own controller, contact "no": closed while ready.',
        examples=[{"input": 7, "contact": "no"}],
    )
    local_button: LocalButton | None = Field(
        default=None,
        description='Open button at the barrier, contact "no": closes when pressed. An opening after it is '
        "not reported as forced.",
        examples=[{"input": 3, "contact": "no"}],
    )

    poll_s: float = Field(
        default=0.2,
        ge=0.02,
        le=0.2,
        description="Interval between readings of the inputs, in seconds.",
        examples=[0.2],
    )
    pulse_s: float = Field(
        default=0.5,
        ge=0.1,
        le=MAX_PULSE_S,
        description="Duration of the relay pulse of a command, in seconds.",
        examples=[0.5],
    )
    start_timeout_s: float = Field(
        default=1.5,
        gt=0,
        le=15,
        description="Time within which a movement leaves its end, in seconds; longer for machines that warn "
        "first.",
        examples=[1.5],
    )
    open_timeout_s: float = Field(
        default=6.0,
        gt=0,
        le=60,
        description="Upper bound on the time for opening, in seconds.",
        examples=[6.0],
    )
    close_timeout_s: float = Field(
        default=8.0,
        gt=0,
        le=60,
        description="Upper bound on the time for closing, in seconds.",
        examples=[8.0],
    )
    permit_s: float = Field(
        default=8.0,
        ge=1,
        le=120,
        description="Validity of a permit after the door is open, in seconds.",
        examples=[8.0],
    )
    dead_time_s: float = Field(
        default=0.3,
        ge=0.3,
        le=5,
        description="Dead time between the end of one contact and the start of its opposite, in seconds.",
        examples=[0.3],
    )
    clear_s: float = Field(
        default=0.0,
        ge=0,
        le=60,
        description="Time for which the way must have been clear before a closing, in seconds. A person who "
        "walks through a light beam interrupts it several times.",
        examples=[1.0],
    )
    max_open_s: float = Field(
        default=60.0,
        gt=0,
        le=86_400,
        description="Open time after which an alarm is raised, in seconds; nothing moves.",
        examples=[60.0],
    )
    min_interval_s: float = Field(
        default=2.0,
        ge=2,
        le=60,
        description="Shortest interval between two movements, in seconds.",
        examples=[2.0],
    )
    max_per_minute: int = Field(
        default=12, ge=1, le=30, description="Highest number of movements per minute.", examples=[12]
    )
    proof_test_months: int = Field(
        default=6,
        ge=1,
        le=12,
        description="Interval of the proof tests, in months; their date is kept, and a due test is reported.",
        examples=[6],
    )
    open_in_fault: bool = Field(
        default=False,
        description="Allows opening while the inputs are not plausible. Closing is never allowed then.",
        examples=[False],
    )

    @model_validator(mode="after")
    def _not_dangerous(self) -> Self:
        names = [door.name for door in self.doors]
        if len(names) == 2 and ("" in names or len(set(names)) < 2):
            raise ValueError(
                "doors: two doors have no names, or the same; write a `name` of its own for each"
            )
        for what, used in (
            ("relay", [relay for door in self.doors for relay in door.relays]),
            ("input", [contact.input for _, contact in self.inputs()]),
        ):
            if twice := sorted({number for number in used if used.count(number) > 1}):
                raise ValueError(
                    f"{what} {twice[0]} is used twice, and every {what} has one meaning; write the number to "
                    "which each contact is wired"
                )
        if (self.emergency is None) != self.no_emergency_input:
            raise ValueError(
                "emergency: wire the fire alarm to an input, or write no_emergency_input = true where it "
                "reaches the machine's controller alone"
                if self.emergency is None
                else "no_emergency_input: there is an emergency input; remove one of the two keys"
            )
        raise_violations(self, self._violations())
        return self

    def _violations(self) -> Iterator[Violation]:
        """Find the combinations of settings that are not safe."""
        if self.no_emergency_input and len(self.doors) == 2:
            yield Violation(
                ("no_emergency_input",),
                "two doors enclose a person, and without an emergency input they would stay interlocked in a "
                "fire; wire the fire alarm to an input, and write it as `emergency`",
            )
        elif self.no_emergency_input and any(door.close is not None for door in self.doors):
            yield Violation(
                ("no_emergency_input",),
                "the gateway would close a barrier that the fire alarm has opened, because it does not "
                "detect the alarm; wire the alarm to an input, or omit `close`",
            )
        if self.open_in_fault and len(self.doors) == 2:
            yield Violation(
                ("open_in_fault",),
                "with inputs that are not plausible, the other door may be open although it reads as closed; "
                "remove the key: two doors are opened only with reliable inputs",
            )
        for index, door in enumerate(self.doors):
            if door.stop is None and any(other.stop is not None for other in self.doors):
                yield Violation(
                    ("doors", index),
                    "the other door has a stop contact and this one has none, so a stop would leave it "
                    "moving; wire its stop contact, and write its relay as `stop`",
                )
        if self.pulse_s < MIN_TEST_PULSE_S and any(door.presence_test is not None for door in self.doors):
            yield Violation(
                ("pulse_s",),
                "a presence detector may not respond to so short a test, and nothing could be closed; write "
                f"at least {MIN_TEST_PULSE_S:g}",
            )
        if self.clear_s and all(door.close is None for door in self.doors):
            yield Violation(
                ("clear_s",),
                "the gateway closes nothing here, so nothing waits for a clear way; remove the key, or write "
                "`close` and `presence`",
            )
        for limit in ("open_timeout_s", "close_timeout_s"):
            if self.start_timeout_s >= getattr(self, limit):
                yield Violation(
                    ("start_timeout_s",),
                    f"a movement that starts after {self.start_timeout_s:g} s would start after {limit}, "
                    f"when it is no longer expected; write less than {limit}, "
                    f"which is {getattr(self, limit):g}",
                )
                break
        if self.start_timeout_s < 2 * self.poll_s:
            yield Violation(
                ("start_timeout_s",),
                "a movement would count as not started before its limit switch is read twice; write at "
                f"least {2 * self.poll_s:g}, twice poll_s",
            )

    def inputs(self) -> Iterator[tuple[tuple[str | int, ...], InputContact]]:
        """Yield all wired inputs with their keys, in the order of the configuration."""
        for index, door in enumerate(self.doors):
            for name, contact in door.inputs.items():
                yield ("doors", index, name), contact
        names = ("emergency", "key_switch", "controller_ok", "local_button")
        for name, contact in _wired(self, names).items():
            yield (name,), contact

    def decode_inputs(self, circuits: Sequence[bool]) -> BarrierInputs:
        """Decode the inputs. `circuits`: True where current flows, by input."""

        def says(contact: InputContact | None) -> bool | None:
            return None if contact is None else contact.is_active(circuits)

        return BarrierInputs(
            doors=tuple(
                DoorInputs(
                    door.open_limit.is_active(circuits),
                    door.closed_limit.is_active(circuits),
                    says(door.presence),
                    says(door.entry_side),
                    says(door.exit_side),
                )
                for door in self.doors
            ),
            emergency=says(self.emergency),
            key_switch=says(self.key_switch),
            controller_ok=says(self.controller_ok),
            local_button=says(self.local_button),
        )

    def board_objection(self, board: Board) -> str | None:
        """Return the reason why this barrier must not be wired to that board; None if it may."""
        relays = max(relay for door in self.doors for relay in door.relays)
        inputs = max(contact.input for _, contact in self.inputs())
        if relays >= board.relays:
            return f"relay {relays} is wired, and the board has relays 0 to {board.relays - 1}"
        if inputs >= board.inputs:
            return f"input {inputs} is wired, and the board has {board.inputs} inputs, counted from 0"
        if board.pulse_end is PulseEnd.NONE:
            return (
                "nothing opens the board's relays again if the gateway dies: take a board that times its "
                "pulses, or one with a watchdog"
            )
        if board.release_timeout_s > MAX_PULSE_S:
            return (
                f"a relay could stay closed for {board.release_timeout_s:g} s if the gateway dies: set the "
                f"board's watchdog to {MAX_PULSE_S:g} s at most"
            )
        return None


def _wired(settings: BaseModel, names: Sequence[str]) -> dict[str, InputContact]:
    values = ((name, getattr(settings, name)) for name in names)
    return {name: contact for name, contact in values if isinstance(contact, InputContact)}
