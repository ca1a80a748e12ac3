"""Management part of a gateway: admission, audit, retention and the console."""

import asyncio
import uuid
from pathlib import Path
from socket import socket
from typing import TYPE_CHECKING, Any

from drivers.observation import Observation
from gateway.audit.hash_chain import ChainHead, Sign
from gateway.audit.interrupted_commands import InterruptedCommand
from gateway.audit.journal import AuditJournal
from gateway.audit.read_counts import HourlyReadCounts
from gateway.common.clock import TimeSource
from gateway.common.version import VERSION
from gateway.config import Post
from gateway.contract.events import AuditCheckpoint
from gateway.contract.topics import Position
from gateway.management.admission import Admission
from gateway.management.console_launcher import ConsoleLauncher
from gateway.management.device_registry import DeviceRegistry
from gateway.management.retention import RetentionJob

if TYPE_CHECKING:
    from gateway.management.api_server import ManagementApi, ManagementPort

REGISTRY_FILE = "devices.json"


class Management:
    """Management of one gateway; the API and its models are loaded when the console first connects."""

    def __init__(
        self,
        gateway: "ManagementPort",
        state_dir: Path,
        position: str,
        time_source: TimeSource,
        sign: Sign | None,
        systemd_socket: socket | None = None,
    ) -> None:
        """Create it; `position` is the gateway's own, `sign` signs the audit.

        `systemd_socket` is the console's socket if systemd has opened it.
        """
        self._gateway = gateway
        self.admission = Admission(
            DeviceRegistry(state_dir / REGISTRY_FILE),
            lambda position: gateway.devices.get(Position.parse(position)),
            time_source,
            str(gateway.path),
        )
        self._read_counts = HourlyReadCounts(position, time_source.unix_ns)
        self._journal = AuditJournal(
            state_dir, position, time_source, sign, self._read_counts.pop_records, self._on_sealed
        )
        self._position = position
        self._retention = RetentionJob(
            state_dir, position, lambda: gateway.post.retention, self._journal, time_source
        )
        self._console_launcher = ConsoleLauncher(
            state_dir, gateway.path, self._get_api, systemd_socket=systemd_socket
        )
        self._api: ManagementApi | None = None

    def start(self) -> None:
        """Load the registry, and record the start of the gateway in the audit."""
        self.admission.start()
        gateway = self._gateway
        self._journal.write_start(
            {"session": gateway.session, "version": VERSION, **_audit_start_fields(gateway.post)}
        )
        self._retention.start()

    async def interrupted_commands(self) -> list[InterruptedCommand]:
        """Return the commands during which an earlier run ended."""
        return await self._journal.interrupted_commands()

    def open_console(self, listen: str | None) -> None:
        """Open the console; raises OSError, and then serves the sockets that could be opened."""
        self._console_launcher.open(listen)

    async def close_console(self) -> None:
        """Close the console."""
        await self._console_launcher.close()
        if self._api is not None:
            await self._api.close()

    async def stop(self) -> None:
        """Save the registry and finish the audit."""
        await self._retention.stop()
        await self.admission.stop()
        await self._journal.stop()

    def write_audit(
        self, position: Position, observation: Observation, transaction: str, provenance: str
    ) -> None:
        """Write an observation to the audit journal, if its type is audited."""
        self._journal.record(str(position), observation, transaction, provenance)

    def flush_audit(self) -> asyncio.Future[bool]:
        """Return a future: True once the audit so far is on the disk, False if the disk refuses it."""
        return self._journal.flush()

    def write_device_event(self, position: str, event_type: str, partial_event: bytes) -> None:
        """Write a device's event to the audit journal."""
        self._journal.on_event(position, event_type, partial_event)

    def on_counters(self, position: str, counts: dict[str, Any]) -> None:
        """Add a worker's increments to counters and hourly read counts."""
        self.admission.on_counters(position, counts)
        reads = counts.get("traveller_reads", 0)
        device = self._gateway.devices.get(Position.parse(position)) if reads else None
        if device is not None:
            self._read_counts.add(position, device.driver, reads)
            self._journal.schedule_checkpoint()

    def _on_sealed(self, head: ChainHead, trigger: str) -> None:
        """Publish a checkpoint of the audit."""
        checkpoint = AuditCheckpoint(line=head.n, sha256=head.digest, trigger=trigger)
        self._gateway.publish_record(Position.parse(self._position), checkpoint, str(uuid.uuid4()))

    def on_device_changed(self, position: str) -> None:
        """Push a device's state to open consoles."""
        if self._api is not None:
            self._api.on_device_changed(position)

    def on_gateway_changed(self) -> None:
        """Push a change of the gateway itself to open consoles."""
        if self._api is not None:
            self._api.on_gateway_changed()

    def _get_api(self) -> "ManagementApi":
        if self._api is None:
            from gateway.management.api_server import ManagementApi

            self._api = ManagementApi(self._gateway, self.admission)
        return self._api


def _audit_start_fields(post: Post) -> dict[str, Any]:
    """Return the configuration facts for a breach report: recipients, and profile."""
    return {
        "profile": post.gateway.profile,
        "devices": len(post.devices),
        "recipients": ["local", *(["hq"] if post.hq is not None else [])],
        "traveller_to_hq": post.hq is not None and post.hq.send_traveller,
    }
