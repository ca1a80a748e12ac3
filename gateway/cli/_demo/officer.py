"""Officer of a demo: after each good document of a lane a picture, a print, and the open barrier."""

import asyncio
import contextlib
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from drivers.barrier.observations import BarrierState, MovementState
from drivers.observation import Outcome
from drivers.passport.observations import DocumentRead
from gateway.client import CommandError, DeviceStatus, ReceivedEvent, Workstation
from gateway.contract.topics import Position

STATION = "officer"
"""Name of the station in the demo's role file."""
PRINT: Mapping[str, Any] = {"position": "right_index", "timeout_s": 8}
"""Request for a print: in the demo somebody's finger comes every few seconds."""


class DemoOfficer:
    """Admits one traveller per lane at a time; while the barrier moves for one, the next has to wait."""

    def __init__(self, workstation: Workstation) -> None:
        self._workstation = workstation
        self._busy: dict[Position, asyncio.Task[None]] = {}
        self._pictured: set[Position] = set()

    async def __aenter__(self) -> Self:
        """Start; nothing is opened before a document is read."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Cancel all pending work."""
        for task in self._busy.values():
            task.cancel()
        await asyncio.gather(*self._busy.values(), return_exceptions=True)

    def on_event(self, received: ReceivedEvent) -> None:
        """Serve a lane after a good document, unless another station has claimed it."""
        read = received.data
        if not isinstance(read, DocumentRead) or read.overall_outcome is not Outcome.SUCCESSFUL:
            return
        lane, transaction = received.position.lane, received.envelope.transaction
        barrier, camera = self._find_waiting_barrier(lane), self._usable(lane, "camera")
        if barrier is not None:
            self._begin(barrier, "open", transaction)
        if (scanner := self._usable(lane, "finger")) is not None:
            self._begin(scanner, "capture", transaction, PRINT)
        # One picture per admitted traveller, and one at once, so that the demo shows one early.
        if camera is not None and (barrier is not None or camera not in self._pictured):
            self._pictured.add(camera)
            self._begin(camera, "capture", transaction)

    def _begin(
        self, position: Position, verb: str, transaction: str, request: Mapping[str, Any] | None = None
    ) -> None:
        if position in self._busy:
            return
        task = asyncio.create_task(self._command(position, verb, transaction, request))
        self._busy[position] = task
        task.add_done_callback(lambda _: self._busy.pop(position, None))

    def _usable(self, lane: str, device: str) -> Position | None:
        """Return a device of a lane that works and that no other station has."""
        position = Position(lane, device)
        status = self._workstation.status(position)
        return position if status.is_usable and not _is_claimed(status) else None

    def _find_waiting_barrier(self, lane: str) -> Position | None:
        """Return the closed barrier of a lane whose entry side detects a traveller."""
        for position in self._workstation.devices:
            now = (
                self._workstation.last_value(position, BarrierState.event_type)
                if position.lane == lane
                else None
            )
            if now is None or not isinstance(now.data, BarrierState):
                continue
            if _is_claimed(self._workstation.status(position)):
                continue
            if now.data.state is MovementState.CLOSED and any(door.entry_side for door in now.data.doors):
                return position
        return None

    async def _command(
        self, position: Position, verb: str, transaction: str, request: Mapping[str, Any] | None
    ) -> None:
        with contextlib.suppress(CommandError):  # The events show the reason.
            await self._workstation.command(position, verb, request, transaction=transaction)


def _is_claimed(status: DeviceStatus) -> bool:
    """Tell whether another station has a device: somebody has opened the counter page."""
    return status.claim is not None and status.claim.holder != STATION
