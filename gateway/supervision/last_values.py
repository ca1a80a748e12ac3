"""Last values of one device: the newest observation of each state, published retained while it is open."""

import json
from typing import Any

from drivers.driver import Driver
from drivers.links.settings import Settings
from drivers.observation import redact
from gateway.supervision.device_state import DeviceStateFilter
from gateway.supervision.listener import DeviceListener


class LastValues:
    """Last values by event type. None is published while all output of the device is suppressed."""

    def __init__(
        self,
        position: str,
        driver: type[Driver[Settings]],
        listener: DeviceListener,
        state_filter: DeviceStateFilter,
    ) -> None:
        self._position = position
        self._types = {one.event_type: one for one in driver.observation_types if one.is_state}
        self._listener = listener
        self._state_filter = state_filter
        self._values: dict[str, bytes] = {}

    def withdraw_earlier(self) -> None:
        """Withdraw those of an earlier run of the gateway, even if its outbox did not note their topics."""
        for event_type in self._types:
            self._listener.on_last_value(self._position, event_type, None)

    def set(self, event_type: str, last_value: bytes) -> None:
        """Keep and publish a last value, which is JSON with the observation in `data`."""
        self._values[event_type] = last_value
        if not self._state_filter.is_suppressing_all:
            self._listener.on_last_value(self._position, event_type, last_value)

    def publish(self) -> None:
        """Publish all of them again."""
        if not self._state_filter.is_suppressing_all:
            for event_type, last_value in self._values.items():
                self._listener.on_last_value(self._position, event_type, last_value)

    def withdraw(self) -> None:
        """Withdraw all of them, but keep them: suppression has begun."""
        for event_type in self._values:
            self._listener.on_last_value(self._position, event_type, None)

    def clear(self) -> None:
        """Withdraw and forget all of them: the device is not open any more."""
        while self._values:
            event_type, _ = self._values.popitem()
            self._listener.on_last_value(self._position, event_type, None)

    def redacted(self) -> dict[str, Any]:
        """Return the present states that the device reports, by event type, without personal data."""
        return {
            event_type: redact(self._types[event_type].model_validate(json.loads(last_value)["data"]))
            for event_type, last_value in self._values.items()
        }
