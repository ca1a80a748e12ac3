"""All that a gateway has for its technicians, as its composition root holds it."""

import uuid
from pathlib import Path
from socket import socket
from typing import TYPE_CHECKING, Any

from drivers.driver import Identity
from drivers.observation import Observation
from gateway.audit.hash_chain import ChainHead, Sign
from gateway.audit.journal import AUDITED_DEVICE_EVENTS, AuditJournal
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
    """Register and admission from the start; the bench, and its models, once somebody looks."""

    def __init__(
        self,
        gateway: "ManagementPort",
        state_dir: Path,
        position: str,
        time_source: TimeSource,
        sign: Sign | None,
        systemd_socket: socket | None = None,
    ) -> None:
        """`position` is the gateway's own; `sign` signs the audit.

        `passed` is the socket that people come in by, where it is open already.
        """
        self._gateway = gateway
        self.admission = Admission(
            DeviceRegistry(state_dir / REGISTRY_FILE),
            lambda position: gateway.device(Position.parse(position)),
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
        """Remember what an earlier run has written down, and write down that there is another."""
        self.admission.start()
        gateway = self._gateway
        self._journal.write_start(
            {"session": gateway.session, "version": VERSION, **_audit_start_fields(gateway.post)}
        )
        self._retention.start()

    def open_console(self, listen: str | None) -> None:
        """Let people in; raises OSError, and then lets in whoever can still come."""
        self._console_launcher.open(listen)

    async def close_console(self) -> None:
        """Let nobody in any more."""
        await self._console_launcher.close()
        if self._api is not None:
            await self._api.close()

    async def stop(self) -> None:
        """Write down what is to be remembered."""
        await self._retention.stop()
        await self.admission.stop()
        await self._journal.stop()

    def on_identity(self, position: str, identity: Identity) -> None:
        """Learn who answered at a position."""
        self.admission.on_identity(position, identity)

    def write_audit(
        self, position: Position, observation: Observation, transaction: str, provenance: str
    ) -> None:
        """Keep at the post what goes on record."""
        self._journal.record(str(position), observation, transaction, provenance)

    def on_event(self, position: str, event_type: str, partial_event: bytes) -> None:
        """Keep at the post what a device says that goes on record."""
        if event_type in AUDITED_DEVICE_EVENTS:
            self._journal.on_event(position, event_type, partial_event)

    def on_counters(self, position: str, counts: dict[str, Any]) -> None:
        """Learn what has happened there."""
        self.admission.on_counters(position, counts)
        device = self._gateway.device(Position.parse(position)) if counts["good_reads"] else None
        if device is not None and self._read_counts.add(position, device.driver.family, counts["good_reads"]):
            self._journal.schedule_checkpoint()

    def _on_sealed(self, head: ChainHead, trigger: str) -> None:
        """Tell elsewhere how far the audit goes."""
        said = AuditCheckpoint(line=head.n, sha256=head.digest, trigger=trigger)
        self._gateway.publish_record(Position.parse(self._position), said, str(uuid.uuid4()))

    def on_device_changed(self, position: str) -> None:
        """Tell whoever looks how a device is now."""
        if self._api is not None:
            self._api.on_device_changed(position)

    def on_gateway_changed(self) -> None:
        """Tell whoever looks that something of the gateway itself is different."""
        if self._api is not None:
            self._api.on_gateway_changed()

    def _get_api(self) -> "ManagementApi":
        if self._api is None:
            from gateway.management.api_server import ManagementApi

            self._api = ManagementApi(self._gateway, self.admission)
        return self._api


def _audit_start_fields(post: Post) -> dict[str, Any]:
    """What of a post's file tells who could be reached, and whether anything of it was real."""
    return {
        "profile": post.gateway.profile,
        "devices": len(post.devices),
        "recipients": ["local", *(["hq"] if post.hq is not None else [])],
        "traveller_to_hq": post.hq is not None and post.hq.send_traveller,
    }
