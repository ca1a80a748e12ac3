"""State of a device without a process: what is published, and what is suppressed."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from drivers.driver import StateCode
from drivers.links.link import Action, Cause
from drivers.observation import DataClass
from gateway.contract.envelope import Provenance
from gateway.contract.states import DeviceState
from gateway.supervision.device_state import DeviceStateFilter
from gateway.supervision.listener import Suppression

NOT_ACCEPTED = Suppression(
    StateCode.FAULT, "It is not accepted.", Cause.REPLACEMENT_NOT_ACCEPTED, Action.CONFIGURE, "Accept it."
)
MAINTENANCE = Suppression(StateCode.MAINTENANCE, "In maintenance.", includes_records=True)


class StateFixture:
    """The states of one position, and those that were published."""

    def __init__(self) -> None:
        self.published: list[DeviceState] = []
        self.filter = DeviceStateFilter("lane-1/reader", "s-1", self.published.append)

    @property
    def codes(self) -> list[str]:
        return [str(one.state) for one in self.published]

    def counted(self) -> dict[str, bool]:
        return {name: self.filter.count_if_suppressed(name) for name in ("traveller", "record", "device")}


@pytest.fixture
def states() -> StateFixture:
    return StateFixture()


def test_state_has_its_fields(states: StateFixture) -> None:
    before = datetime.now(UTC)
    states.filter.set_actual_state(
        StateCode.DEGRADED, cause=Cause.LINK_FAILED, text="Slow.", provenance=Provenance.SIMULATED
    )
    (state,) = states.published
    assert (state.state, state.cause, state.text) == (StateCode.DEGRADED, Cause.LINK_FAILED, "Slow.")
    assert (state.session, state.provenance) == ("s-1", Provenance.SIMULATED)
    assert before.replace(microsecond=0) <= state.since <= datetime.now(UTC)
    assert states.filter.actual_state is states.filter.published_state is state


def test_nothing_is_published_before_a_state(states: StateFixture) -> None:
    states.filter.set_suppression(MAINTENANCE)
    assert states.published == []
    states.filter.set_actual_state(StateCode.ONLINE)
    assert states.codes == ["maintenance"]


def test_suppression_replaces_a_present_state(states: StateFixture) -> None:
    states.filter.set_actual_state(StateCode.ONLINE, provenance=Provenance.SIMULATED)
    states.filter.set_suppression(NOT_ACCEPTED)
    state = states.published[-1]
    assert (state.state, state.cause, state.text) == (
        StateCode.FAULT,
        Cause.REPLACEMENT_NOT_ACCEPTED,
        "It is not accepted.",
    )
    assert (state.action, state.how) == (Action.CONFIGURE, "Accept it.")
    assert (state.session, state.provenance) == ("s-1", Provenance.SIMULATED)
    assert states.filter.actual_state is states.published[0]

    states.filter.set_actual_state(StateCode.OFFLINE)
    states.filter.set_actual_state(StateCode.BUSY)
    states.filter.set_suppression(None)
    assert states.codes == ["online", "fault", "offline", "fault", "busy"]


def test_maintenance_replaces_any_state(states: StateFixture) -> None:
    states.filter.set_suppression(MAINTENANCE)
    for code in (StateCode.OFFLINE, StateCode.FAULT, StateCode.ONLINE):
        states.filter.set_actual_state(code)
    assert states.codes == ["maintenance"] * 3


def test_equal_suppression_changes_nothing(states: StateFixture) -> None:
    states.filter.set_actual_state(StateCode.ONLINE)
    for suppression in (NOT_ACCEPTED, replace(NOT_ACCEPTED), None, None):
        states.filter.set_suppression(suppression)
    assert states.codes == ["online", "fault", "online"]


def test_suppression_by_data_class(states: StateFixture) -> None:
    assert states.counted() == {"traveller": False, "record": False, "device": False}
    states.filter.set_suppression(NOT_ACCEPTED)
    assert not states.filter.is_suppressing_all
    assert states.counted() == {"traveller": True, "record": False, "device": False}
    states.filter.set_suppression(MAINTENANCE)
    assert states.filter.is_suppressing_all
    assert states.counted() == {"traveller": True, "record": True, "device": True}
    states.filter.set_suppression(None)
    assert not states.filter.is_suppressing_all
    assert states.counted() == {"traveller": False, "record": False, "device": False}


def test_suppressed_events_are_counted_by_state(states: StateFixture) -> None:
    traveller = str(DataClass.TRAVELLER)
    states.filter.set_suppression(NOT_ACCEPTED)
    for _ in range(2):
        states.filter.count_if_suppressed(traveller)
    assert states.filter.suppressed_events == 2
    states.filter.set_suppression(replace(NOT_ACCEPTED, text="Still not."))
    states.filter.count_if_suppressed(traveller)
    assert states.filter.suppressed_events == 3
    states.filter.set_suppression(MAINTENANCE)
    assert states.filter.suppressed_events == 0
    states.filter.count_if_suppressed(traveller)
    states.filter.set_suppression(None)
    assert states.filter.suppressed_events == 0
