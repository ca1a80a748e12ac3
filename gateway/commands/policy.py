"""The gatekeeper: from what was asked and what is so, to yes or a reason. It has no clock and no device.

The rules are asked in their order, and the first that objects is the answer. What may stop a machine has its
own way through: a stop is let through in every state, whoever has claimed the device, however often.
"""

from collections.abc import Callable
from dataclasses import dataclass

from drivers.driver import Condition
from gateway.config.roles import Grant
from gateway.contract.commands import CLAIM_KINDS, EXPIRY_LIMIT_S
from gateway.contract.reason_codes import CommandReason

CLAIM_VERBS = frozenset(kind.verb for kind in CLAIM_KINDS)
OBEYING = frozenset({Condition.ONLINE, Condition.BUSY, Condition.DEGRADED})
"""Conditions in which a device is told to do something. In others, only to stop."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A command as it came."""

    station: str
    verb: str
    session: str
    n: int
    retained: bool
    expires_s: int | None


@dataclass(frozen=True, slots=True)
class Offered:
    """What the device says of the command."""

    urgent: bool = False
    moves: bool = False
    claimed: bool = False
    """Only for who has claimed the device."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is so at the moment of the decision."""

    session: str
    grant: Grant
    last_n: int
    """The highest number of this station in this session."""
    late: bool
    """Whether its life is over already."""
    stopping: bool
    offered: Offered | None
    """None: the device has no such command."""
    machine: bool
    """Whether the device has commands that can move it."""
    condition: Condition
    holder: str | None
    """Who has claimed the device."""
    at_work: bool
    """Whether a command runs that others have to wait for."""
    crowded: bool
    """Whether so many urgent ones run that one more adds nothing."""
    too_often: bool


def stops(facts: Facts) -> bool:
    """Whether it is to a machine what a stop button is."""
    return facts.offered is not None and facts.offered.urgent and facts.machine


def _is_permitted(asked: Asked, facts: Facts) -> bool:
    grant, offered = facts.grant, facts.offered
    if not grant.anything or offered is None:
        return grant.anything
    if asked.verb == "steal":
        return grant.steal
    if asked.verb in CLAIM_VERBS:
        return True
    if stops(facts) and (grant.may_move or asked.verb in grant.still):
        return True  # a role may also be given a stop by its name, and nothing else that moves
    return grant.permits(asked.verb, moves=offered.moves)


def _is_claimed(asked: Asked, facts: Facts) -> bool:
    if facts.holder in (None, asked.station) or stops(facts):
        return False
    return asked.verb not in CLAIM_VERBS or asked.verb == "claim"


def _needs_claim(asked: Asked, facts: Facts) -> bool:
    return asked.verb in ("renew", "release") or (facts.offered is not None and facts.offered.claimed)


def _can_obey(asked: Asked, facts: Facts) -> bool:
    return asked.verb in CLAIM_VERBS or stops(facts) or facts.condition in OBEYING


def _urgent(facts: Facts) -> bool:
    return facts.offered is not None and facts.offered.urgent


Rule = Callable[[Asked, Facts], bool]
RULES: tuple[tuple[CommandReason, Rule], ...] = (
    (CommandReason.RETAINED, lambda asked, _: asked.retained),
    (CommandReason.UNKNOWN_STATION, lambda _, facts: not facts.grant.known),
    (CommandReason.FOREIGN_AUTHORITY, lambda _, facts: facts.grant.foreign),
    (
        CommandReason.NO_EXPIRY,
        lambda asked, _: asked.expires_s is None or not 0 <= asked.expires_s <= EXPIRY_LIMIT_S,
    ),
    (CommandReason.OTHER_SESSION, lambda asked, facts: asked.session != facts.session),
    (CommandReason.NOT_NEW, lambda asked, facts: asked.n <= facts.last_n),
    # What has waited its whole life at the broker comes with 0: that is late, not wrong.
    (CommandReason.EXPIRED, lambda asked, facts: facts.late or not asked.expires_s),
    (CommandReason.STOPPING, lambda _, facts: facts.stopping),
    (CommandReason.NOT_PERMITTED, lambda asked, facts: not _is_permitted(asked, facts)),
    (CommandReason.UNKNOWN_VERB, lambda _, facts: facts.offered is None),
    (
        CommandReason.MAINTENANCE,
        lambda asked, facts: facts.condition is Condition.MAINTENANCE and not _can_obey(asked, facts),
    ),
    (CommandReason.NOT_ONLINE, lambda asked, facts: not _can_obey(asked, facts)),
    (CommandReason.CLAIMED, _is_claimed),
    (
        CommandReason.NOT_CLAIMED,
        lambda asked, facts: _needs_claim(asked, facts) and facts.holder != asked.station,
    ),
    (
        CommandReason.BUSY,
        lambda asked, facts: (
            asked.verb not in CLAIM_VERBS and (facts.crowded or (facts.at_work and not _urgent(facts)))
        ),
    ),
    (CommandReason.RATE_LIMITED, lambda _, facts: facts.too_often and not _urgent(facts)),
)
UNNUMBERED = frozenset(reason for reason, _ in RULES[:6])
"""What is refused for these reasons does not use up its number: who knows when it was sent, or by whom."""


def decide(asked: Asked, facts: Facts) -> CommandReason | None:
    """Why it is refused; None: it is let through."""
    return next((reason for reason, objects in RULES if objects(asked, facts)), None)
