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


async def nearly_over(desk: DispatcherFixture) -> None:
    """Claim two devices; the first lease has 20 ms left on both clocks."""
    desk.arrive("claim", args={"lease_s": 5})
    desk.time.advance(4.98)
    desk.arrive("claim", position=OTHER, args={"lease_s": 30})


async def test_boot_clock_ends_a_lease(desk: DispatcherFixture) -> None:
    """The timer of the loop fires first here; it is set again until the boot clock has arrived too."""
    await nearly_over(desk)
    await asyncio.sleep(0.05)
    assert set(desk.retained) == {MINE, THEIRS}

    desk.time.advance(0.02)
    await until(lambda: MINE not in desk.retained)
    assert set(desk.retained) == {THEIRS}
    assert desk.claims[-1].change is ClaimChange.EXPIRED


async def test_no_lease_ends_after_stop(desk: DispatcherFixture) -> None:
    await nearly_over(desk)
    desk.path.stop()
    desk.time.advance(0.02)
    await asyncio.sleep(0.05)

    assert set(desk.retained) == {MINE, THEIRS}


async def test_holder_changes_are_passed_on(desk: DispatcherFixture) -> None:
    desk.arrive("claim", "counter-2")
    desk.arrive("renew", "counter-2")
    desk.arrive("steal", "chief", args={"reason": "Unattended."})
    desk.arrive("release", "chief")

    assert desk.holders == [(BARRIER, "counter-2"), (BARRIER, "chief"), (BARRIER, None)]


async def test_holder_and_lease_end_on_time(desk: DispatcherFixture) -> None:
    desk.arrive("claim", args={"lease_s": 5})
    lease = desk.path.lease(BARRIER)
    assert lease is not None
    assert (lease.holder, lease.lease_s, lease.since_unix_ns) == ("counter-1", 5, desk.time.unix_ns())
    assert desk.path.holder(BARRIER) == "counter-1"
    assert desk.path.holder(OTHER) is None

    desk.time.advance(5)
    assert desk.path.holder(BARRIER) is None


async def test_overdue_lease_is_not_withdrawn(desk: DispatcherFixture) -> None:
    """A lease that ended by itself is recorded as expired, whatever happens to the device next."""
    desk.arrive("claim", args={"lease_s": 5})
    desk.time.advance(5)
    desk.path.revoke_claim(BARRIER)

    assert [claim.change for claim in desk.claims] == [ClaimChange.CLAIMED, ClaimChange.EXPIRED]


async def test_overdue_lease_is_not_stolen(desk: DispatcherFixture) -> None:
    desk.arrive("claim", args={"lease_s": 5})
    desk.time.advance(5)
    (claimed,) = desk.arrive("claim", "counter-2")

    assert claimed.result == {"lease_s": 30, "previous_holder": None}
    changes = [(claim.change, claim.holder, claim.previous_holder) for claim in desk.claims]
    assert changes[1:] == [("expired", None, "counter-1"), ("claimed", "counter-2", None)]


async def test_claims_are_shown_again(desk: DispatcherFixture) -> None:
    desk.arrive("claim")
    shown = desk.retained.pop(MINE)
    desk.path.republish_claims()

    assert desk.retained == {MINE: shown}


async def test_configured_lease_limit(desk: DispatcherFixture) -> None:
    desk.path.configure(CommandsSection(max_lease_s=10), ROLES)
    (claimed,) = desk.arrive("claim", args={"lease_s": 60})

    assert claimed.state is CommandState.DONE
    assert claimed.result == {"lease_s": 10, "previous_holder": None}
    assert desk.retained[MINE]["lease_s"] == 10


async def test_closing_withdraws_every_claim(desk: DispatcherFixture) -> None:
    desk.arrive("claim")
    desk.arrive("claim", position=OTHER)
    desk.path.refuse_commands()

    assert desk.retained == {}
    assert [claim.change for claim in desk.claims[2:]] == [ClaimChange.REVOKED] * 2
