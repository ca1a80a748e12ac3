"""The errors of the simulators: what a person can put right, said so that they can."""

from typing import Self


class SimulatorError(Exception):
    """A simulator cannot do what it was asked to; the message says what and why."""

    extras: tuple[str, ...] = ()
    """Extras that would have to be installed for it."""

    @classmethod
    def without(cls, extra: str, text: str) -> Self:
        """The error for want of a library that an extra brings; `text` says what wants it."""
        error = cls(f"{text}: it comes with the extra `{extra}`")
        error.extras = (extra,)
        return error
