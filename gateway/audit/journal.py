"""Audit journal at the post: commands, claims and technicians' operations, a chained line each.

The same records go to headquarters as events; these files serve a technician at a post without that
connection, and prove that the records are unchanged. They are bounded, and written in a thread: a slow disk
delays nothing else.
"""

import asyncio
import json
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import structlog

from drivers.observation import Observation
from gateway.audit.hash_chain import LINES_DROPPED, STARTED, STOPPED, ChainHead, Sign
from gateway.audit.interrupted_commands import InterruptedCommand, find_interrupted_commands
from gateway.audit.writer import AuditRecord, AuditWriter
from gateway.common.clock import TimeSource
from gateway.contract.envelope import to_rfc3339
from gateway.contract.events import ClaimChanged, CommandDecided, CommandEnded, TechnicianOperationPerformed

log = structlog.get_logger()
ResultT = TypeVar("ResultT")

AUDITED_EVENTS = (ClaimChanged, CommandDecided, CommandEnded, TechnicianOperationPerformed)
AUDITED_DEVICE_EVENTS = frozenset({"barrier.alarm", "access.status"})
"""Device events that are audited.

Forced doors, emergencies, tampering. No command causes them, but investigations need them.
"""
START_RECORD_DELAY_S = 2.0
"""Longest delay of the line that records the start, in seconds: devices start first."""
MAX_PENDING_LINES = 10_000
CHECKPOINT_S = 3600.0
"""Longest time until a line is covered by a signed checkpoint, in seconds."""


