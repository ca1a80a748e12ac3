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
from gateway.audit.hash_chain import LINES_DROPPED, STARTED, STOPPED, ChainHead, Sign
from gateway.audit.writer import AuditRecord, AuditWriter
from gateway.common.clock import TimeSource
from gateway.contract.envelope import to_rfc3339
from gateway.contract.events import ClaimChanged, CommandDecided, CommandEnded, TechnicianOperationPerformed

log = structlog.get_logger()
ResultT = TypeVar("ResultT")

AUDITED_EVENTS = (ClaimChanged, CommandDecided, CommandEnded, TechnicianOperationPerformed)
AUDITED_DEVICE_EVENTS = frozenset({"barrier.alarm", "access.status"})
"""Forced open, emergencies, tampering: nobody commanded them, and who looks into a night asks for them."""
START_RECORD_DELAY_S = 2.0
"""When it is written down that the gateway has started, at the latest, in seconds: devices come first."""
MAX_PENDING_LINES = 10_000
CHECKPOINT_S = 3600.0
"""No line is without a signature that vouches for it for longer than this."""


class AuditJournal:
    """The audit of one gateway. Belongs to the loop."""

    def __init__(
        self,
        folder: Path,
        position: str,
        time_source: TimeSource,
        sign: Sign | None = None,
        summarise: Callable[[], list[AuditRecord]] = list,
        on_sealed: Callable[[ChainHead, str], None] | None = None,
    ) -> None:
        """`position` is the gateway's own, at which it says what is about the audit itself.

        `sum_up` gives what is written down before every checkpoint; `on_sealed` is told of that, and why.
        """
        self._on_sealed = on_sealed
        self._summarise = summarise
        self._log = AuditWriter(folder, position, sign)
        self._position = position
        self._time = time_source
        self._pending: deque[AuditRecord] = deque()
        self._dropped_lines = 0
        """Lines that could not be kept, because the disk took none for so long."""
        self._task: asyncio.Task[None] | None = None
        self._checkpoint_timer: asyncio.TimerHandle | None = None
        self._start_timer: asyncio.TimerHandle | None = None
        self._is_checkpoint_due = False
        self._is_started = False
        self._lock = asyncio.Lock()
        self._is_write_failing = False
        """Whether the last attempt to write failed."""

    def write_start(self, data: dict[str, Any]) -> None:
        """Write down that the gateway has started, soon or with what comes first."""
        self._is_started = True
        self._pending.append(AuditRecord(self._now(), self._position, STARTED, data))
        self._start_timer = asyncio.get_running_loop().call_later(START_RECORD_DELAY_S, self._schedule)

    def record(
        self, position: str, observation: Observation, transaction: str = "", provenance: str = "live"
    ) -> None:
        """Write a record down, if it is one of the audit's."""
        if isinstance(observation, AUDITED_EVENTS):
            data = observation.model_dump(mode="json", exclude={"attachments"})
            data |= {"provenance": provenance} if provenance != "live" else {}
            self.append(AuditRecord(self._now(), position, observation.event_type, data, transaction))

    def on_event(self, position: str, event_type: str, partial_event: bytes) -> None:
        """Write down what a device said, as its worker has handed it up."""
        event = json.loads(partial_event + b"}")
        data = {name: said for name, said in event["data"].items() if name != "attachments"}
        data |= {"provenance": event["provenance"]} if event["provenance"] != "live" else {}
        self.append(AuditRecord(self._now(), position, event_type, data, event["transaction"]))

    def append(self, note: AuditRecord) -> None:
        """Write something down."""
        if len(self._pending) >= MAX_PENDING_LINES:
            self._dropped_lines += 1
            return
        self._pending.append(note)
        self._schedule()

    async def stop(self) -> None:
        """Bring to its end what is being written, and sign it."""
        for timer in (self._checkpoint_timer, self._start_timer):
            if timer is not None:
                timer.cancel()
        self._checkpoint_timer = self._start_timer = None
        if self._task is not None:
            await self._task
        self._pending.extend(self._summarise())
        if self._is_started:
            self._is_started = False
            self._pending.append(AuditRecord(self._now(), self._position, STOPPED, {}))
        await self._write()
        await self._sign("stop")

    async def run(self, work: Callable[[AuditWriter, str], ResultT]) -> ResultT | None:
        """Do something with the files, in a thread and one at a time; None if the disk will not."""
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
                self._pending.extend(self._summarise())
            await self._write()
            if self._is_checkpoint_due:
                self._is_checkpoint_due = False
                await self._sign("hour")
                await self._write()  # what came meanwhile has waked nobody
        finally:
            self._task = None

    async def _write(self) -> None:
        """Write down what waits; what the disk does not take waits on, for the next attempt."""
        while self._pending:
            batch, lost = list(self._pending), self._dropped_lines
            told = [AuditRecord(self._now(), self._position, LINES_DROPPED, {"lines": lost})] if lost else []
            await self.run(lambda audit, at, batch=[*batch, *told]: audit.write(batch, at))  # type: ignore[misc]
            if self._is_write_failing:
                return
            for _ in batch:
                self._pending.popleft()
            self._dropped_lines -= lost
            self.schedule_checkpoint()

    def schedule_checkpoint(self) -> None:
        """Have a checkpoint within the hour."""
        if self._checkpoint_timer is None:
            self._checkpoint_timer = asyncio.get_running_loop().call_later(
                CHECKPOINT_S, self._on_checkpoint_due
            )

    def _on_checkpoint_due(self) -> None:
        """Have what was written in this hour signed."""
        self._checkpoint_timer, self._is_checkpoint_due = None, True
        self._schedule()

    def _now(self) -> str:
        return to_rfc3339(self._time.unix_ns())
