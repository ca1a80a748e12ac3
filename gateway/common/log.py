"""Logging: JSON to the journal, colours on a terminal; only values with allowed names are written."""

import logging
import sys
import time
from collections.abc import Callable, Mapping, MutableMapping
from pathlib import Path
from typing import Any

import structlog

from gateway.common.printable import printable
from gateway.common.token_bucket import TokenBucket

BURST_LINES, LINES_PER_MINUTE = 50, 30
"""Lines of one kind (event and device) that are written at once, and per minute; the others are counted."""
MAX_KINDS = 500
MAX_CAUSES, MAX_TEXT = 5, 500
"""Exceptions, and characters of each, that an author is shown."""
LOGGABLE_KEYS = frozenset(
    {
        "action",
        "attempt",
        "bytes",
        "cause",
        "clock",
        "clock_status",
        "config",
        "connected",
        "count",
        "destination",
        "device",
        "driver",
        "epoch",
        "error",
        "event",
        "exit_code",
        "file",
        "firmware",
        "first_seq",
        "gateway",
        "how",
        "key",
        "last_seq",
        "level",
        "limit",
        "line",
        "model",
        "omitted",
        "new_epoch",
        "pid",
        "problem",
        "profile",
        "reason",
        "reason_code",
        "seconds",
        "serial_number",
        "session",
        "signal",
        "site",
        "state",
        "station",
        "stream",
        "table",
        "text",
        "timestamp",
        "trace",
        "verb",
        "version",
    }
)
"""Names of values that are never personal. Every value logged under such a name must be harmless."""


def configure(level: str, *, is_author: bool = False) -> None:
    """Configure logging of this process to standard error, which systemd passes to the journal.

    `is_author`: the author of a driver reads the log, so messages of exceptions are written too.
    """
    terminal = sys.stderr.isatty()
    structlog.configure(
        processors=[
            LineBudget(),
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *((add_exception_text,) if is_author else ()),
            add_traceback,
            redact_values,
            escape_values,
            structlog.dev.ConsoleRenderer() if terminal else structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


class LineBudget:
    """Processor that bounds the lines of each kind, so that one faulty device cannot fill the journal.

    The next line that is written has the number of those left out as `omitted`.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._kinds: dict[tuple[str, str], tuple[TokenBucket, int]] = {}

    def __call__(self, _: Any, __: str, entry: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """Return the entry, or raise DropEvent."""
        where = entry.get("device") or entry.get("position") or ""
        kind = str(entry.get("event")), str(where)
        now_s = self._clock()
        if kind not in self._kinds:
            if len(self._kinds) >= MAX_KINDS:
                del self._kinds[next(iter(self._kinds))]
            self._kinds[kind] = TokenBucket.full(LINES_PER_MINUTE / 60, BURST_LINES, now_s), 0
        bucket, omitted = self._kinds[kind]
        is_written = bucket.take(now_s)
        self._kinds[kind] = bucket, 0 if is_written else omitted + 1
        if not is_written:
            raise structlog.DropEvent
        if omitted:
            entry["omitted"] = omitted
        return entry


def redact_values(_: Any, __: str, entry: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """Replace every value without an allowed name, and all bytes, by type and length."""
    return {
        name: value if name in LOGGABLE_KEYS and not isinstance(value, bytes | bytearray) else _size(value)
        for name, value in entry.items()
    }


def escape_values(_: Any, __: str, entry: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """Escape control and format characters: a line of the log stays one line, in the order it was written."""
    return {name: printable(value) if type(value) is str else value for name, value in entry.items()}


def add_traceback(_: Any, __: str, entry: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replace an exception by its type and the code lines it passed.

    Its message and local variables are left out: a ValueError may quote the passport line it could not parse.
    """
    raised = entry.pop("exc_info", None)
    error = sys.exception() if raised is True else raised
    if isinstance(error, BaseException):
        places = []
        trace = error.__traceback__
        while trace is not None:
            code = trace.tb_frame.f_code
            places.append(f"{Path(code.co_filename).name}:{trace.tb_lineno} {code.co_name}")
            trace = trace.tb_next
        entry["error"] = type(error).__name__
        entry["trace"] = places
    return entry


def add_exception_text(_: Any, __: str, entry: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Add the message of an exception, and those of the exceptions that caused it. Never in production."""
    raised = entry.get("exc_info")
    error = sys.exception() if raised is True else raised
    texts: list[str] = []
    while isinstance(error, BaseException) and len(texts) < MAX_CAUSES:
        texts.append(f"{type(error).__name__}: {error}"[:MAX_TEXT])
        error = error.__cause__ or error.__context__
    if texts:
        entry["text"] = " <- ".join(texts)
    return entry


def _size(value: object) -> str:
    length = f" len={len(value)}" if hasattr(value, "__len__") else ""
    return f"<{type(value).__name__}{length}>"
