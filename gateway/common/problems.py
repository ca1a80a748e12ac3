"""Active problems of a part of the gateway, for people to act on."""

from collections.abc import Callable
from datetime import UTC, datetime

import structlog

from drivers.links.link import Action
from gateway.contract.states import GatewayProblem

log = structlog.get_logger()


class Problems:
    """Active problems by cause and subject, each with the time when it began."""

    def __init__(self, on_change: Callable[[], None]) -> None:
        self._on_change = on_change
        self._active: dict[tuple[str, str], GatewayProblem] = {}

    def add(self, cause: str, text: str, action: Action, how: str = "", *, about: str = "") -> None:
        """Add a problem; an active one keeps its start time and gets the new text."""
        key = cause, about
        known = self._active.get(key)
        if known is not None and known.text == text:
            return
        since = known.since if known is not None else datetime.now(UTC)
        self._active[key] = GatewayProblem(cause=cause, text=text, action=action, how=how, since=since)
        if known is None:
            log.warning("problem_raised", cause=cause, about=about)
        self._on_change()

    def clear(self, cause: str, *, about: str = "") -> None:
        """Clear a problem, if it is active."""
        if self._active.pop((cause, about), None) is not None:
            log.info("problem_cleared", cause=cause, about=about)
            self._on_change()

    def active(self) -> tuple[GatewayProblem, ...]:
        """Return all active problems, oldest first."""
        return tuple(self._active.values())
