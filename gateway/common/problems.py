"""What a person should know of delivery, as long as it is so."""

from collections.abc import Callable
from datetime import UTC, datetime

import structlog

from drivers.links.link import Action
from gateway.contract.states import Problem

log = structlog.get_logger()


class Problems:
    """The problems that stand, each once, with the moment it began."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._standing: dict[tuple[str, str], Problem] = {}

    def add(self, cause: str, text: str, action: Action, how: str = "", *, about: str = "") -> None:
        """Note a problem; one that stands keeps its beginning and gets the new words."""
        key = cause, about
        known = self._standing.get(key)
        if known is not None and known.text == text:
            return
        since = known.since if known is not None else datetime.now(UTC)
        self._standing[key] = Problem(cause=cause, text=text, action=action, how=how, since=since)
        if known is None:
            log.warning("problem_began", cause=cause, about=about)
        self._changed()

    def clear(self, cause: str, *, about: str = "") -> None:
        """Note that a problem is over, if it stood."""
        if self._standing.pop((cause, about), None) is not None:
            log.info("problem_over", cause=cause, about=about)
            self._changed()

    def standing(self) -> tuple[Problem, ...]:
        """All that stand, oldest first."""
        return tuple(self._standing.values())
