"""What a barrier asks of the board between it and us: sense the inputs, close a relay for a while, let go."""

from abc import abstractmethod
from enum import Enum, auto
from typing import Protocol

from drivers.driver import Identity
from drivers.links.factory import LinkFactory
from drivers.links.settings import Settings


class PulseEnd(Enum):
    """What opens a relay again when nobody tells it to: a gateway that has died cannot."""

    BOARD_TIMED = auto()
    """The board counts the time of a pulse itself."""
    WATCHDOG = auto()
    """The board lets go of everything when it has not heard from us for a while."""
    NONE = auto()
    """It stays closed: no barrier may hang on such a board."""


class Board(Protocol):
    """Relays and inputs, counted from 0. One request is on the wire at a time, and none is ever sent twice.

    Every method raises LinkError when the link fails, and when no answer comes within `response_timeout_s`:
    what was asked for may have been done all the same.
    """

    relays: int
    inputs: int
    pulse_end: PulseEnd
    release_timeout_s: float
    """How long after a pulse should have ended its relay is surely open, if we die meanwhile; seconds."""
    response_timeout_s: float
    """How long a request may be on the wire at most, seconds: a stop waits for one at most."""

    async def open(self) -> Identity:
        """Open the link and find out which board answers, by reading alone: nothing is written to relays."""

    async def read_inputs(self) -> tuple[bool, ...]:
        """Ask once for all inputs: whether current flows in the circuit at each."""

    async def read_relays(self) -> tuple[bool, ...]:
        """Ask once for all relays: whether each is closed now."""

    async def pulse_relay(self, relay: int, for_s: float, *, urgent: bool = False) -> None:
        """Close one relay for so long, with one frame; returns as soon as the board has taken it.

        A board that cannot count opens it with a second frame when the time is over, whatever happens
        meanwhile. An urgent pulse goes before everything that waits for the wire. Raises DeviceRefused when
        the board says no.
        """

    async def open_all_relays(self) -> None:
        """Open every relay, and forget the pulses that go on; goes before everything that waits."""

    async def close(self) -> None:
        """Let go: relays closed by a pulse that this host must end are opened first."""


class BoardRefused(Exception):  # noqa: N818 - an answer, not a fault
    """The board answered that it will not: nothing has moved."""


class BoardSettings(Settings):
    """Settings of one board. Its `model` says which."""

    @abstractmethod
    def build(self, links: LinkFactory) -> Board:
        """The board, not yet opened."""
