"""Properties of the authorization policy, for any command and any facts."""

from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from drivers.driver import StateCode
from gateway.commands.policy import (
    CLAIM_VERBS,
    NUMBER_KEPT_FOR,
    POLICY_RULES,
    CommandRequest,
    PolicyInput,
    Target,
    decide,
)
from gateway.config import Grant
from gateway.contract.reason_codes import CommandReason
from gateway.contract.states import USABLE_STATES

GOOD = CommandRequest("counter-1", "open", "now", command_seq=2, retained=False, expires_s=3)
QUIET = PolicyInput(
    session="now",
    grant=Grant(
        is_known=True, verbs_without_movement=frozenset({"look"}), verbs_with_movement=frozenset({"open"})
    ),
    last_command_seq=1,
    is_late=False,
    is_stopping=False,
    target=Target(is_movement=True),
    is_machine=True,
    state_code=StateCode.ONLINE,
    holder=None,
    is_busy=False,
    is_overloaded=False,
    is_rate_limited=False,
)


OFFERED = {
    "open": Target(is_movement=True),
    "look": Target(),
    "stop": Target(is_urgent=True, is_movement=True),
}
BASES = [
    *((replace(GOOD, verb=verb), replace(QUIET, target=offered)) for verb, offered in OFFERED.items()),
    *(
        (
            replace(GOOD, verb=verb),
            replace(
                QUIET,
                target=Target(),
                grant=replace(QUIET.grant, can_steal=True),
                holder={"claim": None, "steal": "counter-2"}.get(verb, "counter-1"),
            ),
        )
        for verb in sorted(CLAIM_VERBS)
    ),
]
"""Each of them is permitted."""
OTHERWISE: dict[str, st.SearchStrategy[Any]] = {
    "station": st.sampled_from(["counter-1", "counter-2"]),
    "verb": st.sampled_from(["open", "stop", "look", "fly", *sorted(CLAIM_VERBS)]),
    "session": st.sampled_from(["now", "before"]),
    "command_seq": st.integers(1, 4),
    "retained": st.booleans(),
    "expires_s": st.none() | st.integers(0, 7),
    "grant": st.builds(
        Grant,
        is_known=st.booleans(),
        is_foreign=st.booleans(),
        verbs_without_movement=st.frozensets(st.sampled_from(["look", "stop", "*"]), max_size=2),
        verbs_with_movement=st.frozensets(st.sampled_from(["open", "stop", "*"]), max_size=2),
        can_steal=st.booleans(),
    ),
    "last_command_seq": st.integers(0, 4),
    "is_late": st.booleans(),
    "is_stopping": st.booleans(),
    "target": st.builds(Target, is_urgent=st.booleans(), is_movement=st.booleans()) | st.none(),
    "is_machine": st.booleans(),
    "state_code": st.sampled_from(StateCode),
    "holder": st.none() | st.sampled_from(["counter-1", "counter-2"]),
    "is_busy": st.booleans(),
    "is_overloaded": st.booleans(),
    "is_rate_limited": st.booleans(),
}
OF_ASKED = {field.name for field in fields(CommandRequest)}


@st.composite
def cases(draw: st.DrawFn) -> tuple[CommandRequest, PolicyInput]:
    """Draw a permitted case with up to four changes."""
    asked, facts = draw(st.sampled_from(BASES))
    for name in draw(st.lists(st.sampled_from(sorted(OTHERWISE)), max_size=4, unique=True)):
        value = draw(OTHERWISE[name])
        if name in OF_ASKED:
            asked = replace(asked, **{name: value})
        else:
            facts = replace(facts, **{name: value})
    return asked, facts


def is_stop(facts: PolicyInput) -> bool:
    return facts.target is not None and facts.target.is_urgent and facts.is_machine


@pytest.mark.parametrize("base", BASES, ids=lambda base: base[0].verb)
def test_permitted_case_is_permitted(base: tuple[CommandRequest, PolicyInput]) -> None:
    assert decide(*base) is None


@given(cases())
def test_permitted_command_is_fresh_and_own(
    case: tuple[CommandRequest, PolicyInput],
) -> None:
    asked, facts = case
    assume(decide(asked, facts) is None)
    assert not asked.retained
    assert asked.expires_s in (1, 2, 3, 4, 5)
    assert not facts.is_late
    assert asked.session == facts.session
    assert asked.command_seq > facts.last_command_seq
    assert facts.grant.is_known
    assert not facts.grant.is_foreign
    assert not facts.is_stopping
    assert facts.target is not None


