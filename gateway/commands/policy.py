"""Authorization policy: returns None or a reason for refusal. Pure; no clock, no I/O.

The rules are evaluated in their order, and the first that applies gives the reason. Stops are an exception: a
stop of a machine is permitted in every state, whoever has claimed the device, at any rate.
"""

from collections.abc import Callable
from dataclasses import dataclass

from drivers.driver import StateCode
from gateway.config.roles import Grant
from gateway.contract.commands import CLAIM_COMMAND_TYPES, EXPIRY_LIMIT_S
from gateway.contract.reason_codes import CommandReason
from gateway.contract.states import USABLE_STATES

CLAIM_VERBS = frozenset(kind.verb for kind in CLAIM_COMMAND_TYPES)


@dataclass(frozen=True, slots=True)
class CommandRequest:
    """A command as it was received."""

    station: str
    verb: str
    session: str
    command_seq: int
    retained: bool
    expires_s: int | None


@dataclass(frozen=True, slots=True)
class Target:
    """The command, as the device declares it."""

    is_urgent: bool = False
    is_movement: bool = False
    requires_claim: bool = False
    """Only the station that has claimed the device may send it."""


@dataclass(frozen=True, slots=True)
class PolicyInput:
    """Facts at the moment of the decision."""

    session: str
    grant: Grant
    last_command_seq: int
    """The highest number of this station in this session."""
    is_late: bool
    """True if the command has expired."""
    is_stopping: bool
    target: Target | None
    """None: the device has no such command."""
    is_machine: bool
    """True if the device has commands that can move it."""
    state_code: StateCode
    holder: str | None
    """Station that has claimed the device."""
    is_busy: bool
    """True while a command runs that excludes others."""
    is_overloaded: bool
    """True while so many urgent commands run that one more has no further effect."""
    is_rate_limited: bool


def is_stop(facts: PolicyInput) -> bool:
    """Tell whether a command is a stop of a machine."""
    return facts.target is not None and facts.target.is_urgent and facts.is_machine


def _is_permitted(request: CommandRequest, facts: PolicyInput) -> bool:
    grant, offered = facts.grant, facts.target
    if not grant.has_any or offered is None:
        return grant.has_any
    if request.verb == "steal":
        return grant.can_steal
    if request.verb in CLAIM_VERBS:
        return True
    if is_stop(facts) and (grant.can_move or request.verb in grant.verbs_without_movement):
        return True  # a role may also name a stop as its verb, and no other command that moves
    return grant.permits(request.verb, moves=offered.is_movement)


def _is_claimed_by_other(request: CommandRequest, facts: PolicyInput) -> bool:
    if facts.holder in (None, request.station) or is_stop(facts):
        return False
    return request.verb not in CLAIM_VERBS or request.verb == "claim"


def _needs_claim(request: CommandRequest, facts: PolicyInput) -> bool:
    return request.verb in ("renew", "release") or (facts.target is not None and facts.target.requires_claim)


def _accepts_command(request: CommandRequest, facts: PolicyInput) -> bool:
    return request.verb in CLAIM_VERBS or is_stop(facts) or facts.state_code in USABLE_STATES


def _is_urgent(facts: PolicyInput) -> bool:
    return facts.target is not None and facts.target.is_urgent


PolicyRule = Callable[[CommandRequest, PolicyInput], bool]
POLICY_RULES: tuple[tuple[CommandReason, PolicyRule], ...] = (
    (CommandReason.RETAINED, lambda asked, _: asked.retained),
    (CommandReason.UNKNOWN_STATION, lambda _, facts: not facts.grant.is_known),
    (CommandReason.FOREIGN_AUTHORITY, lambda _, facts: facts.grant.is_foreign),
    (
        CommandReason.NO_EXPIRY,
        lambda asked, _: asked.expires_s is None or not 0 <= asked.expires_s <= EXPIRY_LIMIT_S,
    ),
    (CommandReason.OTHER_SESSION, lambda asked, facts: asked.session != facts.session),
    (
        CommandReason.COMMAND_SEQ_NOT_INCREASING,
        lambda asked, facts: asked.command_seq <= facts.last_command_seq,
    ),
    # A message whose life ended at the broker arrives with 0: that is late, not wrong.
    (CommandReason.EXPIRED, lambda asked, facts: facts.is_late or not asked.expires_s),
    (CommandReason.STOPPING, lambda _, facts: facts.is_stopping),
    (CommandReason.NOT_PERMITTED, lambda asked, facts: not _is_permitted(asked, facts)),
    (CommandReason.UNKNOWN_VERB, lambda _, facts: facts.target is None),
    (
        CommandReason.MAINTENANCE,
        lambda asked, facts: facts.state_code is StateCode.MAINTENANCE and not _accepts_command(asked, facts),
    ),
    (CommandReason.NOT_ONLINE, lambda asked, facts: not _accepts_command(asked, facts)),
    (CommandReason.CLAIMED, _is_claimed_by_other),
    (
        CommandReason.NOT_CLAIMED,
        lambda asked, facts: _needs_claim(asked, facts) and facts.holder != asked.station,
    ),
    (
        CommandReason.BUSY,
        lambda asked, facts: (
            asked.verb not in CLAIM_VERBS
            and (facts.is_overloaded or (facts.is_busy and not _is_urgent(facts)))
        ),
    ),
    (CommandReason.RATE_LIMITED, lambda _, facts: facts.is_rate_limited and not _is_urgent(facts)),
)
NUMBER_KEPT_FOR = frozenset(reason for reason, _ in POLICY_RULES[:6])
"""Refusals for these reasons leave the number unused: its sender or age is uncertain."""
ANSWER_KEPT_FOR = NUMBER_KEPT_FOR - {CommandReason.RETAINED, CommandReason.NO_EXPIRY}
"""Refusals of a signed command after which it may still be sent again.

Retain flag and expiry are not signed: a broker that changes them must not get a refusal of a command, and
then have the command obeyed.
"""


def decide(request: CommandRequest, facts: PolicyInput) -> CommandReason | None:
    """Return the reason for refusal; None when the command is permitted."""
    return next((reason for reason, objects in POLICY_RULES if objects(request, facts)), None)
