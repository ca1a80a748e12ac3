"""All that a gateway has for its technicians, as its composition root holds it."""

from pathlib import Path
from socket import socket
from typing import TYPE_CHECKING, Any

from drivers.driver import Identity
from drivers.observation import Observation
from gateway.clock import TimeSource
from gateway.contract.topics import Position
from gateway.local.audit_files import AUDIT_FILE, AUDIT_FILES
from gateway.technician.admission import Admission
from gateway.technician.journal import Journal
from gateway.technician.reception import Reception
from gateway.technician.register import Register

if TYPE_CHECKING:
    from gateway.technician.bench import Bench, Gateway

REGISTER = "devices.json"


class Technicians:
    """Register and admission from the start; the bench, and its models, once somebody looks."""

    def __init__(
        self, gateway: "Gateway", state_dir: Path, time_source: TimeSource, passed: socket | None = None
    ) -> None:
        """`passed` is the socket that they come in by, where it is open already."""
        self._gateway = gateway
        self.admission = Admission(
            Register(state_dir / REGISTER),
            lambda position: gateway.device(Position.parse(position)),
            time_source,
            str(gateway.path),
        )
        self._time = time_source
        self._journal = Journal(state_dir / AUDIT_FILE, AUDIT_FILES)
        self._reception = Reception(state_dir, gateway.path, self._at_the_bench, passed=passed)
        self._bench: Bench | None = None

    def start(self) -> None:
        """Remember what an earlier run has written down."""
        self.admission.start()

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
        await self.admission.stop()
        await self._journal.stop()

    def identified(self, position: str, identity: Identity) -> None:
        """Learn who answered at a position."""
        self.admission.identified(position, identity)

    def recorded(self, position: Position, observation: Observation) -> None:
        """Keep at the post what goes on record."""
        self._journal.note(str(position), observation, self._time.unix_ns())

    def counted(self, position: str, counts: dict[str, Any]) -> None:
        """Learn what has happened there."""
        self.admission.counted(position, counts)

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
            from gateway.technician.bench import Bench

            self._bench = Bench(self._gateway, self.admission)
        return self._bench
