"""State of a device, suppression of its events, and the state that is published."""

import time
from collections.abc import Callable
from typing import Any

import structlog

from drivers.observation import DataClass
from gateway.contract.envelope import to_rfc3339
from gateway.contract.states import DeviceState
from gateway.supervision.listener import Suppression

log = structlog.get_logger()


class DeviceStateFilter:
    """State of one position; `on_change` is called with each state to publish."""

    def __init__(self, position: str, session: str, on_change: Callable[[DeviceState], None]) -> None:
        self._position = position
        self._session = session
        self._on_change = on_change
        self.suppression: Suppression | None = None
        self._substitute_state: DeviceState | None = None
        """State published instead of the actual one during suppression."""
        self.published_state: DeviceState | None = None
        """State as published."""
        self.actual_state: DeviceState | None = None
        """State of the device, regardless of suppression."""
        self.suppressed_events = 0
        """Number of events suppressed by the present suppression."""

    @property
    def is_suppressing_all(self) -> bool:
        """True if records and last values are suppressed as well as traveller data."""
        return self.suppression is not None and self.suppression.includes_records

    def count_if_suppressed(self, data_class: str) -> bool:
        """Return True, and count the event, if its data class is suppressed."""
        is_suppressed = self.suppression is not None and (
            self.suppression.includes_records or data_class == DataClass.TRAVELLER
        )
        self.suppressed_events += is_suppressed
        return is_suppressed

    def set_suppression(self, suppression: Suppression | None) -> None:
        """Start or change suppression; None ends it."""
        before, self.suppression = self.suppression, suppression
        if suppression == before:
            return
        self._substitute_state = None
        if suppression is not None:
            self._substitute_state = self._make_state(
                suppression.state_code,
                cause=suppression.cause,
                text=suppression.text,
                action=suppression.action,
                how=suppression.how,
            )
        if before is None or suppression is None or before.state_code is not suppression.state_code:
            self.suppressed_events = 0
        self._publish()

    def set_actual_state(self, state: str, **fields: Any) -> None:
        """Set the state of the device."""
        self.actual_state = self._make_state(state, **fields)
        log.info(
            "device_state",
            device=self._position,
            state=self.actual_state.state,
            cause=self.actual_state.cause,
            text=self.actual_state.text,
            action=self.actual_state.action,
        )
        self._publish()

    def _make_state(self, state: str, **details: Any) -> DeviceState:
        return DeviceState.model_validate(
            {"state": state, "since": to_rfc3339(time.time_ns()), "session": self._session, **details}
        )

    def _publish(self) -> None:
        """Publish the actual state, or its substitute during suppression."""
        if self.actual_state is None:
            return
        substitute = self._substitute_state
        if (
            substitute is not None
            and self.suppression is not None
            and self.suppression.overrides(self.actual_state.state)
        ):
            self.published_state = substitute.model_copy(update={"provenance": self.actual_state.provenance})
        else:
            self.published_state = self.actual_state
        self._on_change(self.published_state)
