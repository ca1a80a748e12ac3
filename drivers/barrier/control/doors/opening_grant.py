"""Grant of one opening: held until the door was sensed open and closed again, or a proven stop."""

from drivers.barrier.observations import MovementState

CONFIRM_S = 0.5
"""Time for which a limit switch must be steady to be no flicker, in seconds."""


class OpeningGrant:
    """Grant of one door: while it is held, the door may open at any moment.

    A machine may start late, and a limit switch may flicker: neither ends the grant.
    """

    def __init__(self, open_timeout_s: float) -> None:
        self._open_timeout_s = open_timeout_s
        self._is_given = False
        self._was_given = False
        """True if it was given before the last command."""
        self._has_opened = False
        """True once the door was sensed open since the grant."""
        self._is_stop_by_contact = False
        self._explains_until_s: float | None = None
        """Time until which the command explains an opening; None: no command does."""
        self._last_s: float | None = None
        """Time of the last reading."""
        self._state = MovementState.UNKNOWN
        self._state_s: float | None = None
        """Time since when the door is in its state; None before the first reading."""

    def is_held(self, now_s: float) -> bool:
        """Return True if a closed door may open on an earlier command, or is closed only by a flicker."""
        closed_s = float("inf") if self._state_s is None else now_s - self._state_s
        return self._is_given or closed_s < CONFIRM_S

    def explains_opening(self, now_s: float) -> bool:
        """Return True if a command explains that the door opens now: one command explains one opening.

        It has opened at any time since the last reading.
        """
        since_s = now_s if self._last_s is None else self._last_s
        return self._explains_until_s is not None and since_s <= self._explains_until_s

    def on_command(self, now_s: float) -> None:
        """Note a command to open."""
        self._was_given = self._is_given
        self._is_given, self._has_opened, self._is_stop_by_contact = True, False, False
        self._explains_until_s = now_s + self._open_timeout_s

    def on_rejected(self) -> None:
        """Note that the board has refused the command, or that it was not sent."""
        self._is_given, self._explains_until_s = self._was_given, None

    def on_stop_acknowledged(self, *, by_contact: bool) -> None:
        """Note that the board has acknowledged a stop. Only a stop contact cancels a stored opening."""
        self._is_stop_by_contact = by_contact

    def on_closed_by_command(self) -> None:
        """Note that the door is closed after a later command to close."""
        self._is_given = False

    def on_acknowledged(self) -> None:
        """Note that a person has seen the door closed."""
        if self._state is MovementState.CLOSED:
            self._is_given = False

    def on_state(self, state: MovementState, now_s: float, *, is_stop_proven: bool) -> None:
        """Process the state of the door at a reading."""
        self._last_s = now_s
        if state is not self._state:
            # The first reading has no history: nothing suggests a flicker.
            self._state_s = now_s if self._state_s is not None else float("-inf")
            self._state = state
        steady = self._state_s is not None and now_s - self._state_s >= CONFIRM_S
        if state is MovementState.OPEN or (state is not MovementState.CLOSED and steady):
            self._has_opened = True
        if state is MovementState.OPEN:
            self._explains_until_s = None
        closed_again = state is MovementState.CLOSED and steady and self._has_opened
        stopped = state is MovementState.CLOSED and is_stop_proven and self._is_stop_by_contact
        if closed_again or stopped:
            self._is_given = False
