"""Travellers of a demo's counter: one after the other, at the pace of whoever serves the lane."""

import asyncio
import contextlib
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

from drivers.barrier.observations import BarrierPassage
from drivers.passport.observations import DocumentRead
from gateway.client import ReceivedEvent
from gateway.contract.topics import Position

KINDS = ("desko", "document-bridge")
"""Simulated readers at which a document stays until it is taken away."""
SERVED_S, WAITING_S = 5.0, 90.0
"""Time of a document after its read, in seconds: for the demo's officer, and for a person."""
READ_S = 30.0
"""Time for one read, in seconds."""
NEXT_S = 3.0
"""Time from the end of one traveller to the next, in seconds."""
COPIED = 0.1
"""Share of documents that are copies."""


class LaneTravellers:
    """Travellers of one lane."""

    def __init__(self, reader: Position, control_socket: Path, is_taken: Callable[[str], bool]) -> None:
        """Prepare; nobody comes before `run`. `is_taken`: tells whether a person serves a lane."""
        self._reader = reader
        self._socket = control_socket
        self._is_taken = is_taken
        self._chance = Random(f"{reader}/travellers")
        self._read, self._passed = asyncio.Event(), asyncio.Event()

    def on_event(self, received: ReceivedEvent) -> None:
        """Note that the document was read, or that somebody has passed the gate of the lane."""
        if received.position == self._reader and isinstance(received.data, DocumentRead):
            self._read.set()
        elif received.position.lane == self._reader.lane and isinstance(received.data, BarrierPassage):
            self._passed.set()

    async def run(self) -> None:
        """Let one after the other come, until cancelled or until the simulated post has ended."""
        from simulators.errors import SimulatorError

        try:
            while True:
                self._read.clear()
                await self._request("insert", copied=self._chance.random() < COPIED)
                with contextlib.suppress(TimeoutError):  # a reader that fails has read nothing
                    await asyncio.wait_for(self._read.wait(), READ_S)
                self._passed.clear()
                # Whoever takes the lane later has not seen this traveller.
                limit_s = WAITING_S if self._is_taken(self._reader.lane) else SERVED_S
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._passed.wait(), limit_s)
                await self._request("remove")
                await asyncio.sleep(NEXT_S)
        except SimulatorError:
            return  # the demo says why

    async def _request(self, verb: str, **arguments: object) -> None:
        from simulators.post import send_command_blocking

        request = {"do": verb, "name": str(self._reader), **arguments}
        await asyncio.to_thread(send_command_blocking, self._socket, request)


def unscheduled_readers(post: Path) -> Iterator[Position]:
    """Yield the readers of a file of simulated devices whose documents come by command only."""
    for table in tomllib.loads(post.read_text("utf-8")).get("simulator", ()):
        if table.get("kind") in KINDS and "every_s" not in table:
            yield Position.parse(table["name"])
