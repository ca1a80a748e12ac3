"""Officer of a demo: opens a barrier and takes a picture after each good document in that lane."""

import asyncio
import contextlib
from types import TracebackType
from typing import Self

from drivers.barrier.observations import BarrierState, MovementState
from drivers.observation import Outcome
from drivers.passport.observations import DocumentRead
from gateway.client import CommandError, ReceivedEvent, Workstation
from gateway.contract.topics import Position

STATION = "officer"
"""Name of the station in the demo's role file."""


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
        """Open the barrier of a lane after a good document."""
        read = received.data
        if not isinstance(read, DocumentRead) or read.overall_outcome is not Outcome.SUCCESSFUL:
            return
        lane, transaction = received.position.lane, received.envelope.transaction
        barrier, camera = self._find_waiting_barrier(lane), self._camera_of(lane)
        if barrier is not None:
            self._begin(barrier, "open", transaction)
        # One picture per admitted traveller, and one at once, so that the demo shows one early.
        if camera is not None and (barrier is not None or camera not in self._pictured):
            self._pictured.add(camera)
            self._begin(camera, "capture", transaction)

    def _begin(self, position: Position, verb: str, transaction: str) -> None:
        if position in self._busy:
            return
        task = asyncio.create_task(self._command(position, verb, transaction))
        self._busy[position] = task
        task.add_done_callback(lambda _: self._busy.pop(position, None))

    def _camera_of(self, lane: str) -> Position | None:
        """Return the online camera of a lane."""
        for position in self._workstation.devices:
            if (
                position.lane == lane
                and position.device == "camera"
                and self._workstation.status(position).is_usable
            ):
                return position
        return None

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
            if now.data.state is MovementState.CLOSED and any(door.entry_side for door in now.data.doors):
                return position
        return None

    async def _command(self, position: Position, verb: str, transaction: str) -> None:
        with contextlib.suppress(CommandError):  # The events show the reason.
            await self._workstation.command(position, verb, transaction=transaction)
