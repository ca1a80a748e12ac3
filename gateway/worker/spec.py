"""Specification of a worker process: the daemon sends it as the first frame."""

from dataclasses import asdict, dataclass
from typing import Any

REFUSED_ATTEMPTS, REFUSED_WITHIN_S = 3, 3600.0
"""Attempts with refused credentials, and the time in which there are no more, in seconds.

Devices lock an account after a few wrong passwords, many for an hour or until a person unlocks it.
"""


@dataclass(frozen=True)
class WorkerSpec:
    """Specification of a worker process."""

    site: str
    gateway: str
    position: str
    driver: str
    settings: dict[str, Any]
    is_production: bool
    heartbeat_interval_s: float
    open_timeout_s: float
    backoff_first_s: float
    backoff_max_s: float
    events_per_s: float = 50
    """Sustained rate of events of the device."""
    expected_firmware: str | None = None
    is_confined: bool = True
    """False: without a jail, for development; ignored in production."""
    private_paths: tuple[str, ...] = ()
    """Files and folders that no worker may read."""
    further_places: tuple[str, ...] = ()
    """Files and folders that a test bed needs; ignored in production."""
    is_traced: bool = False
    """True if a trace waits for this worker, which then keeps the bytes of its first seconds."""
    refused_ages_s: tuple[float, ...] = ()
    """Ages of the last attempts with credentials that the device refused, the oldest first, in seconds."""
    record: str | None = None
    """Record of the position at the start; see `drivers.record.DeviceRecord`."""

    def to_head(self) -> dict[str, Any]:
        """Return the fields as plain values."""
        return asdict(self)
