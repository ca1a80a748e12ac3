"""Previews of cameras: passed to the station that has claimed the camera; no picture is stored."""

from typing import Protocol

from drivers.driver import StateCode
from gateway.contract.states import USABLE_STATES
from gateway.contract.topics import Position, SiteTopics


class PreviewPort(Protocol):
    """The rest of the gateway, as far as previews need it."""

    def holder(self, position: Position) -> str | None:
        """Return the station that has claimed a device."""
        ...

    def send_preview(self, topic: str, frame: bytes) -> None:
        """Send a picture now; it is never queued."""
        ...

    def clear_preview(self, topic: str) -> None:
        """Send an empty preview: the picture is no longer valid."""
        ...

    def set_claim_holder(self, position: Position, holder: str | None) -> None:
        """Tell a device which station its previews are for."""
        ...


class Previews:
    """Previews of one gateway. Belongs to the event loop."""

    def __init__(self, topics: SiteTopics, gateway: PreviewPort) -> None:
        self._topics = topics
        self._gateway = gateway
        self._viewers: dict[Position, str] = {}
        """Station that each preview is sent to now."""

    def on_frame(self, position: Position, station: str, frame: bytes) -> None:
        """Pass a picture to its station; an empty one ends the preview."""
        if not frame:
            if self._viewers.get(position) == station:
                self._clear(position)
        elif self._gateway.holder(position) != station:
            self.on_claim_changed(position, self._gateway.holder(position))
        else:
            self._viewers[position] = station
            self._gateway.send_preview(self._topics.preview(position, station), frame)

    def on_claim_changed(self, position: Position, holder: str | None) -> None:
        """End the preview of the previous holder."""
        if self._viewers.get(position) != holder:
            self._clear(position)
        self._gateway.set_claim_holder(position, holder)

    def on_no_subscriber(self, topic: str) -> None:
        """End a preview whose station is no longer connected to the broker."""
        for position, station in list(self._viewers.items()):
            if self._topics.preview(position, station) == topic:
                self._clear(position)
                self._gateway.set_claim_holder(position, None)

    def on_state(self, position: Position, state_code: StateCode) -> None:
        """End the preview of a device that is not available."""
        if state_code not in USABLE_STATES:
            self._clear(position)

    def _clear(self, position: Position) -> None:
        station = self._viewers.pop(position, None)
        if station is not None:
            self._gateway.clear_preview(self._topics.preview(position, station))
