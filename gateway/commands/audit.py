"""Audit of commands: one record for each permitted command, one for many equal refusals.

The first refusal of its kind (device, station, verb, reason) is recorded at once. Equal ones within a minute
are counted and become one record at its end. At most 64 kinds are counted separately; all further ones are
counted together, for each device. So a flood of commands adds a few records a minute for each device.
"""

import asyncio
import json
import re
import uuid
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog
from pydantic import ValidationError

from drivers.command import CommandArguments, CommandSpec
from drivers.observation import Observation, redact
from gateway.contract.commands import NAME, CommandState
from gateway.contract.events import ClaimChanged, CommandDecided, CommandEnded
from gateway.contract.reason_codes import CommandReason
from gateway.contract.topics import Position

log = structlog.get_logger()

WINDOW_S = 60.0
MAX_WINDOWS = 64

PublishRecord = Callable[[Position, Observation, str], None]
"""Function that stores an observation at a position, under a transaction."""
AuditedEvent = CommandDecided | CommandEnded


@dataclass(slots=True)
class _Window:
    """Equal records since the first of them was recorded."""

    position: Position
    closes_s: float
    began_s: float
    transaction: str = ""
    latest: AuditedEvent | None = None
    count: int = 0


class CommandAudit:
    """Audit of one gateway. Belongs to the event loop."""

    def __init__(self, record: PublishRecord) -> None:
        self._record = record
        self._windows: dict[Hashable, _Window] = {}
        self._timer: asyncio.TimerHandle | None = None

    def stop(self) -> None:
        """Record all counted records."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for window in self._windows.values():
            self._close(window)
        self._windows.clear()

    def record(self, position: Position, entry: AuditedEvent, transaction: str, *, singly: bool) -> None:
        """Record a decision or an end; `singly`: on its own, even if it equals another."""
        if singly:
            self._write(position, entry, transaction)
            return
        kind: Hashable = _window_key(position, entry)
        if kind not in self._windows and len(self._windows) >= MAX_WINDOWS:
            kind = position
        now_s = asyncio.get_running_loop().time()
        window = self._windows.get(kind)
        if window is None:
            self._windows[kind] = _Window(position, now_s + WINDOW_S, now_s)
            self._write(position, entry, transaction)
            self._schedule()
            return
        window.latest, window.transaction = entry, transaction
        window.count += 1

    def record_flood(self, position: Position, station: str) -> None:
        """Record that a station sends so many messages that most of them are dropped unread."""
        entry = CommandDecided(
            cmd_id=None,
            station=station if re.fullmatch(NAME, station) else None,
            verb=None,
            decision=CommandState.REJECTED,
            reason=CommandReason.RATE_LIMITED,
            holder=None,
            command_seq=None,
            args={},
            remaining_ms=None,
        )
        self.record(position, entry, str(uuid.uuid4()), singly=False)

    def on_claim_changed(self, position: Position, change: ClaimChanged) -> None:
        """Record a change of a device's claim."""
        log.info(
            "claim_changed",
            device=str(position),
            state=change.change,
            station=change.holder or change.previous_holder,
        )
        self._record(position, change, str(uuid.uuid4()))

    def _write(self, position: Position, entry: AuditedEvent, transaction: str) -> None:
        decided = isinstance(entry, CommandDecided)
        log.info(
            "command_decided" if decided else "command_ended",
            device=str(position),
            station=entry.station,
            verb=entry.verb,
            state=entry.decision if isinstance(entry, CommandDecided) else entry.state,
            reason=entry.reason,
            count=entry.count,
        )
        self._record(position, entry, transaction)

    def _schedule(self) -> None:
        if self._timer is None and self._windows:
            loop = asyncio.get_running_loop()
            first_s = min(window.closes_s for window in self._windows.values())
            self._timer = loop.call_at(first_s, self._on_timer)

    def _on_timer(self) -> None:
        """Close the windows whose minute is over; open another one where records were counted."""
        self._timer = None
        now_s = asyncio.get_running_loop().time()
        for kind, window in list(self._windows.items()):
            if window.closes_s > now_s:
                continue
            if window.count:
                self._close(window)
                self._windows[kind] = _Window(window.position, now_s + WINDOW_S, now_s)
            else:
                del self._windows[kind]
        self._schedule()

    def _close(self, window: _Window) -> None:
        if window.latest is None:
            return
        over_s = asyncio.get_running_loop().time() - window.began_s
        counted = window.latest.model_copy(update={"count": window.count, "window_s": round(over_s, 3)})
        self._write(window.position, counted, window.transaction)


def _window_key(position: Position, entry: AuditedEvent) -> Hashable:
    state = entry.decision if isinstance(entry, CommandDecided) else entry.state
    return type(entry), position, entry.station, entry.verb, state, entry.reason


def redact_args(request: type[CommandArguments], args: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments without personal data.

    The values that the model permits; of all others type and size. Invalid arguments may hold anything in any
    field, and even the name of an unknown field may be personal.
    """
    try:
        shown: dict[str, Any] = redact(request.model_validate_json(json.dumps(args), strict=True))
    except ValidationError:
        fields = {field.alias or name for name, field in request.model_fields.items()}
        return {name: f"<{type(value).__name__}>" for name, value in args.items() if name in fields}
    return {name: value for name, value in shown.items() if name in args}


def redact_result(spec: CommandSpec | None, result: bytes) -> dict[str, Any] | None:
    """Return a command's result without personal data; None without a result of its type."""
    if spec is None or not result:
        return None
    try:
        redacted: dict[str, Any] = redact(spec.result_type.model_validate_json(result))
    except ValidationError:
        return None
    return redacted
