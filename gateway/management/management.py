"""All that a gateway has for its technicians, as its composition root holds it."""

import uuid
from pathlib import Path
from socket import socket
from typing import TYPE_CHECKING, Any

from drivers.driver import Identity
from drivers.observation import Observation
from gateway.audit.hash_chain import Head, Sign
from gateway.audit.journal import AUDITED_OF_DEVICES, Journal
from gateway.audit.read_counts import Census
from gateway.common.clock import TimeSource
from gateway.common.version import VERSION
from gateway.config import Post
from gateway.contract.events import AuditSealed
from gateway.contract.topics import Position
from gateway.management.admission import Admission
from gateway.management.console_launcher import Reception
from gateway.management.device_registry import Register
from gateway.management.retention import Keeping

if TYPE_CHECKING:
    from gateway.management.api_server import Bench, Gateway

REGISTER = "devices.json"


class Technicians:
    """Register and admission from the start; the bench, and its models, once somebody looks."""

    def __init__(
        self,
        gateway: "Gateway",
        state_dir: Path,
        position: str,
        time_source: TimeSource,
        sign: Sign | None,
        passed: socket | None = None,
    ) -> None:
        """`position` is the gateway's own; `sign` signs the audit.

        `passed` is the socket that people come in by, where it is open already.
        """
        self._gateway = gateway
        self.admission = Admission(
            Register(state_dir / REGISTER),
            lambda position: gateway.device(Position.parse(position)),
            time_source,
            str(gateway.path),
        )
        self._census = Census(position, time_source.unix_ns)
        self._journal = Journal(state_dir, position, time_source, sign, self._census.take, self._sealed)
        self._position = position
        self._keeping = Keeping(
            state_dir, position, lambda: gateway.post.retention, self._journal, time_source
        )
        self._reception = Reception(state_dir, gateway.path, self._at_the_bench, passed=passed)
        self._bench: Bench | None = None

    def start(self) -> None:
        """Remember what an earlier run has written down, and write down that there is another."""
        self.admission.start()
        gateway = self._gateway
        self._journal.begin({"session": gateway.session, "version": VERSION, **_about(gateway.post)})
        self._keeping.start()

    def let_in(self, listen: str | None) -> None:
        """Let people in; raises OSError, and then lets in whoever can still come."""
        self._reception.open(listen)

    async def see_out(self) -> None:
        """Let nobody in any more."""
        await self._reception.close()
        if self._bench is not None:
            await self._bench.close()

    async def stop(self) -> None:
        """Write down what is to be remembered."""
        await self._keeping.stop()
        await self.admission.stop()
        await self._journal.stop()

    def identified(self, position: str, identity: Identity) -> None:
        """Learn who answered at a position."""
        self.admission.identified(position, identity)

    def recorded(
        self, position: Position, observation: Observation, transaction: str, provenance: str
    ) -> None:
        """Keep at the post what goes on record."""
        self._journal.note(str(position), observation, transaction, provenance)

    def heard(self, position: str, event_type: str, open_event: bytes) -> None:
        """Keep at the post what a device says that goes on record."""
        if event_type in AUDITED_OF_DEVICES:
            self._journal.heard(position, event_type, open_event)

    def counted(self, position: str, counts: dict[str, Any]) -> None:
        """Learn what has happened there."""
        self.admission.counted(position, counts)
        device = self._gateway.device(Position.parse(position)) if counts["read"] else None
        if device is not None and self._census.count(position, device.driver.family, counts["read"]):
            self._journal.due()

    def _sealed(self, head: Head, why: str) -> None:
        """Tell elsewhere how far the audit goes."""
        said = AuditSealed(n=head.n, sha256=head.digest, why=why)
        self._gateway.record(Position.parse(self._position), said, str(uuid.uuid4()))

    def device_changed(self, position: str) -> None:
        """Tell whoever looks how a device is now."""
        if self._bench is not None:
            self._bench.device_changed(position)

    def gateway_changed(self) -> None:
        """Tell whoever looks that something of the gateway itself is different."""
        if self._bench is not None:
            self._bench.gateway_changed()

    def _at_the_bench(self) -> "Bench":
        if self._bench is None:
            from gateway.management.api_server import Bench

            self._bench = Bench(self._gateway, self.admission)
        return self._bench


def _about(post: Post) -> dict[str, Any]:
    """What of a post's file tells who could be reached, and whether anything of it was real."""
    return {
        "profile": post.gateway.profile,
        "devices": len(post.devices),
        "recipients": ["local", *(["hq"] if post.hq is not None else [])],
        "traveller_to_hq": post.hq is not None and post.hq.takes_traveller,
    }
