"""What is remembered of every station: its highest number, and the answers it was given of late."""

from collections import OrderedDict
from dataclasses import dataclass, field

from gateway.contract.commands import CommandAnswer
from gateway.contract.topics import Position

KEPT_ANSWERS = 64
"""Answers kept for each station. What is forgotten is not done again either: its number is not new."""


@dataclass(slots=True)
class Remembered:
    """One command, and the last answer to it."""

    position: Position
    verb: str
    answer: CommandAnswer
    running: bool


@dataclass(slots=True)
class _Station:
    last_n: int = 0
    commands: OrderedDict[str, Remembered] = field(default_factory=OrderedDict)


class Memory:
    """Of this session; who is not in the role file leaves no trace here."""

    def __init__(self) -> None:
        self._stations: dict[str, _Station] = {}

    def last_n(self, station: str) -> int:
        """The highest number of a station; 0 when there was none."""
        known = self._stations.get(station)
        return known.last_n if known is not None else 0

    def count(self, station: str, n: int) -> None:
        """Use a number up."""
        self._station(station).last_n = n

    def find(self, station: str, cmd_id: str) -> Remembered | None:
        """What a station was answered under an id."""
        known = self._stations.get(station)
        return known.commands.get(cmd_id) if known is not None else None

    def note(
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
        commands[cmd_id] = Remembered(position, verb, answer, running)
        over = len(commands) - KEPT_ANSWERS
        for old in [name for name, one in commands.items() if not one.running][: max(0, over)]:
            del commands[old]

    def _station(self, station: str) -> _Station:
        return self._stations.setdefault(station, _Station())
