"""The audit, kept at the post: what was commanded, claimed and done by technicians, a line each, chained.

The same goes to headquarters as events; these files are for who stands at the post when that is out of reach,
and for whoever must show that nobody has touched them. They are bounded, and written beside everything else:
a disk that hangs holds nobody up.
"""

import asyncio
import json
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import structlog

from drivers.observation import Observation
from gateway.audit.hash_chain import LOST, STARTED, STOPPED, Head, Sign
from gateway.audit.writer import AuditLog, Note
from gateway.common.clock import TimeSource
from gateway.contract.envelope import timestamp
from gateway.contract.events import ClaimChanged, CommandDecided, CommandEnded, TechnicianActed

log = structlog.get_logger()
ResultT = TypeVar("ResultT")

AUDITED = (ClaimChanged, CommandDecided, CommandEnded, TechnicianActed)
AUDITED_OF_DEVICES = frozenset({"barrier.alarm", "access.status"})
"""Forced open, emergencies, tampering: nobody commanded them, and who looks into a night asks for them."""
BEGIN_S = 2.0
"""When it is written down that the gateway has started, at the latest, in seconds: devices come first."""
WAITING_LINES = 10_000
CHECKPOINT_S = 3600.0
"""No line is without a signature that vouches for it for longer than this."""


class Journal:
    """The audit of one gateway. Belongs to the loop."""

    def __init__(
        self,
        folder: Path,
        position: str,
        time_source: TimeSource,
        sign: Sign | None = None,
        sum_up: Callable[[], list[Note]] = list,
        on_sealed: Callable[[Head, str], None] | None = None,
    ) -> None:
        """`position` is the gateway's own, at which it says what is about the audit itself.

        `sum_up` gives what is written down before every checkpoint; `on_sealed` is told of that, and why.
        """
        self._on_sealed = on_sealed
        self._sum_up = sum_up
        self._log = AuditLog(folder, position, sign)
        self._position = position
        self._time = time_source
        self._notes: deque[Note] = deque()
        self._lost = 0
        """Lines that could not be kept, because the disk took none for so long."""
        self._working: asyncio.Task[None] | None = None
        self._due: asyncio.TimerHandle | None = None
        self._beginning: asyncio.TimerHandle | None = None
        self._seal_due = False
        self._begun = False
        self._busy = asyncio.Lock()
        self._unwritten = False
        """Whether the last attempt to write failed."""

    def begin(self, data: dict[str, Any]) -> None:
        """Write down that the gateway has started, soon or with what comes first."""
        self._begun = True
        self._notes.append(Note(self._now(), self._position, STARTED, data))
        self._beginning = asyncio.get_running_loop().call_later(BEGIN_S, self._wake)

    def note(
        self, position: str, observation: Observation, transaction: str = "", provenance: str = "live"
    ) -> None:
        """Write a record down, if it is one of the audit's."""
        if isinstance(observation, AUDITED):
            data = observation.model_dump(mode="json", exclude={"attachments"})
            data |= {"provenance": provenance} if provenance != "live" else {}
            self.put(Note(self._now(), position, observation.event_type, data, transaction))

    def heard(self, position: str, event_type: str, open_event: bytes) -> None:
        """Write down what a device said, as its worker has handed it up."""
        event = json.loads(open_event + b"}")
        data = {name: said for name, said in event["data"].items() if name != "attachments"}
        data |= {"provenance": event["provenance"]} if event["provenance"] != "live" else {}
        self.put(Note(self._now(), position, event_type, data, event["transaction"]))

    def put(self, note: Note) -> None:
        """Write something down."""
        if len(self._notes) >= WAITING_LINES:
            self._lost += 1
            return
        self._notes.append(note)
        self._wake()

    async def stop(self) -> None:
        """Bring to its end what is being written, and sign it."""
        for timer in (self._due, self._beginning):
            if timer is not None:
                timer.cancel()
        self._due = self._beginning = None
        if self._working is not None:
            await self._working
        self._notes.extend(self._sum_up())
        if self._begun:
            self._begun = False
            self._notes.append(Note(self._now(), self._position, STOPPED, {}))
        await self._write()
        await self._sign("stop")

    async def do(self, work: Callable[[AuditLog, str], ResultT]) -> ResultT | None:
        """Do something with the files, in a thread and one at a time; None if the disk will not."""
        async with self._busy:
            try:
                result = await asyncio.to_thread(work, self._log, self._now())
                self._unwritten = False
                return result
            except OSError as error:
                if not self._unwritten:
                    log.error("journal_not_written", exc_info=error)
                self._unwritten = True
                return None

    async def _sign(self, why: str) -> None:
        head = await self.do(lambda audit, at: audit.seal(why, at))
        if head is not None and self._on_sealed is not None:
            self._on_sealed(head, why)

    def _wake(self) -> None:
        if self._working is None:
            self._working = asyncio.create_task(self._work(), name="journal")

    async def _work(self) -> None:
        try:
            if self._seal_due:
                self._notes.extend(self._sum_up())
            await self._write()
            if self._seal_due:
                self._seal_due = False
                await self._sign("hour")
                await self._write()  # what came meanwhile has waked nobody
        finally:
            self._working = None

    async def _write(self) -> None:
        """Write down what waits; what the disk does not take waits on, for the next attempt."""
        while self._notes:
            batch, lost = list(self._notes), self._lost
            told = [Note(self._now(), self._position, LOST, {"lines": lost})] if lost else []
            await self.do(lambda audit, at, batch=[*batch, *told]: audit.write(batch, at))  # type: ignore[misc]
            if self._unwritten:
                return
            for _ in batch:
                self._notes.popleft()
            self._lost -= lost
            self.due()

    def due(self) -> None:
        """Have a checkpoint within the hour."""
        if self._due is None:
            self._due = asyncio.get_running_loop().call_later(CHECKPOINT_S, self._hour)

    def _hour(self) -> None:
        """Have what was written in this hour signed."""
        self._due, self._seal_due = None, True
        self._wake()

    def _now(self) -> str:
        return timestamp(self._time.unix_ns())
