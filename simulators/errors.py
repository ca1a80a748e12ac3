"""The errors of the simulators. Their messages say how a user can correct them."""

from typing import Self


class SimulatorError(Exception):
    """A simulator cannot do the requested action; the message says which one and why."""

    extras: tuple[str, ...] = ()
    """Extras that would have to be installed for it."""

    @classmethod
    def without(cls, extra: str, text: str) -> Self:
        """Return the error for a missing library; `extra` brings the library, `text` says what needs it."""
        error = cls(f"{text}: it comes with the extra `{extra}`")
        error.extras = (extra,)
        return error
