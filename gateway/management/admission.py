"""Admission: suppresses the events of devices in maintenance or with a serial number not yet accepted.

The first serial number seen at a position is accepted automatically. Another one waits for a supervisor: a
reader that was swapped at night must not read passports in the morning. A replaced device without a serial
number is not detected.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import structlog

from drivers.driver import Identity, StateCode
from drivers.links.link import Action, Cause
from gateway.common.clock import TimeSource
from gateway.contract.envelope import to_rfc3339
from gateway.ipc.rpc import RpcError
from gateway.management.device_registry import (
    DeviceRegistry,
    DeviceTestEntry,
    MaintenanceWindow,
    SerialNumberEntry,
)
from gateway.supervision.listener import PRESENT_STATES, Suppression
from gateway.supervision.supervisor import DeviceSupervisor

log = structlog.get_logger()

SAVE_S = 60.0
"""Interval between writes of changed counters, in seconds: a power cut loses so much of them."""
MINUTE_NS = 60_000_000_000


class Admission:
    """Applies the device registry to the devices. Belongs to the event loop."""

    def __init__(
        self,
        registry: DeviceRegistry,
        find_device: Callable[[str], DeviceSupervisor | None],
        time_source: TimeSource,
        config: str,
    ) -> None:
        """Create it.

        `find_device` returns the device at a position; `config` is the configuration's path, for remedies.
        """
        self._registry = registry
        self._find_device = find_device
        self._time = time_source
        self._config = config
        self._end_timers: dict[str, asyncio.TimerHandle] = {}
        self._saving: asyncio.Task[None] | None = None
        self._writing = asyncio.Lock()
        self._is_write_failing = False
        """True if the last attempt to write failed."""

    def start(self) -> None:
        """Load the registry, and start saving changes."""
        self._registry.read()
        self._saving = asyncio.create_task(self._save_loop(), name="register")

    async def stop(self) -> None:
        """Save changes and stop."""
        for timer in self._end_timers.values():
            timer.cancel()
        self._end_timers.clear()
        if self._saving is not None:
            self._saving.cancel()
            await asyncio.gather(self._saving, return_exceptions=True)
        await self._save_if_changed()

    def on_device_added(self, position: str) -> None:
        """Apply the registry to a position that is served from now on."""
        device, entry = self._find_device(position), self._registry.position_entry(position)
        if device is None:
            return
        if entry.driver != device.spec.driver:  # the operator has configured another device
            entry.driver, entry.accepted_serial_number = device.spec.driver, None
            self._registry.is_changed = True
        self._apply(position)

    def on_device_removed(self, position: str) -> None:
        """Cancel the timer of a position that is no longer served."""
        if (timer := self._end_timers.pop(position, None)) is not None:
            timer.cancel()

    def on_identity(self, position: str, identity: Identity) -> None:
        """Check the identity of the device that was opened."""
        entry = self._registry.position_entry(position)
        if entry.accepted_serial_number is None and identity.serial_number is not None:
            entry.accepted_serial_number = identity.serial_number
            self._registry.is_changed = True
        self._apply(position)

    def on_counters(self, position: str, counts: dict[str, Any]) -> None:
        """Add to the counters of the device that is connected."""
        if (device := self._find_device(position)) is not None:
            entry = self.serial_number_entry(device)
            entry.count(self._time.unix_ns(), counts)
            if counts.get("good_reads"):
                entry.last_good_read_ns = device.last_good_read_ns
            self._registry.is_changed = True

    def serial_number_entry(self, device: DeviceSupervisor) -> SerialNumberEntry:
        """Return the registry entry of the connected device."""
        identity = device.identity
        serial_number = identity.serial_number if identity is not None else None
        return self._registry.serial_number_entry(device.spec.position, device.spec.driver, serial_number)

    def accepted_serial_number(self, position: str) -> str | None:
        """Return the accepted serial number of a position."""
        return self._registry.position_entry(position).accepted_serial_number

    def maintenance(self, position: str) -> MaintenanceWindow | None:
        """Return the maintenance window of a device, or None."""
        return self._registry.position_entry(position).maintenance

    # Operations of technicians. Each raises RpcError.

    async def start_maintenance(self, position: str, minutes: int, reason: str) -> None:
        """Start maintenance: suppress the device's events."""
        until_ns = self._time.unix_ns() + minutes * MINUTE_NS
        self._registry.position_entry(position).maintenance = MaintenanceWindow(until_ns, minutes, reason)
        self._apply(position)
        await self._save(
            "The device is in maintenance, but a restart would end it: the registry was not written."
        )

    async def end_maintenance(self, position: str) -> None:
        """End maintenance."""
        if self._registry.position_entry(position).maintenance is None:
            raise RpcError("conflict", "The device is not in maintenance.")
        self._end(position)
        await self._save(
            "Maintenance has ended, but a restart would resume it: the registry was not written."
        )

    async def accept(self, position: str, serial_number: str) -> None:
        """Accept another serial number at a position."""
        device, entry = self._find_device(position), self._registry.position_entry(position)
        assert device is not None
        waiting = device.identity.serial_number if device.identity is not None else None
        if (
            waiting is None
            or device.state_filter.actual_state is None
            or device.state_filter.actual_state.state not in PRESENT_STATES
        ):
            raise RpcError(
                "conflict",
                "No device is connected that could be accepted.",
                "Connect it, and wait until it is found.",
            )
        if waiting != serial_number:
            raise RpcError(
                "conflict",
                f"The connected device has the serial number {waiting}, not {serial_number}.",
                "Compare it with the label on the device, and accept that one.",
            )
        if entry.accepted_serial_number == serial_number:
            raise RpcError("conflict", f"{serial_number} is already accepted here.")
        before, entry.accepted_serial_number = entry.accepted_serial_number, serial_number
        try:
            await self._save("The device was not accepted: the registry could not be written.")
        except RpcError:
            entry.accepted_serial_number = before
            raise
        log.info("device_accepted", device=position, serial_number=serial_number)
        self._apply(position)

    def tests(self, position: str) -> dict[str, DeviceTestEntry]:
        """Return the last tests of a position, by kind."""
        return self._registry.position_entry(position).tests

    async def record_test(
        self, position: str, kind: str, user: str, configuration: str, *, passed: bool
    ) -> None:
        """Store the date and result of a commissioning or proof test."""
        entry = self._registry.position_entry(position)
        before = dict(entry.tests)
        entry.tests[kind] = DeviceTestEntry(self._time.unix_ns(), user, configuration, passed)
        try:
            await self._save("The test was not recorded: the registry could not be written.")
        except RpcError:
            entry.tests = before
            raise

    async def reset_counters(self, position: str) -> None:
        """Set the resettable counters of the connected device to zero."""
        device = self._find_device(position)
        assert device is not None
        entry = self.serial_number_entry(device)
        entry.since_reset = type(entry.since_reset)()
        entry.reset_ns = self._time.unix_ns()
        await self._save(
            "The counters are at zero, but a restart would restore them: the registry was not written."
        )

    # Consequences

    def _apply(self, position: str) -> None:
        """Set the suppression of a device, and the timer that ends maintenance."""
        device = self._find_device(position)
        if device is None:
            return
        if (timer := self._end_timers.pop(position, None)) is not None:
            timer.cancel()
        maintenance = self._registry.position_entry(position).maintenance
        pending = self._pending_suppression(position, device)
        if maintenance is None:
            device.set_suppression(pending)
            return
        # A wall clock that was set back must not extend maintenance.
        left_ns = min(maintenance.until_ns - self._time.unix_ns(), maintenance.minutes * MINUTE_NS)
        if left_ns <= 0:
            self._end(position)
            return
        self._end_timers[position] = asyncio.get_running_loop().call_later(left_ns / 1e9, self._end, position)
        device.set_suppression(
            Suppression(
                StateCode.MAINTENANCE,
                f"In maintenance until {to_rfc3339(maintenance.until_ns)[11:16]} UTC: {maintenance.reason}.",
                Cause.MAINTENANCE,
                Action.WAIT,
                f"borderpost maintenance {self._config} {position} off",
                includes_records=pending is not None,
            )
        )

    def _end(self, position: str) -> None:
        self._registry.position_entry(position).maintenance = None
        self._registry.is_changed = True
        log.info("maintenance_ended", device=position)
        self._apply(position)

    def _pending_suppression(self, position: str, device: DeviceSupervisor) -> Suppression | None:
        """Return the suppression of a device whose serial number is not accepted, or None."""
        accepted = self._registry.position_entry(position).accepted_serial_number
        there = device.identity.serial_number if device.identity is not None else None
        if there is None or there == accepted:
            return None
        return Suppression(
            StateCode.AWAITING_ACCEPTANCE,
            f"Serial number {there} is connected, {accepted} is accepted here; "
            "a supervisor has to accept the new one.",
            Cause.REPLACEMENT_NOT_ACCEPTED,
            Action.CALL_SUPPORT,
            f"borderpost accept {self._config} {position} {there}",
            includes_records=True,
        )

    async def _save_loop(self) -> None:
        while True:
            await asyncio.sleep(SAVE_S)
            await self._save_if_changed()

    async def _save_if_changed(self) -> None:
        if self._registry.is_changed:
            try:
                await self._save("The device registry cannot be written.")
            except RpcError:
                self._registry.is_changed = True

    async def _save(self, failure_text: str) -> None:
        """Write the registry to disk; raises RpcError with `failure_text`."""
        async with self._writing:
            content = self._registry.content()
            try:
                await asyncio.to_thread(self._registry.write, content)
            except OSError as error:
                self._registry.is_changed = True
                if not self._is_write_failing:
                    log.error("device_registry_write_failed", exc_info=error)
                self._is_write_failing = True
                raise RpcError(
                    "unavailable",
                    f"{failure_text} {error.strerror}.",
                    "Free space on the disk, then try again.",
                ) from error
            self._is_write_failing = False