class AuditJournal:
    """Audit journal of one gateway. Belongs to the event loop."""

    def __init__(
        self,
        folder: Path,
        position: str,
        time_source: TimeSource,
        sign: Sign | None = None,
        summarise: Callable[[], list[AuditRecord]] = list,
        on_sealed: Callable[[ChainHead, str], None] | None = None,
    ) -> None:
        """Create it; `position` is the gateway's own, used for records about the audit itself.

        `summarise` returns records to write before every checkpoint; `on_sealed` is called with the
        checkpoint and its trigger.
        """
        self._folder = folder
        self._on_sealed = on_sealed
        self._summarise = summarise
        self._log = AuditWriter(folder, position, sign)
        self._position = position
        self._time = time_source
        self._pending: deque[AuditRecord] = deque()
        self._appended = self._written = 0
        """Numbers of records appended, and of those on the disk."""
        self._flushes: deque[tuple[int, asyncio.Future[bool]]] = deque()
        """Futures of `flush`, each with the number of the last record that it waits for."""
        self._dropped_lines = 0
        """Lines lost because the disk accepted none for too long."""
        self._task: asyncio.Task[None] | None = None
        self._checkpoint_timer: asyncio.TimerHandle | None = None
        self._start_timer: asyncio.TimerHandle | None = None
        self._is_checkpoint_due = False
        self._is_started = False
        self._lock = asyncio.Lock()
        self._is_write_failing = False
        """True if the last attempt to write failed."""

    def write_start(self, data: dict[str, Any]) -> None:
        """Record the start of the gateway, after a delay or with the first other record."""
        self._is_started = True
        self._queue(AuditRecord(self._now(), self._position, STARTED, data))
        self._start_timer = asyncio.get_running_loop().call_later(START_RECORD_DELAY_S, self._schedule)

    async def interrupted_commands(self) -> list[InterruptedCommand]:
        """Return the commands during which an earlier run ended; none if the disk fails."""
        return await self.run(lambda *_: find_interrupted_commands(self._folder)) or []

    def record(
        self, position: str, observation: Observation, transaction: str = "", provenance: str = "live"
    ) -> None:
        """Write an observation, if its type is audited."""
        if isinstance(observation, AUDITED_EVENTS):
            data = observation.model_dump(mode="json", exclude={"attachments"})
            data |= {"provenance": provenance} if provenance != "live" else {}
            self.append(AuditRecord(self._now(), position, observation.event_type, data, transaction))

    def on_event(self, position: str, event_type: str, partial_event: bytes) -> None:
        """Write a device's event, as received from its worker."""
        event = json.loads(partial_event + b"}")
        data = {name: value for name, value in event["data"].items() if name != "attachments"}
        data |= {"provenance": event["provenance"]} if event["provenance"] != "live" else {}
        self.append(AuditRecord(self._now(), position, event_type, data, event["transaction"]))

    def append(self, note: AuditRecord) -> None:
        """Write a record."""
        if len(self._pending) >= MAX_PENDING_LINES:
            self._dropped_lines += 1
            return
        self._queue(note)
        self._schedule()

    def flush(self) -> asyncio.Future[bool]:
        """Return a future: True once all records so far are on the disk, False if the disk refuses them.

        A refused record stays queued. The future is not done while the disk blocks.
        """
        flushed: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        if self._dropped_lines:
            flushed.set_result(False)
        else:
            self._flushes.append((self._appended, flushed))
            self._end_flushes()
        return flushed

    def _queue(self, *notes: AuditRecord) -> None:
        self._pending.extend(notes)
        self._appended += len(notes)

    def _end_flushes(self, *, refused: bool = False) -> None:
        """Complete the futures of records that are on the disk; or all of them, if it refuses records."""
        while self._flushes and (refused or self._flushes[0][0] <= self._written):
            number, flushed = self._flushes.popleft()
            if not flushed.done():
                flushed.set_result(number <= self._written)

    async def stop(self) -> None:
        """Finish writing, and sign."""
        for timer in (self._checkpoint_timer, self._start_timer):
            if timer is not None:
                timer.cancel()
        self._checkpoint_timer = self._start_timer = None
        if self._task is not None:
            await self._task
        self._queue(*self._summarise())
        if self._is_started:
            self._is_started = False
            self._queue(AuditRecord(self._now(), self._position, STOPPED, {}))
        await self._write()
        await self._sign("stop")

    async def run(self, work: Callable[[AuditWriter, str], ResultT]) -> ResultT | None:
        """Run a function on the files, in a thread and one at a time; None if the disk fails."""
        async with self._lock:
            try:
                result = await asyncio.to_thread(work, self._log, self._now())
                self._is_write_failing = False
                return result
            except OSError as error:
                if not self._is_write_failing:
                    log.error("audit_write_failed", exc_info=error)
                self._is_write_failing = True
                return None

    async def _sign(self, trigger: str) -> None:
        head = await self.run(lambda audit, at: audit.write_checkpoint(trigger, at))
        if head is not None and self._on_sealed is not None:
            self._on_sealed(head, trigger)

    def _schedule(self) -> None:
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="journal")

    async def _run(self) -> None:
        try:
            if self._is_checkpoint_due:
                self._queue(*self._summarise())
            await self._write()
            if self._is_checkpoint_due:
                self._is_checkpoint_due = False
                await self._sign("hour")
                await self._write()  # a record added meanwhile has not woken the loop
        finally:
            self._task = None

    async def _write(self) -> None:
        """Write queued records; on a failure they stay queued for the next attempt."""
        while self._pending:
            batch, lost = list(self._pending), self._dropped_lines
            dropped = (
                [AuditRecord(self._now(), self._position, LINES_DROPPED, {"lines": lost})] if lost else []
            )
            await self.run(lambda audit, at, batch=[*batch, *dropped]: audit.write(batch, at))  # type: ignore[misc]
            if self._is_write_failing:
                self._end_flushes(refused=True)
                return
            for _ in batch:
                self._pending.popleft()
            self._written += len(batch)
            self._end_flushes()
            self._dropped_lines -= lost
            self.schedule_checkpoint()

    def schedule_checkpoint(self) -> None:
        """Schedule a checkpoint within the hour."""
        if self._checkpoint_timer is None:
            self._checkpoint_timer = asyncio.get_running_loop().call_later(
                CHECKPOINT_S, self._on_checkpoint_due
            )

    def _on_checkpoint_due(self) -> None:
        """Sign the lines of this hour."""
        self._checkpoint_timer, self._is_checkpoint_due = None, True
        self._schedule()

    def _now(self) -> str:
        return to_rfc3339(self._time.unix_ns())
