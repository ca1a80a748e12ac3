"""How a device is, what is kept back of what it says, and what everybody is told of both."""

import time
from collections.abc import Callable
from typing import Any

import structlog

from drivers.observation import DataClass
from gateway.contract.envelope import timestamp
from gateway.contract.states import DeviceState
from gateway.supervision.listener import Hold

log = structlog.get_logger()


class Shown:
    """One position's state. `changed` is told what everybody is to be told."""

    def __init__(self, position: str, session: str, changed: Callable[[DeviceState], None]) -> None:
        self._position = position
        self._session = session
        self._changed = changed
        self._hold: Hold | None = None
        self._held: DeviceState | None = None
        """What is shown while something is kept back."""
        self.state: DeviceState | None = None
        """How the device is, as everybody is told."""
        self.really: DeviceState | None = None
        """How it is, whatever is kept back."""
        self.withheld = 0
        """Events kept back by the present hold."""

    @property
    def keeps_pictures_back(self) -> bool:
        """Whether nobody is shown what it sees."""
        return self._hold is not None

    @property
    def keeps_everything_back(self) -> bool:
        """Whether records are kept back as well, and what stands."""
        return self._hold is not None and self._hold.everything

    def keeps_back(self, data_class: str) -> bool:
        """Whether an event of that class is kept back; then it is counted."""
        kept = self._hold is not None and (self._hold.everything or data_class == DataClass.TRAVELLER)
        self.withheld += kept
        return kept

    def hold(self, hold: Hold | None) -> None:
        """Keep back from now on; None: no longer."""
        before, self._hold = self._hold, hold
        if hold == before:
            return
        self._held = None
        if hold is not None:
            self._held = self._made(
                hold.condition, cause=hold.cause, text=hold.text, action=hold.action, how=hold.how
            )
        if before is None or hold is None or before.condition is not hold.condition:
            self.withheld = 0
        self._show()

    def enter(self, state: str, **why: Any) -> None:
        """Take note of how the device is."""
        self.really = self._made(state, **why)
        log.info(
            "device_state",
            device=self._position,
            state=self.really.state,
            cause=self.really.cause,
            text=self.really.text,
            action=self.really.action,
        )
        self._show()

    def _made(self, state: str, **why: Any) -> DeviceState:
        return DeviceState.model_validate(
            {"state": state, "since": timestamp(time.time_ns()), "session": self._session, **why}
        )

    def _show(self) -> None:
        """Make known how the device is, or why that is nobody's business for now."""
        if self.really is None:
            return
        held = self._held
        if held is not None and self._hold is not None and self._hold.hides(self.really.state):
            self.state = held.model_copy(update={"provenance": self.really.provenance})
        else:
            self.state = self.really
        self._changed(self.state)
