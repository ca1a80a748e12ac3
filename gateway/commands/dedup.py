"""Idempotency of commands: the highest sequence number of each station, and its last answers."""

from collections import OrderedDict
from dataclasses import dataclass, field

from gateway.contract.commands import CommandAnswer
from gateway.contract.topics import Position

MAX_CACHED_ANSWERS = 64
"""Answers kept for each station.

A command whose answer was dropped is not executed again: its number is not new.
"""


@dataclass(slots=True)
class CachedAnswer:
    """One command, and the last answer to it."""

    position: Position
    verb: str
    answer: CommandAnswer
    is_running: bool


@dataclass(slots=True)
class _StationState:
    last_command_seq: int = 0
    commands: OrderedDict[str, CachedAnswer] = field(default_factory=OrderedDict)


class IdempotencyCache:
    """Numbers and answers of one session. A station that is not in the role file leaves no entry."""

    def __init__(self) -> None:
        self._stations: dict[str, _StationState] = {}

    def last_command_seq(self, station: str) -> int:
        """Return the highest number of a station; 0 without one."""
        known = self._stations.get(station)
        return known.last_command_seq if known is not None else 0

    def use_number(self, station: str, command_seq: int) -> None:
        """Mark a number as used."""
        self._station(station).last_command_seq = command_seq

    def find(self, station: str, cmd_id: str) -> CachedAnswer | None:
        """Return the answer to a command of a station."""
        known = self._stations.get(station)
        return known.commands.get(cmd_id) if known is not None else None

    def store(
        self,
        station: str,
        cmd_id: str,
        position: Position,
        verb: str,
        answer: CommandAnswer,
        *,
        running: bool,
    ) -> None:
        """Store the latest answer to a command; drops old answers, but none of a running command."""
        commands = self._station(station).commands
        commands[cmd_id] = CachedAnswer(position, verb, answer, running)
        over = len(commands) - MAX_CACHED_ANSWERS
        for old in [name for name, one in commands.items() if not one.is_running][: max(0, over)]:
            del commands[old]

    def _station(self, station: str) -> _StationState:
        return self._stations.setdefault(station, _StationState())
