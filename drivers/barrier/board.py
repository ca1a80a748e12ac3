"""Interface of a board of relays and inputs between a barrier and the driver."""

from abc import abstractmethod
from enum import Enum, auto
from typing import ClassVar, Protocol, Self

from pydantic import model_validator

from drivers.driver import Identity
from drivers.links.factory import LinkFactory
from drivers.links.settings import Settings


class PulseEnd(Enum):
    """Mechanism that opens a relay again if the gateway dies during a pulse."""

    BOARD_TIMED = auto()
    """The board times the pulse itself."""
    WATCHDOG = auto()
    """The board opens all relays after a time without requests."""
    NONE = auto()
    """None: the relay stays closed. Such a board is refused for barriers."""


class Board(Protocol):
    """Relays and inputs, counted from 0. One request is on the wire at a time, and none is ever sent twice.

    Every method raises LinkError when the link fails, and when no response comes within `response_timeout_s`:
    the request may have been executed nevertheless.
    """

    relays: int
    inputs: int
    pulse_end: PulseEnd
    release_timeout_s: float
    """Time after the end of a pulse until its relay is certainly open, if the gateway dies, in seconds."""
    response_timeout_s: float
    """Upper bound on the time of a request on the wire, in seconds: a stop waits for at most one."""
    inputs_at_opening: tuple[bool, ...] | None
    """Inputs that `open` has read to identify the board, as `read_inputs` returns them; None if none."""
    is_left_open: bool
    """True if an earlier driver of this process has closed the board after opening it, with every relay.

    Set before `open`, which makes it false where it finds a relay closed. While it is true, a failed opening
    need not wait for a watchdog: a door may be closing on somebody meanwhile.
    """

    @property
    def answer_time_s(self) -> float:
        """Time of the last request on the wire, in seconds; `response_timeout_s` without a response."""

    async def open(self) -> Identity:
        """Open the link and identify the board, by reading; raises LinkError.

        Relays that are found closed are opened then: a pulse of a dead process may keep them closed, and
        reading restarts the watchdog that would open them. Nothing else is written. Only a board that cannot
        be read always gets this release.
        """

    async def read_inputs(self) -> tuple[bool, ...]:
        """Read all inputs with one request: True where current flows in the circuit."""

    async def read_relays(self) -> tuple[bool, ...]:
        """Read all relays with one request: True where the relay is closed."""

    async def pulse_relay(
        self, relay: int, for_s: float, *, urgent: bool = False, by_s: float | None = None
    ) -> None:
        """Close one relay for `for_s` seconds, with one frame; return as soon as the board has accepted it.

        `by_s`: deadline by the clock of the event loop, judged when the first byte is written, after all
        waiting. A pulse that is not urgent is a movement: it is not written either while earlier frames may
        still wait on the line, and it is taken back by a release when no response comes. An urgent pulse goes
        before all waiting requests and is not taken back: it is for stopping and reopening.

        A board without a timer opens the relay with a second frame at the end of the time, whatever happens
        in between. Raises BoardLate or BoardRefused if nothing has moved and nothing will.
        """

    async def open_all_relays(self) -> None:
        """Open every relay, and cancel running and waiting pulses; goes before all waiting requests.

        Returns once the board has acknowledged it. Raises LinkError otherwise: a relay may be closed, and the
        caller repeats it, which is safe at any time.
        """

    async def close(self) -> None:
        """Close the link, after opening relays whose pulse this host must end."""


class BoardRefused(Exception):  # noqa: N818 - an answer, not a fault
    """The board refused a request: nothing has moved."""


class BoardLate(BoardRefused):
    """A pulse could not be written in time: nothing was sent, and nothing will be."""


MAX_RESPONSE_TIMEOUT_S = 0.2
"""Upper bound on a board's answer time, in seconds: the stop of a moving barrier may have to wait for one."""


class BoardSettings(Settings):
    """Settings of one board; `model` selects it."""

    reads_relays: ClassVar[bool] = True
    """False for a board that cannot be asked which of its relays are closed."""

    @model_validator(mode="after")
    def _answers_in_time(self) -> Self:
        if getattr(self, "response_timeout_s", 0.0) > MAX_RESPONSE_TIMEOUT_S:
            raise ValueError(
                f"response_timeout_s: the stop of a moving barrier would wait for so long; write at most "
                f"{MAX_RESPONSE_TIMEOUT_S:g}, or take a board or line that answers faster"
            )
        return self

    @abstractmethod
    def build(self, links: LinkFactory) -> Board:
        """Build the board, not opened yet."""
