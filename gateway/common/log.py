"""Logging: JSON to the journal, colours on a terminal; only values with allowed names are written."""

import logging
import sys
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import Any

import structlog

from gateway.common.printable import printable

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


def configure(level: str) -> None:
    """Configure logging of this process to standard error, which systemd passes to the journal."""
    terminal = sys.stderr.isatty()
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            add_traceback,
            redact_values,
            escape_values,
            structlog.dev.ConsoleRenderer() if terminal else structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


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


def _size(value: object) -> str:
    length = f" len={len(value)}" if hasattr(value, "__len__") else ""
    return f"<{type(value).__name__}{length}>"
