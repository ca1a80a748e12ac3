"""Claims: exclusive use of a device by one station, until the lease ends.

Times are nanoseconds of the boot clock.
"""

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pydantic import ValidationError

from drivers.command import CommandOutput
from gateway.commands.audit import CommandAudit
from gateway.common.clock import TimeSource
from gateway.config import CommandsSection
from gateway.contract.commands import (
    CLAIM_COMMAND_TYPES,
    ClaimRequest,
    ClaimResult,
    CommandOutcome,
    CommandState,
    DeviceClaim,
    ReleaseResult,
    StealRequest,
    describe_wrong_fields,
)
from gateway.contract.envelope import to_rfc3339
from gateway.contract.events import ClaimChange, ClaimChanged
from gateway.contract.reason_codes import CommandReason
from gateway.contract.topics import Position, SiteTopics


@dataclass(frozen=True, slots=True)
class Lease:
    """Holder of a device, and the end of the claim unless it is renewed."""

    holder: str
    lease_s: int
    since_unix_ns: int
    ends_ns: int


class LeaseTable:
    """Leases of all devices."""

    def __init__(self) -> None:
        self._leases: dict[Position, Lease] = {}

    def active_lease(self, position: Position, now_ns: int) -> Lease | None:
        """Return the lease of a device that has not ended."""
        lease = self._leases.get(position)
        return lease if lease is not None and now_ns < lease.ends_ns else None

    def acquire(
        self, position: Position, station: str, lease_s: int, now_ns: int, unix_ns: int
    ) -> tuple[Lease, Lease | None]:
        """Grant or renew a lease; returns it, and the lease that was active until now."""
        before = self.active_lease(position, now_ns)
        ends_ns = now_ns + lease_s * 1_000_000_000
        if before is not None and before.holder == station:
            lease = replace(before, lease_s=lease_s, ends_ns=ends_ns)
        else:
            lease = Lease(station, lease_s, unix_ns, ends_ns)
        self._leases[position] = lease
        return lease, before

    def remove(self, position: Position) -> Lease | None:
        """Remove a lease and return it."""
        return self._leases.pop(position, None)

    def expired_positions(self, now_ns: int) -> list[Position]:
        """List the positions whose lease has ended and is not removed yet."""
        return [position for position, lease in self._leases.items() if now_ns >= lease.ends_ns]

    @property
    def all_leases(self) -> dict[Position, Lease]:
        """Return every lease that is not removed."""
        return dict(self._leases)

    @property
    def next_end_ns(self) -> int | None:
        """Return the end of the lease that ends first."""
        return min((lease.ends_ns for lease in self._leases.values()), default=None)


REQUESTS = {kind.verb: kind.request for kind in CLAIM_COMMAND_TYPES}


class ClaimService:
    """Claims of one gateway. Callers check permission first. Belongs to the event loop."""

    def __init__(
        self,
        session: str,
        topics: SiteTopics,
        settings: CommandsSection,
        publish_retained: Callable[[str, bytes | None], None],
        on_changed: Callable[[Position, str | None], None],
        audit: CommandAudit,
        time_source: TimeSource,
    ) -> None:
        self._session = session
        self._topics = topics
        self._settings = settings
        self._publish_retained = publish_retained
        self._on_changed = on_changed
        self._audit = audit
        self._time = time_source
        self._leases = LeaseTable()
        self._timer: asyncio.TimerHandle | None = None

    def holder(self, position: Position) -> str | None:
        """Return the station that has claimed a device."""
        lease = self.lease(position)
        return lease.holder if lease is not None else None

    def lease(self, position: Position) -> Lease | None:
        """Return the active lease of a device."""
        return self._leases.active_lease(position, self._time.boot_ns())

    def execute(self, position: Position, verb: str, station: str, args: Mapping[str, Any]) -> CommandOutcome:
        """Execute a claim command that the policy permitted."""
        request = REQUESTS[verb]
        try:
            claim = request.model_validate_json(json.dumps(args), strict=True)
        except ValidationError as error:
            return CommandOutcome.refused(CommandReason.BAD_REQUEST, describe_wrong_fields(error, request))
        if isinstance(claim, ClaimRequest):
            return _to_outcome(self._claim(position, station, claim))
        self._end(position, ClaimChange.RELEASED)
        return _to_outcome(ReleaseResult())

    def _claim(self, position: Position, station: str, request: ClaimRequest) -> ClaimResult:
        self._end_expired()
        lease_s = min(request.lease_s, self._settings.max_lease_s)
        now_ns, unix_ns = self._time.boot_ns(), self._time.unix_ns()
        lease, before = self._leases.acquire(position, station, lease_s, now_ns, unix_ns)
        self._publish(position, lease)
        self._schedule()
        previous = before.holder if before is not None else None
        if previous == station:
            return ClaimResult(lease_s=lease_s)
        self._on_changed(position, station)
        self._audit.on_claim_changed(
            position,
            ClaimChanged(
                change=ClaimChange.CLAIMED if previous is None else ClaimChange.STOLEN,
                holder=station,
                previous_holder=previous,
                lease_s=lease_s,
                reason=request.reason if isinstance(request, StealRequest) else "",
            ),
        )
        return ClaimResult(lease_s=lease_s, previous_holder=previous)

    def revoke(self, position: Position) -> None:
        """Revoke a claim, if there is one."""
        self._end_expired()
        self._end(position, ClaimChange.REVOKED)

    def revoke_all(self) -> None:
        """Revoke all claims."""
        for position in self._leases.all_leases:
            self.revoke(position)

    def configure(self, settings: CommandsSection, is_allowed: Callable[[str, Position], bool]) -> None:
        """Apply other limits; revoke claims whose holder has lost its right."""
        self._settings = settings
        for position, lease in self._leases.all_leases.items():
            if not is_allowed(lease.holder, position):
                self.revoke(position)

    def republish(self) -> None:
        """Publish all claims again."""
        self._end_expired()
        for position, lease in self._leases.all_leases.items():
            self._publish(position, lease)

    def stop(self) -> None:
        """Stop the timer: no lease ends by itself any more."""
        if self._timer is not None:
            self._timer.cancel()

    def _publish(self, position: Position, lease: Lease) -> None:
        claim = DeviceClaim.model_validate(
            {
                "holder": lease.holder,
                "since": to_rfc3339(lease.since_unix_ns),
                "lease_s": lease.lease_s,
                "session": self._session,
            }
        )
        self._publish_retained(self._topics.claim(position), claim.model_dump_json().encode())

    def _end(self, position: Position, change: ClaimChange) -> None:
        lease = self._leases.remove(position)
        if lease is None:
            return
        self._publish_retained(self._topics.claim(position), None)
        self._on_changed(position, None)
        self._audit.on_claim_changed(
            position, ClaimChanged(change=change, holder=None, previous_holder=lease.holder, lease_s=None)
        )
        self._schedule()

    def _end_expired(self) -> None:
        for position in self._leases.expired_positions(self._time.boot_ns()):
            self._end(position, ClaimChange.EXPIRED)

    def _schedule(self) -> None:
        """Set the timer to the next end of a lease.

        The loop's clock stops in suspend; the boot clock decides.
        """
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if (ends_ns := self._leases.next_end_ns) is not None:
            wait_s = max(0.0, (ends_ns - self._time.boot_ns()) / 1e9)
            self._timer = asyncio.get_running_loop().call_later(wait_s, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self._end_expired()
        self._schedule()


def _to_outcome(done: CommandOutput) -> CommandOutcome:
    return CommandOutcome(CommandState.DONE, result=done.model_dump_json().encode())
