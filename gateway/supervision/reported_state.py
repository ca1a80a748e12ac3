"""State that a device's worker has reported, as far as it can be believed and shown."""

from typing import Any

from drivers.driver import StateCode
from drivers.links.link import Action, Cause
from gateway.supervision.device_state import DeviceStateFilter
from gateway.supervision.last_values import LastValues
from gateway.supervision.processes.cpu_usage import CPU_EXCEEDED, CpuUsage


class ReportedState:
    """Newest report of one device; every change is passed to `state_filter`."""

    def __init__(self, state_filter: DeviceStateFilter, last_values: LastValues, cpu_period_s: float) -> None:
        """`cpu_period_s`: time over which the CPU time of the worker is averaged, in seconds."""
        self.cpu = CpuUsage(cpu_period_s)
        self._filter = state_filter
        self._last_values = last_values
        self._newest: tuple[str, dict[str, Any]] | None = None
        """Report without regard to the CPU time of the worker."""
        self._is_confirmed = True
        """False while the worker is too silent for its last report to be shown."""

    def set(self, state: str, **details: Any) -> None:
        """Set the state of the device; fields as in `DeviceState`."""
        self._is_confirmed = True
        if state in (StateCode.OFFLINE, StateCode.NO_DEVICE):
            self._last_values.clear()
        self._newest = state, details
        if self.cpu.is_excessive and state in (StateCode.ONLINE, StateCode.BUSY):
            state, details = StateCode.DEGRADED, details | CPU_EXCEEDED
        self._filter.set_actual_state(state, **details)

    def update_cpu(self, now_s: float) -> None:
        """Read the CPU time of the worker; its excess, and the end of that, change the state."""
        if self.cpu.update(now_s):
            self._set_again()

    def set_unconfirmed(self) -> None:
        """Withdraw what the device has reported: its worker has given no sign of life for too long."""
        if self._is_confirmed:
            self._is_confirmed = False
            self._last_values.withdraw()
            self._filter.set_actual_state(
                StateCode.OFFLINE,
                cause=Cause.HEARTBEAT_LOST,
                text="The worker process of the device does not respond, so its state is unknown.",
                action=Action.WAIT,
                how="It is replaced if it does not respond soon.",
            )

    def set_confirmed(self) -> None:
        """Show again what the device has reported."""
        if not self._is_confirmed and self._newest is not None:
            self._set_again()
            self._last_values.publish()

    def _set_again(self) -> None:
        if self._newest is not None:
            state, details = self._newest
            self.set(state, **details)
