"""The officer of a demo: opens a barrier and takes a picture, once a document in that lane is in order."""

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
"""As the demo's role file knows it."""


class DemoOfficer:
    """Lets one traveller a lane through at a time; while the barrier moves for one, the next has to wait."""

    def __init__(self, workstation: Workstation) -> None:
        self._workstation = workstation
        self._busy: dict[Position, asyncio.Task[None]] = {}
        self._pictured: set[Position] = set()

    async def __aenter__(self) -> Self:
        """Nothing is opened before a document is seen."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait for nobody any more."""
        for task in self._busy.values():
            task.cancel()
        await asyncio.gather(*self._busy.values(), return_exceptions=True)

    def on_event(self, received: ReceivedEvent) -> None:
        """Look at an event, and have a barrier opened where it is a document in order."""
        read = received.data
        if not isinstance(read, DocumentRead) or read.overall_outcome is not Outcome.SUCCESSFUL:
            return
        lane, transaction = received.position.lane, received.envelope.transaction
        barrier, camera = self._find_waiting_barrier(lane), self._camera_of(lane)
        if barrier is not None:
            self._begin(barrier, "open", transaction)
        # A picture of each traveller who is let in; and one at once, so that there is something to see.
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
        """Return the camera of a lane that is online."""
        for position in self._workstation.devices:
            if (
                position.lane == lane
                and position.device == "camera"
                and self._workstation.status(position).is_online
            ):
                return position
        return None

    def _find_waiting_barrier(self, lane: str) -> Position | None:
        """The closed barrier of a lane before which somebody is sensed."""
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
        with contextlib.suppress(CommandError):  # the records of it say why
            await self._workstation.command(position, verb, transaction=transaction)
