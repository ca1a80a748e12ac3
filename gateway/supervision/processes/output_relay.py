"""Relay of standard output and error of worker processes to the log, bounded for each worker.

A driver, or a library that it loads, may print without end: the journal would lose everything else. The fork
server reads what a worker prints and passes on a budget of whole lines. It never waits: a worker that prints
is not slowed down, and the fork server is free to start others.
"""

import os
import select
import time
from pathlib import Path

import structlog

log = structlog.get_logger()

BYTES_PER_S, BURST_BYTES = 4 * 1024, 256 * 1024
"""Sustained rate of the bytes that are passed on, and the bytes that may come at once."""
MAX_LINE_BYTES = 16 * 1024
CHUNK_BYTES = 64 * 1024
REPORT_INTERVAL_S = 60.0
"""Shortest time between two reports of what was dropped, in seconds."""


class OutputRelay:
    """Relay of the text that one worker prints, bounded in rate."""

    def __init__(self, descriptor: int, pid: int, target: int = 2) -> None:
        """`descriptor`: the end of the pipe to read; `target`: descriptor that lines are written to."""
        self.descriptor = descriptor
        self.pid = pid
        self._target = target
        self._rest = b""
        self._is_skipping = False
        """True until the end of a line that is too long, or of which a part was dropped."""
        self._room: float = BURST_BYTES
        self._counted_s = time.monotonic()
        self._dropped_bytes = 0
        self._reported_s = -REPORT_INTERVAL_S

    def relay(self) -> bool:
        """Pass on what has come; return False once the worker has ended."""
        try:
            chunk = os.read(self.descriptor, CHUNK_BYTES)
        except BlockingIOError:
            return True
        now_s = time.monotonic()
        elapsed_s, self._counted_s = now_s - self._counted_s, now_s
        self._room = min(BURST_BYTES, self._room + elapsed_s * BYTES_PER_S)
        if not chunk:
            self._write(self._rest)
            self._rest = b""
            self._report(now_s, is_last=True)
            return False
        if self._room < len(chunk):
            # Not even searched for lines: a worker prints faster than they could be counted.
            self._dropped_bytes += len(self._rest) + len(chunk)
            self._rest, self._is_skipping = b"", not chunk.endswith(b"\n")
        else:
            self._take_lines(chunk)
        self._report(now_s, is_last=False)
        return True

    def close(self) -> None:
        """Close this end."""
        os.close(self.descriptor)

    def _take_lines(self, chunk: bytes) -> None:
        """Write the whole lines of a chunk, and keep the start of the last one."""
        whole, newline, rest = chunk.rpartition(b"\n")
        if not newline:
            self._rest += rest
        else:
            lines = self._rest + whole + newline
            if self._is_skipping:
                skipped, _, lines = lines.partition(b"\n")
                self._dropped_bytes += len(skipped) + 1
                self._is_skipping = False
            self._write(lines)
            self._rest = rest
        if self._is_skipping or len(self._rest) > MAX_LINE_BYTES:
            self._dropped_bytes += len(self._rest)
            self._rest, self._is_skipping = b"", True

    def _write(self, lines: bytes) -> None:
        """Write lines, in pieces that the target takes at once; what it does not take is dropped."""
        if not lines:
            return
        self._room -= len(lines)
        for at in range(0, len(lines), select.PIPE_BUF):
            piece = lines[at : at + select.PIPE_BUF]
            if not select.select([], [self._target], [], 0)[1]:
                self._dropped_bytes += len(lines) - at
                return
            try:
                os.write(self._target, piece)
            except OSError:  # the log is closed
                return

    def _report(self, now_s: float, *, is_last: bool) -> None:
        """Log how much was dropped, once a minute at most, and at the end of the worker."""
        if self._dropped_bytes and (is_last or now_s - self._reported_s >= REPORT_INTERVAL_S):
            log.error(
                "worker_output_dropped", device=_name(self.pid), pid=self.pid, bytes=self._dropped_bytes
            )
            self._dropped_bytes, self._reported_s = 0, now_s


def _name(pid: int) -> str | None:
    """Return the name of a worker's process, the end of its position; None once it has ended."""
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return None


def output_pipe() -> tuple[int, int]:
    """Return the ends of a pipe for what a worker prints: the relay's, and the worker's."""
    ours, theirs = os.pipe2(os.O_CLOEXEC)
    os.set_blocking(ours, False)
    return ours, theirs


def redirect_output(descriptor: int) -> None:
    """Make a descriptor the standard output and error of this process."""
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.close(descriptor)
