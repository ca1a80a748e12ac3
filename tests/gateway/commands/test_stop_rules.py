"""Stop rules: which commands count as a stop of a machine, and which role may give one."""

from dataclasses import replace

import pytest
from support.gateway.command_dispatch import BARRIER, DispatcherFixture

from drivers.command import CommandArguments, CommandOutput, CommandSpec
from drivers.driver import StateCode
from gateway.commands.policy import CommandRequest, PolicyInput, Target, decide
from gateway.config import Grant
from gateway.contract.commands import CommandState
from gateway.contract.reason_codes import CommandReason

STOP = CommandRequest("counter-1", "stop", "now", command_seq=2, retained=False, expires_s=3)
MACHINE = PolicyInput(
    session="now",
    grant=Grant(is_known=True, verbs_without_movement=frozenset({"look", "stop"})),
    last_command_seq=1,
    is_late=False,
    is_stopping=False,
    target=Target(is_urgent=True, is_movement=True),
    is_machine=True,
    state_code=StateCode.ONLINE,
    holder=None,
    is_busy=False,
    is_overloaded=False,
    is_rate_limited=False,
)
CANCEL = replace(STOP, verb="cancel")
SCANNER = replace(
    MACHINE,
    grant=Grant(is_known=True, verbs_without_movement=frozenset({"cancel"})),
    target=Target(is_urgent=True),
    is_machine=False,
)
"""A device without movements: its urgent command is not a stop."""


def test_stop_granted_by_name() -> None:
    assert decide(STOP, MACHINE) is None


def test_stop_by_name_grants_no_other() -> None:
    opening = replace(MACHINE, target=Target(is_movement=True))

    assert decide(replace(STOP, verb="open"), opening) is CommandReason.NOT_PERMITTED
    assert decide(replace(STOP, verb="brake"), MACHINE) is CommandReason.NOT_PERMITTED


def test_non_urgent_stop_is_a_movement() -> None:
    assert decide(STOP, replace(MACHINE, target=Target(is_movement=True))) is CommandReason.NOT_PERMITTED


@pytest.mark.parametrize(
    ("so", "reason"),
    [
        ({}, None),
        ({"holder": "counter-2"}, CommandReason.CLAIMED),
        ({"state_code": StateCode.FAULT}, CommandReason.NOT_ONLINE),
        ({"state_code": StateCode.MAINTENANCE}, CommandReason.MAINTENANCE),
        (
            {"grant": Grant(is_known=True, verbs_with_movement=frozenset({"open"}))},
            CommandReason.NOT_PERMITTED,
        ),
        ({"is_busy": True}, None),
        ({"is_rate_limited": True}, None),
    ],
)
def test_urgent_is_not_always_a_stop(so: dict[str, object], reason: CommandReason | None) -> None:
    assert decide(CANCEL, replace(SCANNER, **so)) is reason


@pytest.mark.parametrize(
    ("so", "reason"),
    [
        ({"holder": "counter-2"}, None),
        ({"state_code": StateCode.FAULT}, None),
        ({"state_code": StateCode.MAINTENANCE}, None),
        ({"is_busy": True}, None),
        ({"is_rate_limited": True}, None),
        ({"is_overloaded": True}, CommandReason.BUSY),
        ({"is_stopping": True}, CommandReason.STOPPING),
    ],
)
def test_stop_passes_in_every_state(so: dict[str, object], reason: CommandReason | None) -> None:
    assert decide(STOP, replace(MACHINE, **so)) is reason


@pytest.mark.parametrize(("holder", "reason"), [("counter-1", None), (None, CommandReason.NOT_CLAIMED)])
def test_claimed_only_command(holder: str | None, reason: CommandReason | None) -> None:
    asked = replace(STOP, verb="look")
    facts = replace(SCANNER, grant=MACHINE.grant, target=Target(requires_claim=True), holder=holder)

    assert decide(asked, facts) is reason


def test_crowd_does_not_block_claims() -> None:
    facts = replace(MACHINE, target=Target(), is_busy=True, is_overloaded=True)

    assert decide(replace(STOP, verb="claim"), facts) is None


async def test_device_that_moves_is_a_machine(dispatcher: DispatcherFixture) -> None:
    """The urgent command of a device without movements is refused while another station has its claim."""
    still = {
        verb: CommandSpec(
            verb, verb, CommandArguments, CommandOutput, is_urgent=verb == "cancel", is_movement=False
        )
        for verb in ("look", "cancel")
    }
    dispatcher.devices[BARRIER].commands = still
    dispatcher.arrive("claim", "counter-2")
    (refused,) = dispatcher.arrive("cancel")
    assert refused.reason is CommandReason.CLAIMED

    moves = CommandSpec("open", "open", CommandArguments, CommandOutput, is_urgent=False, is_movement=True)
    dispatcher.devices[BARRIER].commands = still | {"open": moves}
    (accepted,) = dispatcher.arrive("cancel")
    assert accepted.state is CommandState.ACCEPTED
