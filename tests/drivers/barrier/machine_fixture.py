"""State machine of a barrier alone, for tests: inputs and times to observations and at most one actuation."""

from typing import Any

import pytest
from barrier_fixture import E_GATE, ONE_DOOR

from drivers.barrier.commands import CloseBarrier, OpenBarrier
from drivers.barrier.control.actuation import RELEASE, Actuation, ActuationKind, Decision
from drivers.barrier.control.state_machine import BarrierStateMachine
from drivers.barrier.observations import (
    AlarmKind,
    BarrierAlarm,
    BarrierPassage,
    BarrierState,
    PassageDirection,
)
from drivers.barrier.wiring import BarrierInputs, BarrierSettings, DoorInputs
from drivers.command import CommandArguments, CommandRefusal, Invocation, RefusalReason

CLOSED, OPEN, BETWEEN = (False, True), (True, False), (False, False)
"""Open limit and closed limit."""
BOTH = (True, True)
REOPEN, STOP = Actuation(ActuationKind.REOPEN), Actuation(ActuationKind.STOP)
NO_STOP = {"doors": [{k: v for k, v in ONE_DOOR["doors"][0].items() if k != "stop"}]}


class MachineFixture:
    """A state machine and all its observations. Times are seconds from its start."""

    def __init__(self, wiring: dict[str, Any] = ONE_DOOR, **settings: Any) -> None:
        self.machine = BarrierStateMachine(BarrierSettings.model_validate(wiring | settings), 0.0)
        self.said: list[Any] = []

    def take(self, step: Decision) -> Decision:
        self.said += step.observations
        return step

    def sense(
        self,
        now_s: float,
        *limits: tuple[bool, bool],
        inputs: dict[str, bool] | None = None,
        answered_s: float | None = None,
        **door: bool,
    ) -> Decision:
        """Process the inputs of all doors; `door` is for the last of them."""
        states = limits or (CLOSED,)
        last = len(states) - 1
        doors = tuple(
            DoorInputs(*state, **({"presence": False, "entry_side": False, "exit_side": False} | door))
            if place == last
            else DoorInputs(*state, presence=False)
            for place, state in enumerate(states)
        )
        quiet = {"emergency": False, "key_switch": False, "controller_ok": True, "local_button": False}
        sensed = BarrierInputs(doors, **(quiet | (inputs or {})))
        return self.take(self.machine.on_inputs(sensed, now_s, answered_s))

    def ask(
        self, request: CommandArguments, now_s: float, transaction: str = "t1", issuer: str = "counter-1"
    ) -> Decision:
        call = Invocation("c1", issuer, transaction, 0, is_supervisor=issuer == "chief")
        return self.take(self.machine.on_command(request, call, now_s))

    def open(self, now_s: float, door: str = "", **more: Any) -> Decision:
        return self.ask(OpenBarrier(door=door, **more), now_s)

    def close(self, now_s: float, door: str = "") -> Decision:
        return self.ask(CloseBarrier(door=door), now_s)

    def write(self, actuation: Actuation, now_s: float) -> None:
        """Write an actuation, which the board acknowledges at once."""
        self.machine.on_writing(actuation, now_s)
        self.take(self.machine.on_acknowledged(actuation, now_s))

    def stop(self, now_s: float) -> None:
        """Stop; the board acknowledges it at once."""
        self.take(self.machine.on_stop(now_s))
        for actuation in self.machine.due(now_s):
            self.write(actuation, now_s)

    def relays(self, now_s: float, *closed: int) -> None:
        """Read the relays."""
        self.take(self.machine.on_relays([relay in closed for relay in range(8)], now_s, now_s))

    def refusal(self, request: CommandArguments, now_s: float) -> RefusalReason:
        with pytest.raises(CommandRefusal) as refused:
            self.ask(request, now_s)
        return refused.value.reason

    def opened(self, now_s: float, **more: Any) -> None:
        """Open it on a permit; it is open one second later."""
        self.sense(now_s)
        self.open(now_s, **more)
        self.sense(now_s + 0.5, BETWEEN)
        self.sense(now_s + 1, OPEN)

    def closing(self, now_s: float) -> None:
        """Open it, and close it ten seconds later."""
        self.opened(now_s - 10)
        self.sense(now_s, OPEN)
        self.write(self.close(now_s).actuation or RELEASE, now_s)
        self.sense(now_s + 0.2, BETWEEN)

    def reopening(self, now_s: float) -> None:
        """Let it close on a person, and write the reopening; its close contact has opened before."""
        self.closing(now_s - 1)
        self.relays(now_s - 0.4)
        self.sense(now_s, BETWEEN, presence=True)
        self.write(REOPEN, now_s)

    def of(self, kind: type[Any]) -> list[Any]:
        return [one for one in self.said if type(one) is kind]

    @property
    def alarms(self) -> list[AlarmKind]:
        return [alarm.kind for alarm in self.of(BarrierAlarm)]

    @property
    def passages(self) -> list[tuple[PassageDirection, bool, bool]]:
        return [(one.direction, one.permitted, one.tailgating) for one in self.of(BarrierPassage)]

    @property
    def state(self) -> BarrierState:
        return self.of(BarrierState)[-1]


def gate(**settings: Any) -> MachineFixture:
    return MachineFixture(E_GATE, **settings)
