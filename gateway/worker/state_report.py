"""State of the device as its worker reports it: cause and remedy of failures, excess, wrong firmware."""

import time
from collections.abc import Callable
from typing import Any

from drivers.driver import Identity, StateCode
from drivers.links.link import Action, Cause, CredentialsRefusedError, LinkError
from gateway.common.token_bucket import TokenBucket
from gateway.worker.event_budget import EventBudget

STATES_PER_S, STATES_BURST = 20, 400
"""Changes of state that are reported; of faster ones, only the last."""
STATE_OF_CAUSE = {
    Cause.NO_DEVICE: StateCode.NO_DEVICE,
    Cause.UNPLUGGED: StateCode.NO_DEVICE,
    Cause.SIMULATED: StateCode.FAULT,
    Cause.WRONG_DEVICE: StateCode.FAULT,
    Cause.WRONG_FORMAT: StateCode.FAULT,
    Cause.DEVICE_FAULT: StateCode.FAULT,
    Cause.DRIVER_ERROR: StateCode.FAULT,
}
"""State code of a failure's cause; all others are `offline`."""
BETTER_EXPLAINED = {Cause.NO_DEVICE: Cause.UNPLUGGED, Cause.NO_RESPONSE: Cause.WRONG_FORMAT}
"""Causes that later attempts to open a device find, and the earlier cause that explains more."""
FEW_ATTEMPTS = (
    "The gateway tries a refused password three times an hour, because many devices lock the account. "
    "After a correction in the device: borderpost restart POSITION, which permits one more attempt an hour."
)
BABBLING = {
    "cause": Cause.BABBLING,
    "text": "The device sends more than its budget allows. The excess is dropped; other devices continue.",
    "action": Action.CALL_SUPPORT,
    "how": "Check its cable and its settings, and look at the bytes with `borderpost trace`. If it goes on, "
    "unplug the device and have it replaced.",
}
"""Fields of the state of a device that exceeds its budget."""


class StateReport:
    """Reported state of one device; only changes are sent."""

    def __init__(
        self, budget: EventBudget, expected_firmware: str | None, send: Callable[[dict[str, Any]], None]
    ) -> None:
        self._budget = budget
        self._expected_firmware = expected_firmware
        self._send = send
        self._state: tuple[StateCode, dict[str, Any]] | None = None
        """State of the device without its excess and its firmware."""
        self._firmware_mismatch: dict[str, Any] | None = None
        self._last_sent: dict[str, Any] | None = None
        self._sends_left = TokenBucket.full(STATES_PER_S, STATES_BURST, time.monotonic())

    def set_identity(self, identity: Identity) -> None:
        """Compare the firmware of a device that was opened with the expected one."""
        self._firmware_mismatch = None
        if self._expected_firmware is None or identity.firmware in (None, self._expected_firmware):
            return
        self._firmware_mismatch = {
            "cause": Cause.WRONG_FIRMWARE,
            "text": f"The device works, but its firmware is {identity.firmware}, and "
            f"{self._expected_firmware} is expected.",
            "action": Action.CALL_SUPPORT,
            "how": "Install the expected firmware, or change `expected_firmware` in the post's file.",
        }

    def set(self, state: StateCode, **details: Any) -> None:
        """Set the state, with the fields of its report, and send it if it has changed."""
        self._state = state, details
        self.send_changes()

    def set_failure(self, failure: LinkError) -> None:
        """Set the state of a failure, and send it if it has changed."""
        self.set(
            STATE_OF_CAUSE.get(failure.cause, StateCode.OFFLINE),
            cause=failure.cause,
            text=failure.text,
            action=failure.action,
            how=f"{failure.how} {FEW_ATTEMPTS}"
            if isinstance(failure, CredentialsRefusedError)
            else failure.how,
        )

    def send_changes(self) -> None:
        """Send the state if it has changed; of rapid changes, a later call sends the last one."""
        if self._state is None:
            return
        state, details = self._state
        if self._budget.is_exceeded and state in (StateCode.ONLINE, StateCode.BUSY):
            state, details = StateCode.DEGRADED, details | BABBLING
        elif state is StateCode.ONLINE and self._firmware_mismatch is not None:
            state, details = StateCode.DEGRADED, details | self._firmware_mismatch
        report = {"state": state, **details}
        is_explained = (
            (better := BETTER_EXPLAINED.get(details.get("cause", Cause.UNKNOWN))) is not None
            and self._last_sent is not None
            and self._last_sent.get("cause") is better
        )
        if report == self._last_sent or is_explained or not self._sends_left.take(time.monotonic()):
            return
        self._last_sent = report
        self._send(report)
