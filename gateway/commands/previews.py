"""Previews on their way to the one station that may see them: nothing is kept but who is shown what."""

from typing import Protocol

from drivers.driver import Condition
from gateway.commands.policy import OBEYING
from gateway.contract.topics import Position, SiteTopics


class Outside(Protocol):
    """What is needed of the rest of the gateway."""

    def holder(self, position: Position) -> str | None:
        """Who has claimed a device."""
        ...

    def glimpse(self, topic: str, picture: bytes) -> None:
        """Send a picture at once or never."""
        ...

    def wipe(self, topic: str) -> None:
        """Say that what was shown is over."""
        ...

    def tell_holder(self, position: Position, holder: str | None) -> None:
        """Let a device know for whom it does what is for one station alone."""
        ...


class Previews:
    """The previews of one gateway. Belongs to the event loop."""

    def __init__(self, topics: SiteTopics, outside: Outside) -> None:
        self._topics = topics
        self._outside = outside
        self._shown: dict[Position, str] = {}
        """To which station each is shown now."""

    def show(self, position: Position, station: str, picture: bytes) -> None:
        """Pass on what a device shows; empty: it is over."""
        if not picture:
            if self._shown.get(position) == station:
                self._wipe(position)
        elif self._outside.holder(position) != station:
            self.claim_changed(position, self._outside.holder(position))
        else:
            self._shown[position] = station
            self._outside.glimpse(self._topics.preview(position, station), picture)

    def claim_changed(self, position: Position, holder: str | None) -> None:
        """What one station was shown is nothing for the next."""
        if self._shown.get(position) != holder:
            self._wipe(position)
        self._outside.tell_holder(position, holder)

    def unheard(self, topic: str) -> None:
        """Nobody listened: who asked for it is gone from the broker."""
        for position, station in list(self._shown.items()):
            if self._topics.preview(position, station) == topic:
                self._wipe(position)
                self._outside.tell_holder(position, None)

    def state_changed(self, position: Position, condition: Condition) -> None:
        """What a device has shown that is not there any more is wiped."""
        if condition not in OBEYING:
            self._wipe(position)

    def _wipe(self, position: Position) -> None:
        station = self._shown.pop(position, None)
        if station is not None:
            self._outside.wipe(self._topics.preview(position, station))
