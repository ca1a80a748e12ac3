"""Device under certification, by the management API: its state, its reads, its self-tests."""

from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from drivers.driver import Family, Identity
from drivers.passport.specimen import SPECIMEN_ISSUER
from drivers.self_test import SelfTestStep
from gateway.cli._certify.chip_reads import ChipRead
from gateway.cli._lib.api_client import ApiError, ask, device_path

PRESENT = frozenset({"online", "busy", "degraded"})
WORKER_FAULTS = frozenset(
    {
        "worker_crashed",
        "heartbeat_lost",
        "worker_violation",
        "driver_error",
        "driver_unusable",
        "forbidden_call",
        "cpu_exceeded",
    }
)
"""Causes that a device must not provoke, whatever happens to its cable."""
MOVING = frozenset({"opening", "closing"})
RESTED = frozenset({"open", "closed"})
MAINTENANCE_MIN, MAINTENANCE_LEAST_MIN = 120, 45
"""Minutes of maintenance, and the least that are left when a step begins."""
REASON = "certification with specimens"
NOT_CONNECTED = frozenset({409, 503})
"""Status of a refused self-test while the device is away, or its worker process is being replaced."""


@dataclass(frozen=True, slots=True)
class Read:
    """One read of a document, without its content."""

    is_good: bool
    """The zone was read, and all its check digits are right."""
    is_specimen: bool = True
    """False: a zone was read, and not a specimen's. True also where no zone was read."""
    format: str = ""
    chip: ChipRead | None = None


@dataclass(frozen=True, slots=True)
class DeviceStatus:
    """Actual state of the device, also in maintenance."""

    is_present: bool
    cause: str
    text: str
    identity: Identity | None
    disconnects: int
    restarts: int
    """Ends of its worker process in this run of the gateway."""


class CertifiedDevice:
    """One device of a running gateway. Methods raise ApiError, ApiUnavailable."""

    def __init__(self, state_dir: Path, position: str) -> None:
        self.state_dir = state_dir
        self.position = position
        self.reads: deque[Read] = deque()
        """Reads since the last `poll` that were not taken yet."""
        self.movements = 0
        """Movements of a barrier."""
        self.worker_faults: list[str] = []
        """Faults of its worker process, each once; cleared by the user of this class."""
        self._events: list[dict[str, Any]] | None = None
        self._rested = ""

    def view(self) -> dict[str, Any]:
        """Return its view (`DeviceView`)."""
        view: dict[str, Any] = ask(self.state_dir, device_path(self.position))
        return view

    def post(self) -> dict[str, Any]:
        """Return the view of the post (`PostView`)."""
        post: dict[str, Any] = ask(self.state_dir, "post")
        return post

    @property
    def family(self) -> Family:
        """Kind of device."""
        return Family(self.view()["family"])

    def poll(self) -> DeviceStatus:
        """Return its state, and note new reads and movements."""
        self._note_events(ask(self.state_dir, device_path(self.position, "/events")))
        view = self.view()
        state, identity = view["actual_state"] or view["state"], view["identity"]
        if (cause := state["cause"] or "") in WORKER_FAULTS and cause not in self.worker_faults:
            self.worker_faults.append(cause)
        return DeviceStatus(
            is_present=state["state"] in PRESENT,
            cause=cause,
            text=state["text"],
            identity=Identity.model_validate(identity) if identity else None,
            disconnects=view["counters"]["lifetime"]["disconnects"],
            restarts=view["restarts"],
        )

    def check(self, level: str) -> tuple[SelfTestStep, ...]:
        """Run a self-test; without steps if the device is not connected."""
        try:
            report = self._operate("/check", {"level": level})
        except ApiError as refusal:
            if refusal.status in NOT_CONNECTED:
                return ()
            raise
        return tuple(SelfTestStep.model_validate(step) for step in report["steps"])

    def restart(self) -> None:
        """Restart its worker process."""
        self._operate("/restart", None)

    def hold_maintenance(self) -> None:
        """Begin maintenance, or extend one that ends soon: its events reach no officer."""
        until = self.view()["maintenance_until"]
        soon = datetime.now(UTC) + timedelta(minutes=MAINTENANCE_LEAST_MIN)
        if until is None or datetime.fromisoformat(until) < soon:
            self._operate("/maintenance", {"on": True, "minutes": MAINTENANCE_MIN, "reason": REASON})

    def end_maintenance(self) -> None:
        """End maintenance."""
        self._operate("/maintenance", {"on": False, "reason": REASON})

    def _operate(self, operation: str, body: object) -> Any:
        return ask(self.state_dir, device_path(self.position, operation), method="POST", body=body)

    def _note_events(self, events: list[dict[str, Any]]) -> None:
        """Note the events since the last call; the first call only remembers the present ones."""
        known, self._events = self._events, events
        if known is None:
            states = [event["data"]["state"] for event in events if event["type"] == "barrier.state"]
            self._rested = states[-1] if states else ""
            return
        for event in newer(known, events):
            if (read := to_read(event)) is not None:
                self.reads.append(read)
            elif event["type"] == "barrier.state":
                self._note_barrier(event["data"]["state"])

    def _note_barrier(self, state: str) -> None:
        """Count a movement when it begins, and one whose begin was not seen when it ends."""
        if state in MOVING:
            self.movements += self._rested not in MOVING
            self._rested = state
        elif state in RESTED:
            self.movements += self._rested in RESTED and self._rested != state
            self._rested = state


def newer(known: list[dict[str, Any]], events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the events after those that are known. The gateway keeps the last ones of a worker process."""
    for shared in range(min(len(known), len(events)), 0, -1):
        if known[-shared:] == events[:shared]:
            return events[shared:]
    return events


def to_read(event: dict[str, Any]) -> Read | None:
    """Return the read of an event of a document reader; None for other events."""
    match event["type"]:
        case "document.read_failed" | "bad_frame":
            return Read(is_good=False)
        case "document.read":
            zone = event["data"]["mrz"]
            if zone is None:
                return Read(is_good=False)
            if zone["issuer"] != SPECIMEN_ISSUER:
                return Read(is_good=False, is_specimen=False)
            outcomes = [
                check["outcome"] for check in event["data"]["checks"] if check["id"] == "mrz.check_digits"
            ]
            chip = ChipRead.of(event["data"].get("chip"))
            return Read(is_good=outcomes == ["successful"], format=zone["format"], chip=chip)
    return None
