"""Leases of claims: their ends to the nanosecond, the timer, and the callbacks about holders."""

import asyncio

from support.gateway.command_dispatch import BARRIER, OTHER, ROLES, TOPICS, DispatcherFixture
from support.gateway.deliveries import until

from gateway.commands.claims import LeaseTable
from gateway.config import CommandsSection
from gateway.contract.commands import CommandState
from gateway.contract.events import ClaimChange

MINE, THEIRS = TOPICS.claim(BARRIER), TOPICS.claim(OTHER)
SECOND = 1_000_000_000


def test_lease_ends_to_the_nanosecond() -> None:
    claims = LeaseTable()
    lease, before = claims.acquire(BARRIER, "counter-1", 5, now_ns=10, unix_ns=7)
    end_ns = 10 + 5 * SECOND

    assert before is None
    assert (lease.ends_ns, lease.since_unix_ns, claims.next_end_ns) == (end_ns, 7, end_ns)
    assert claims.active_lease(BARRIER, end_ns - 1) == lease
    assert claims.expired_positions(end_ns - 1) == []
    assert claims.active_lease(BARRIER, end_ns) is None
    assert claims.expired_positions(end_ns) == [BARRIER]


def test_next_end_is_the_earliest() -> None:
    claims = LeaseTable()
    claims.acquire(BARRIER, "counter-1", 60, now_ns=0, unix_ns=0)
    claims.acquire(OTHER, "counter-1", 5, now_ns=0, unix_ns=0)

    assert claims.next_end_ns == 5 * SECOND
    assert set(claims.all_leases) == {BARRIER, OTHER}
    claims.remove(OTHER)
    assert claims.next_end_ns == 60 * SECOND


async def nearly_over(dispatcher: DispatcherFixture) -> None:
    """Claim two devices; the first lease has 20 ms left on both clocks."""
    dispatcher.arrive("claim", args={"lease_s": 5})
    dispatcher.time.advance(4.98)
    dispatcher.arrive("claim", position=OTHER, args={"lease_s": 30})


async def test_boot_clock_ends_a_lease(dispatcher: DispatcherFixture) -> None:
    """The timer of the loop fires first here; it is set again until the boot clock has arrived too."""
    await nearly_over(dispatcher)
    await asyncio.sleep(0.05)
    assert set(dispatcher.retained) == {MINE, THEIRS}

    dispatcher.time.advance(0.02)
    await until(lambda: MINE not in dispatcher.retained)
    assert set(dispatcher.retained) == {THEIRS}
    assert dispatcher.claims[-1].change is ClaimChange.EXPIRED


async def test_no_lease_ends_after_stop(dispatcher: DispatcherFixture) -> None:
    await nearly_over(dispatcher)
    dispatcher.path.stop()
    dispatcher.time.advance(0.02)
    await asyncio.sleep(0.05)

    assert set(dispatcher.retained) == {MINE, THEIRS}


async def test_holder_changes_are_passed_on(dispatcher: DispatcherFixture) -> None:
    dispatcher.arrive("claim", "counter-2")
    dispatcher.arrive("renew", "counter-2")
    dispatcher.arrive("steal", "chief", args={"reason": "Unattended."})
    dispatcher.arrive("release", "chief")

    assert dispatcher.holders == [(BARRIER, "counter-2"), (BARRIER, "chief"), (BARRIER, None)]


async def test_holder_and_lease_end_on_time(dispatcher: DispatcherFixture) -> None:
    dispatcher.arrive("claim", args={"lease_s": 5})
    lease = dispatcher.path.lease(BARRIER)
    assert lease is not None
    assert (lease.holder, lease.lease_s, lease.since_unix_ns) == ("counter-1", 5, dispatcher.time.unix_ns())
    assert dispatcher.path.holder(BARRIER) == "counter-1"
    assert dispatcher.path.holder(OTHER) is None

    dispatcher.time.advance(5)
    assert dispatcher.path.holder(BARRIER) is None


async def test_overdue_lease_is_not_withdrawn(dispatcher: DispatcherFixture) -> None:
    """A lease that ended by itself is recorded as expired, whatever happens to the device next."""
    dispatcher.arrive("claim", args={"lease_s": 5})
    dispatcher.time.advance(5)
    dispatcher.path.revoke_claim(BARRIER)

    assert [claim.change for claim in dispatcher.claims] == [ClaimChange.CLAIMED, ClaimChange.EXPIRED]


async def test_overdue_lease_is_not_stolen(dispatcher: DispatcherFixture) -> None:
    dispatcher.arrive("claim", args={"lease_s": 5})
    dispatcher.time.advance(5)
    (claimed,) = dispatcher.arrive("claim", "counter-2")

    assert claimed.result == {"lease_s": 30, "previous_holder": None}
    changes = [(claim.change, claim.holder, claim.previous_holder) for claim in dispatcher.claims]
    assert changes[1:] == [("expired", None, "counter-1"), ("claimed", "counter-2", None)]


async def test_claims_are_shown_again(dispatcher: DispatcherFixture) -> None:
    dispatcher.arrive("claim")
    shown = dispatcher.retained.pop(MINE)
    dispatcher.path.republish_claims()

    assert dispatcher.retained == {MINE: shown}


async def test_configured_lease_limit(dispatcher: DispatcherFixture) -> None:
    dispatcher.path.configure(CommandsSection(max_lease_s=10), ROLES)
    (claimed,) = dispatcher.arrive("claim", args={"lease_s": 60})

    assert claimed.state is CommandState.DONE
    assert claimed.result == {"lease_s": 10, "previous_holder": None}
    assert dispatcher.retained[MINE]["lease_s"] == 10


async def test_closing_withdraws_every_claim(dispatcher: DispatcherFixture) -> None:
    dispatcher.arrive("claim")
    dispatcher.arrive("claim", position=OTHER)
    dispatcher.path.refuse_commands()

    assert dispatcher.retained == {}
    assert [claim.change for claim in dispatcher.claims[2:]] == [ClaimChange.REVOKED] * 2
