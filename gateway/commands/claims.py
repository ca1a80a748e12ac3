"""Claims: a device for one station alone, until the lease ends. Times are nanoseconds of the boot clock."""

from dataclasses import dataclass, replace

from gateway.contract.topics import Position


@dataclass(frozen=True, slots=True)
class Lease:
    """Who has a device, and until when unless it is renewed."""

    holder: str
    lease_s: int
    since_unix_ns: int
    ends_ns: int


class Claims:
    """The leases of all devices."""

    def __init__(self) -> None:
        self._leases: dict[Position, Lease] = {}

    def at(self, position: Position, now_ns: int) -> Lease | None:
        """The lease that holds now."""
        lease = self._leases.get(position)
        return lease if lease is not None and now_ns < lease.ends_ns else None

    def take(
        self, position: Position, station: str, lease_s: int, now_ns: int, unix_ns: int
    ) -> tuple[Lease, Lease | None]:
        """Give it to a station, or renew its lease; returns the lease, and the one that held until now."""
        before = self.at(position, now_ns)
        ends_ns = now_ns + lease_s * 1_000_000_000
        if before is not None and before.holder == station:
            lease = replace(before, lease_s=lease_s, ends_ns=ends_ns)
        else:
            lease = Lease(station, lease_s, unix_ns, ends_ns)
        self._leases[position] = lease
        return lease, before

    def end(self, position: Position) -> Lease | None:
        """Let nobody have it; returns the lease that ends."""
        return self._leases.pop(position, None)

    def overdue(self, now_ns: int) -> list[Position]:
        """Where a lease has ended by itself and is still noted."""
        return [position for position, lease in self._leases.items() if now_ns >= lease.ends_ns]

    @property
    def all(self) -> dict[Position, Lease]:
        """Every lease that is noted."""
        return dict(self._leases)

    @property
    def next_end_ns(self) -> int | None:
        """When the next one ends."""
        return min((lease.ends_ns for lease in self._leases.values()), default=None)
