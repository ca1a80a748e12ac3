"""Retention of local data: audit files, outboxes set aside, bundles, recordings.

The outbox has its own expiry (`[delivery]`). Every removal is recorded in the audit, with counts and without
names.
"""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import structlog

from gateway.audit.journal import AuditJournal
from gateway.audit.writer import AuditRecord, AuditWriter
from gateway.common.clock import TimeSource
from gateway.config.model import RetentionSection
from gateway.contract.envelope import ClockStatus, to_rfc3339

log = structlog.get_logger()

FIRST_RUN_S = 300.0
INTERVAL_S = 6 * 3600.0
DAY_NS = 86_400_000_000_000
MIB = 1024 * 1024
SET_ASIDE = ("outbox.db.*", "outbox.db-wal.*", "outbox.db-shm.*", "blobs.*")
"""File patterns left by `gateway.delivery.outbox.database.set_aside`."""


@dataclass(frozen=True, slots=True)
class Removal:
    """Removed files of one class."""

    files: int
    size: int
    oldest_ns: int


class RetentionJob:
    """Removes expired files several times a day. Belongs to the event loop."""

    def __init__(
        self,
        state_dir: Path,
        position: str,
        retention: Callable[[], RetentionSection],
        journal: AuditJournal,
        time_source: TimeSource,
    ) -> None:
        """Create it; `position` is the gateway's own, `retention` returns the present settings."""
        self._state_dir = state_dir
        self._position = position
        self._retention = retention
        self._journal = journal
        self._time = time_source
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start: the first run is soon, later ones every few hours."""
        self._task = asyncio.create_task(self._run(), name="retention")

    async def stop(self) -> None:
        """Stop."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        wait_s = FIRST_RUN_S
        while True:
            await asyncio.sleep(wait_s)
            await self.run_once()
            wait_s = INTERVAL_S

    async def run_once(self) -> None:
        """Remove expired files, and audit files beyond the size limit."""
        limits, now_ns = self._retention(), self._time.unix_ns()
        trusted = self._time.clock_status() is ClockStatus.SYNCED
        if trusted:
            for kind, days, paths in (
                ("diagnostics", limits.diagnostics_days, self._diagnostics),
                ("recordings", limits.recordings_days, self._recordings),
            ):
                removed = await asyncio.to_thread(remove_older, paths(), now_ns - days * DAY_NS)
                if removed.files:
                    data = {
                        "class": kind,
                        "files": removed.files,
                        "bytes": removed.size,
                        "oldest": to_rfc3339(removed.oldest_ns),
                        "kept_days": days,
                    }
                    self._journal.append(
                        AuditRecord(to_rfc3339(now_ns), self._position, "retention.removed", data)
                    )
        until = to_rfc3339(now_ns - limits.audit_days * DAY_NS) if trusted else None
        closed_before = to_rfc3339(now_ns - limits.audit_days * DAY_NS // 12) if trusted else None

        def tidy(audit: AuditWriter, at: str) -> None:
            began = audit.started_at()
            if closed_before is not None and began is not None and began < closed_before:
                audit.close_file("age", at)
            audit.prune(until, limits.audit_max_mib * MIB, at)

        await self._journal.run(tidy)

    def _diagnostics(self) -> Iterator[Path]:
        for pattern in SET_ASIDE:
            yield from (self._state_dir / "outbox").glob(pattern)
        yield from (self._state_dir / "bundles").glob("*")

    def _recordings(self) -> Iterator[Path]:
        yield from (self._state_dir / "recordings").glob("*")


def remove_older(paths: Iterator[Path], before_ns: int) -> Removal:
    """Remove files and directories last written before a moment."""
    import shutil

    files = size = 0
    oldest_ns = before_ns
    for path in [*paths]:
        try:
            status = path.lstat()
            if status.st_mtime_ns >= before_ns:
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
        except OSError as error:
            log.warning("retention_removal_failed", error=type(error).__name__)
            continue
        files, size = files + 1, size + status.st_size
        oldest_ns = min(oldest_ns, status.st_mtime_ns)
    return Removal(files, size, oldest_ns)
