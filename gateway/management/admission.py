"""Whether what a device says may reach officers: maintenance, and serial numbers that nobody has accepted.

The first serial number seen at a position is accepted by itself. Another one waits until a person has said
that it may: who exchanges a reader for one of his own at night shall not read passports in the morning.
A device that tells no serial number is not noticed when it is another one.
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
from gateway.management.device_registry import DeviceRegistry, MaintenanceWindow, SerialNumberEntry
from gateway.supervision.listener import PRESENT_STATES, Suppression
from gateway.supervision.supervisor import DeviceSupervisor

log = structlog.get_logger()

SAVE_S = 60.0
"""How often counters that have changed are written, in seconds: so much of them a power cut may cost."""
MINUTE_NS = 60_000_000_000


class Admission:
    """The register, applied. Belongs to the event loop."""

    def __init__(
        self,
        registry: DeviceRegistry,
        find_device: Callable[[str], DeviceSupervisor | None],
        time_source: TimeSource,
        config: str,
    ) -> None:
        """`at` gives what serves a position; `config` is the post's file, for the remedies that are told."""
        self._registry = registry
        self._find_device = find_device
        self._time = time_source
        self._config = config
        self._end_timers: dict[str, asyncio.TimerHandle] = {}
        self._saving: asyncio.Task[None] | None = None
        self._writing = asyncio.Lock()
        self._is_write_failing = False
        """Whether the last attempt to write failed."""

    def start(self) -> None:
        """Take up what an earlier run has left, and save what changes."""
        self._registry.read()
        self._saving = asyncio.create_task(self._save_loop(), name="register")

    async def stop(self) -> None:
        """Save what has changed."""
        for timer in self._end_timers.values():
            timer.cancel()
        self._end_timers.clear()
        if self._saving is not None:
            self._saving.cancel()
            await asyncio.gather(self._saving, return_exceptions=True)
        await self._save_if_changed()

    def on_device_added(self, position: str) -> None:
        """A position is served from now on: take up what was agreed on for it."""
        device, place = self._find_device(position), self._registry.position_entry(position)
        if device is None:
            return
        if place.driver != device.spec.driver:  # whoever has changed the post's file knows that it is another
            place.driver, place.accepted_serial_number = device.spec.driver, None
            self._registry.is_changed = True
        self._apply(position)

    def on_device_removed(self, position: str) -> None:
        """A position is not served any more, or by something else."""
        if (timer := self._end_timers.pop(position, None)) is not None:
            timer.cancel()

    def on_identity(self, position: str, identity: Identity) -> None:
        """Learn who answered at a position."""
        place = self._registry.position_entry(position)
        if place.accepted_serial_number is None and identity.serial_number is not None:
            place.accepted_serial_number = identity.serial_number
            self._registry.is_changed = True
        self._apply(position)

    def on_counters(self, position: str, counts: dict[str, Any]) -> None:
        """Add what has happened to the counters of who is there."""
        if (device := self._find_device(position)) is not None:
            entry = self.serial_number_entry(device)
            entry.count(self._time.unix_ns(), counts)
            if counts["good_reads"]:
                entry.last_good_read_ns = device.last_good_read_ns
            self._registry.is_changed = True

    def serial_number_entry(self, device: DeviceSupervisor) -> SerialNumberEntry:
        """What is remembered of the device that is there."""
        identity = device.identity
        serial_number = identity.serial_number if identity is not None else None
        return self._registry.serial_number_entry(device.spec.position, device.spec.driver, serial_number)

    def accepted_serial_number(self, position: str) -> str | None:
        """The serial number that may serve a position."""
        return self._registry.position_entry(position).accepted_serial_number

    def maintenance(self, position: str) -> MaintenanceWindow | None:
        """Who works on a device, if anybody."""
        return self._registry.position_entry(position).maintenance

    # What technicians ask for. Each raises Refusal.

    async def start_maintenance(self, position: str, minutes: int, reason: str) -> None:
        """Take a device from its counter."""
        until_ns = self._time.unix_ns() + minutes * MINUTE_NS
        self._registry.position_entry(position).maintenance = MaintenanceWindow(until_ns, minutes, reason)
        self._apply(position)
        await self._save("The device is in maintenance, but that would not survive a restart.")

    async def end_maintenance(self, position: str) -> None:
        """Give a device back to its counter."""
        if self._registry.position_entry(position).maintenance is None:
            raise RpcError("conflict", "The device is not in maintenance.")
        self._end(position)
        await self._save("Maintenance has ended, but a restart now would bring it back.")

    async def accept(self, position: str, serial_number: str) -> None:
        """Let another device serve a position."""
        device, place = self._find_device(position), self._registry.position_entry(position)
        assert device is not None
        waiting = device.identity.serial_number if device.identity is not None else None
        if waiting is None or device.actual_state is None or device.actual_state.state not in PRESENT_STATES:
            raise RpcError(
                "conflict",
                "No device is there that could be accepted.",
                "Plug it in, and wait until it is found.",
            )
        if waiting != serial_number:
            raise RpcError(
                "conflict",
                f"The device that is there has the serial number {waiting}, not {serial_number}.",
                "Compare it with the label of the device, and accept that one.",
            )
        if place.accepted_serial_number == serial_number:
            raise RpcError("conflict", f"{serial_number} is accepted here already.")
        before, place.accepted_serial_number = place.accepted_serial_number, serial_number
        try:
            await self._save("The device was not accepted: that could not be written down.")
        except RpcError:
            place.accepted_serial_number = before
            raise
        log.info("device_accepted", device=position, serial_number=serial_number)
        self._apply(position)

    async def reset_counters(self, position: str) -> None:
        """Set the resettable counters of the device that is there to zero."""
        device = self._find_device(position)
        assert device is not None
        entry = self.serial_number_entry(device)
        entry.since_reset = type(entry.since_reset)()
        entry.reset_ns = self._time.unix_ns()
        await self._save("The counters are at zero, but a restart now would bring them back.")

    # What follows from it

    def _apply(self, position: str) -> None:
        """Keep back what has to be, and see to it that maintenance ends."""
        device = self._find_device(position)
        if device is None:
            return
        if (timer := self._end_timers.pop(position, None)) is not None:
            timer.cancel()
        upkeep = self._registry.position_entry(position).maintenance
        waits = self._pending_suppression(position, device)
        if upkeep is None:
            device.set_suppression(waits)
            return
        # A wall clock that was set back may not make it longer than was asked for.
        left_ns = min(upkeep.until_ns - self._time.unix_ns(), upkeep.minutes * MINUTE_NS)
        if left_ns <= 0:
            self._end(position)
            return
        self._end_timers[position] = asyncio.get_running_loop().call_later(left_ns / 1e9, self._end, position)
        device.set_suppression(
            Suppression(
                StateCode.MAINTENANCE,
                f"A technician works on it until {to_rfc3339(upkeep.until_ns)[11:16]} UTC: {upkeep.reason}.",
                Cause.MAINTENANCE,
                Action.WAIT,
                f"borderpost maintenance {self._config} {position} off",
                includes_records=waits is not None,
            )
        )

    def _end(self, position: str) -> None:
        self._registry.position_entry(position).maintenance = None
        self._registry.is_changed = True
        log.info("maintenance_ended", device=position)
        self._apply(position)

    def _pending_suppression(self, position: str, device: DeviceSupervisor) -> Suppression | None:
        """What to keep back because nobody has accepted who is there."""
        accepted = self._registry.position_entry(position).accepted_serial_number
        there = device.identity.serial_number if device.identity is not None else None
        if there is None or there == accepted:
            return None
        return Suppression(
            StateCode.AWAITING_ACCEPTANCE,
            f"Serial number {there} is there, {accepted} belongs here; a supervisor has to accept the other.",
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
                await self._save("The register cannot be written.")
            except RpcError:
                self._registry.is_changed = True

    async def _save(self, failure_text: str) -> None:
        """Bring the register to the disk; raises Refusal with a sentence for who asked."""
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