@given(cases())
def test_movement_needs_express_grant(case: tuple[CommandRequest, PolicyInput]) -> None:
    asked, facts = case
    facts = replace(facts, target=replace(facts.target or Target(), is_movement=True), is_machine=True)
    if asked.verb in CLAIM_VERBS:
        asked = replace(asked, verb="open")
    granted = asked.verb in facts.grant.verbs_with_movement or "*" in facts.grant.verbs_with_movement
    may_stop = facts.grant.can_move or asked.verb in facts.grant.verbs_without_movement
    assert decide(asked, facts) is not None or granted or (is_stop(facts) and may_stop)


@given(cases())
def test_claimed_device_accepts_only_stops(
    case: tuple[CommandRequest, PolicyInput],
) -> None:
    asked, facts = case
    facts = replace(facts, holder="counter-3")
    assert decide(asked, facts) is not None or is_stop(facts) or asked.verb == "steal"


@given(cases(), st.sampled_from(sorted(CLAIM_VERBS)))
def test_claim_changes_only_by_right(case: tuple[CommandRequest, PolicyInput], verb: str) -> None:
    asked, facts = case
    asked, facts = replace(asked, verb=verb), replace(facts, target=Target())
    assume(decide(asked, facts) is None)
    assert facts.grant.has_any
    match asked.verb:
        case "claim":
            assert facts.holder in (None, asked.station)
        case "steal":
            assert facts.grant.can_steal
        case _:
            assert facts.holder == asked.station


@given(cases(), st.sampled_from(sorted(set(StateCode) - USABLE_STATES)))
def test_unavailable_device_accepts_only_stops(
    case: tuple[CommandRequest, PolicyInput], condition: StateCode
) -> None:
    asked, facts = case
    facts = replace(facts, state_code=condition)
    if asked.verb in CLAIM_VERBS:
        asked = replace(asked, verb="stop")
    assert decide(asked, facts) is not None or is_stop(facts)


@given(cases())
def test_busy_and_rate_limit_apply_unless_urgent(
    case: tuple[CommandRequest, PolicyInput],
) -> None:
    asked, facts = case
    assume(decide(asked, facts) is None)
    assert facts.target is not None
    if not facts.target.is_urgent:
        assert asked.verb in CLAIM_VERBS or not facts.is_busy
        assert not facts.is_rate_limited


@given(cases(), st.booleans())
def test_stop_is_permitted_in_every_state(case: tuple[CommandRequest, PolicyInput], moves: bool) -> None:
    """Neither the holder nor the state, a running command or the rate forbids it."""
    asked, facts = case
    asked = replace(
        asked, station="counter-1", verb="stop", session="now", command_seq=9, retained=False, expires_s=1
    )
    facts = replace(
        facts,
        grant=Grant(is_known=True, verbs_with_movement=frozenset({"open"})),
        target=Target(is_urgent=True, is_movement=moves),
        is_machine=True,
        is_late=False,
        is_stopping=False,
        is_overloaded=False,
    )
    assert decide(asked, facts) is None


@given(cases())
def test_every_refusal_has_its_reason(case: tuple[CommandRequest, PolicyInput]) -> None:
    asked, facts = case
    reason = decide(asked, facts)
    objections = [why for why, objects in POLICY_RULES if objects(asked, facts)]
    assert reason is (objections[0] if objections else None)
    if reason is CommandReason.RETAINED:
        assert asked.retained
    elif reason is CommandReason.CLAIMED:
        assert facts.holder not in (None, asked.station)
    elif reason is CommandReason.UNKNOWN_VERB:
        assert facts.target is None


@given(cases())
def test_number_is_used_only_by_certain_sender(
    case: tuple[CommandRequest, PolicyInput],
) -> None:
    asked, facts = case
    reason = decide(asked, facts)
    if reason not in NUMBER_KEPT_FOR:
        assert facts.grant.is_known
        assert not asked.retained
        assert asked.session == facts.session
        assert asked.command_seq > facts.last_command_seq
