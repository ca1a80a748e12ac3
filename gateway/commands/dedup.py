"""What is remembered of every station: its highest number, and the answers it was given of late."""

from collections import OrderedDict
from dataclasses import dataclass, field

from gateway.contract.commands import CommandAnswer
from gateway.contract.topics import Position

MAX_CACHED_ANSWERS = 64
"""Answers kept for each station. What is forgotten is not done again either: its number is not new."""


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
    """Of this session; who is not in the role file leaves no trace here."""

    def __init__(self) -> None:
        self._stations: dict[str, _StationState] = {}

    def last_command_seq(self, station: str) -> int:
        """The highest number of a station; 0 when there was none."""
        known = self._stations.get(station)
        return known.last_command_seq if known is not None else 0

    def use_number(self, station: str, command_seq: int) -> None:
        """Use a number up."""
        self._station(station).last_command_seq = command_seq

    def find(self, station: str, cmd_id: str) -> CachedAnswer | None:
        """What a station was answered under an id."""
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
        """Remember the latest answer to a command; old ones go, but none that still runs."""
        commands = self._station(station).commands
        commands[cmd_id] = CachedAnswer(position, verb, answer, running)
        over = len(commands) - MAX_CACHED_ANSWERS
        for old in [name for name, one in commands.items() if not one.is_running][: max(0, over)]:
            del commands[old]

    def _station(self, station: str) -> _StationState:
        return self._stations.setdefault(station, _StationState())
