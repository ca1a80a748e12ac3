"""Commands during which the gateway ended by a crash or a power cut: accepted in the audit, and no end."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gateway.audit.hash_chain import AuditLine, audit_files, parse_line, read_backwards
from gateway.contract.commands import CommandState
from gateway.contract.envelope import Provenance
from gateway.contract.events import CommandDecided, CommandEnded
from gateway.contract.reason_codes import CommandReason
from gateway.contract.topics import Position

SEARCHED_BYTES = 256 * 1024
"""Size of the searched end of the audit: several hundred lines. No command runs for longer than that."""


@dataclass(frozen=True, slots=True)
class InterruptedCommand:
    """Record of an interrupted command, and what it is published under."""

    position: Position
    transaction: str
    provenance: Provenance
    record: CommandEnded


def find_interrupted_commands(folder: Path) -> list[InterruptedCommand]:
    """Return the commands at the end of an audit that were accepted and have no end, oldest first.

    Raises OSError. A command that was found and recorded once has an end, so that it is not found again.
    """
    ended: set[tuple[str, str, str]] = set()
    found: list[InterruptedCommand] = []
    for line in _last_lines(folder):
        key = line.position, str(line.data.get("station")), str(line.data.get("cmd_id"))
        if line.type == CommandEnded.event_type:
            ended.add(key)
        elif line.type == CommandDecided.event_type and _is_accepted(line) and key not in ended:
            try:
                found.insert(0, _interrupted(line))
            except (ValueError, KeyError):
                continue  # a line of another version
    return found


def _last_lines(folder: Path) -> Iterator[AuditLine]:
    """Yield the lines of the searched end, the last one first; torn ones are left out."""
    left = SEARCHED_BYTES
    for file in reversed(audit_files(folder)):
        for raw in read_backwards(file):
            if (left := left - len(raw)) < 0:
                return
            if b'"type":"command.' in raw and (line := parse_line(raw)) is not None:
                yield line


def _is_accepted(line: AuditLine) -> bool:
    """Return True for the record of one accepted command; a record that counts several has a window."""
    return line.data.get("decision") == CommandState.ACCEPTED and not line.data.get("window_s")


def _interrupted(line: AuditLine) -> InterruptedCommand:
    provenance = Provenance(line.data.get("provenance", Provenance.LIVE))
    record = CommandEnded(
        cmd_id=line.data["cmd_id"],
        station=line.data["station"],
        verb=line.data["verb"],
        state=CommandState.FAILED,
        reason=CommandReason.GATEWAY_LOST,
        duration_ms=0,
    )
    return InterruptedCommand(Position.parse(line.position), line.transaction, provenance, record)
