"""Previews on their way to the one station that may see them: nothing is kept but who is shown what."""

from typing import Protocol

from drivers.driver import StateCode
from gateway.commands.policy import COMMANDABLE_STATES
from gateway.contract.topics import Position, SiteTopics


class PreviewPort(Protocol):
    """What is needed of the rest of the gateway."""

    def holder(self, position: Position) -> str | None:
        """Who has claimed a device."""
        ...

    def send_preview(self, topic: str, frame: bytes) -> None:
        """Send a picture at once or never."""
        ...

    def clear_preview(self, topic: str) -> None:
        """Say that what was shown is over."""
        ...

    def set_claim_holder(self, position: Position, holder: str | None) -> None:
        """Let a device know for whom it does what is for one station alone."""
        ...


class Previews:
    """The previews of one gateway. Belongs to the event loop."""

    def __init__(self, topics: SiteTopics, gateway: PreviewPort) -> None:
        self._topics = topics
        self._gateway = gateway
        self._viewers: dict[Position, str] = {}
        """To which station each is shown now."""

    def on_frame(self, position: Position, station: str, frame: bytes) -> None:
        """Pass on what a device shows; empty: it is over."""
        if not frame:
            if self._viewers.get(position) == station:
                self._clear(position)
        elif self._gateway.holder(position) != station:
            self.on_claim_changed(position, self._gateway.holder(position))
        else:
            self._viewers[position] = station
            self._gateway.send_preview(self._topics.preview(position, station), frame)

    def on_claim_changed(self, position: Position, holder: str | None) -> None:
        """What one station was shown is nothing for the next."""
        if self._viewers.get(position) != holder:
            self._clear(position)
        self._gateway.set_claim_holder(position, holder)

    def on_no_subscriber(self, topic: str) -> None:
        """Nobody listened: who asked for it is gone from the broker."""
        for position, station in list(self._viewers.items()):
            if self._topics.preview(position, station) == topic:
                self._clear(position)
                self._gateway.set_claim_holder(position, None)

    def on_state(self, position: Position, state_code: StateCode) -> None:
        """What a device has shown that is not there any more is wiped."""
        if state_code not in COMMANDABLE_STATES:
            self._clear(position)

    def _clear(self, position: Position) -> None:
        station = self._viewers.pop(position, None)
        if station is not None:
            self._gateway.clear_preview(self._topics.preview(position, station))
