"""Whether what a device says may reach officers: maintenance, and serial numbers that nobody has accepted.

The first serial number seen at a position is accepted by itself. Another one waits until a person has said
that it may: who exchanges a reader for one of his own at night shall not read passports in the morning.
A device that tells no serial number is not noticed when it is another one.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import structlog

from drivers.driver import Condition, Identity
from drivers.links.link import Action, Cause
from gateway.common.clock import TimeSource
from gateway.contract.envelope import timestamp
from gateway.ipc.rpc import Refusal
from gateway.management.device_registry import Device, Register, Upkeep
from gateway.supervision.listener import PRESENT, Hold
from gateway.supervision.supervisor import Supervised

log = structlog.get_logger()

SAVE_S = 60.0
"""How often counters that have changed are written, in seconds: so much of them a power cut may cost."""
MINUTE_NS = 60_000_000_000


class Admission:
    """The register, applied. Belongs to the event loop."""

    def __init__(
        self, register: Register, at: Callable[[str], Supervised | None], time_source: TimeSource, config: str
    ) -> None:
        """`at` gives what serves a position; `config` is the post's file, for the remedies that are told."""
        self._register = register
        self._at = at
        self._time = time_source
        self._config = config
        self._ends: dict[str, asyncio.TimerHandle] = {}
        self._saving: asyncio.Task[None] | None = None
        self._writing = asyncio.Lock()
        self._unwritten = False
        """Whether the last attempt to write failed."""

    def start(self) -> None:
        """Take up what an earlier run has left, and save what changes."""
        self._register.read()
        self._saving = asyncio.create_task(self._keep_saving(), name="register")

    async def stop(self) -> None:
        """Save what has changed."""
        for timer in self._ends.values():
            timer.cancel()
        self._ends.clear()
        if self._saving is not None:
            self._saving.cancel()
            await asyncio.gather(self._saving, return_exceptions=True)
        await self._save_if_changed()

    def added(self, position: str) -> None:
        """A position is served from now on: take up what was agreed on for it."""
        device, place = self._at(position), self._register.place(position)
        if device is None:
            return
        if (
            place.driver != device.order.driver
        ):  # whoever has changed the post's file knows that it is another
            place.driver, place.accepted = device.order.driver, None
            self._register.changed = True
        self._apply(position)

    def removed(self, position: str) -> None:
        """A position is not served any more, or by something else."""
        if (timer := self._ends.pop(position, None)) is not None:
            timer.cancel()

    def identified(self, position: str, identity: Identity) -> None:
        """Learn who answered at a position."""
        place = self._register.place(position)
        if place.accepted is None and identity.serial_number is not None:
            place.accepted = identity.serial_number
            self._register.changed = True
        self._apply(position)

    def counted(self, position: str, counts: dict[str, Any]) -> None:
        """Add what has happened to the counters of who is there."""
        if (device := self._at(position)) is not None:
            entry = self.entry(device)
            entry.count(self._time.unix_ns(), counts)
            if counts["read"]:
                entry.good_ns = device.good_ns
            self._register.changed = True

    def entry(self, device: Supervised) -> Device:
        """What is remembered of the device that is there."""
        identity = device.identity
        serial_number = identity.serial_number if identity is not None else None
        return self._register.device(device.order.position, device.order.driver, serial_number)

    def accepted(self, position: str) -> str | None:
        """The serial number that may serve a position."""
        return self._register.place(position).accepted

    def maintenance(self, position: str) -> Upkeep | None:
        """Who works on a device, if anybody."""
        return self._register.place(position).maintenance

    # What technicians ask for. Each raises Refusal.

    async def maintain(self, position: str, minutes: int, reason: str) -> None:
        """Take a device from its counter."""
        until_ns = self._time.unix_ns() + minutes * MINUTE_NS
        self._register.place(position).maintenance = Upkeep(until_ns, minutes, reason)
        self._apply(position)
        await self._save("The device is in maintenance, but that would not survive a restart.")

    async def end_maintenance(self, position: str) -> None:
        """Give a device back to its counter."""
        if self._register.place(position).maintenance is None:
            raise Refusal("conflict", "The device is not in maintenance.")
        self._end(position)
        await self._save("Maintenance has ended, but a restart now would bring it back.")

    async def accept(self, position: str, serial_number: str) -> None:
        """Let another device serve a position."""
        device, place = self._at(position), self._register.place(position)
        assert device is not None
        waiting = device.identity.serial_number if device.identity is not None else None
        if waiting is None or device.really is None or device.really.state not in PRESENT:
            raise Refusal(
                "conflict",
                "No device is there that could be accepted.",
                "Plug it in, and wait until it is found.",
            )
        if waiting != serial_number:
            raise Refusal(
                "conflict",
                f"The device that is there has the serial number {waiting}, not {serial_number}.",
                "Compare it with the label of the device, and accept that one.",
            )
        if place.accepted == serial_number:
            raise Refusal("conflict", f"{serial_number} is accepted here already.")
        before, place.accepted = place.accepted, serial_number
        try:
            await self._save("The device was not accepted: that could not be written down.")
        except Refusal:
            place.accepted = before
            raise
        log.info("device_accepted", device=position, serial_number=serial_number)
        self._apply(position)

    async def reset_counters(self, position: str) -> None:
        """Set the resettable counters of the device that is there to zero."""
        device = self._at(position)
        assert device is not None
        entry = self.entry(device)
        entry.since_reset = type(entry.since_reset)()
        entry.reset_ns = self._time.unix_ns()
        await self._save("The counters are at zero, but a restart now would bring them back.")

    # What follows from it

    def _apply(self, position: str) -> None:
        """Keep back what has to be, and see to it that maintenance ends."""
        device = self._at(position)
        if device is None:
            return
        if (timer := self._ends.pop(position, None)) is not None:
            timer.cancel()
        upkeep = self._register.place(position).maintenance
        waits = self._waits(position, device)
        if upkeep is None:
            device.hold(waits)
            return
        # A wall clock that was set back may not make it longer than was asked for.
        left_ns = min(upkeep.until_ns - self._time.unix_ns(), upkeep.minutes * MINUTE_NS)
        if left_ns <= 0:
            self._end(position)
            return
        self._ends[position] = asyncio.get_running_loop().call_later(left_ns / 1e9, self._end, position)
        device.hold(
            Hold(
                Condition.MAINTENANCE,
                f"A technician works on it until {timestamp(upkeep.until_ns)[11:16]} UTC: {upkeep.reason}.",
                Cause.MAINTENANCE,
                Action.WAIT,
                f"borderpost maintenance {self._config} {position} off",
                everything=waits is not None,
            )
        )

    def _end(self, position: str) -> None:
        self._register.place(position).maintenance = None
        self._register.changed = True
        log.info("maintenance_ended", device=position)
        self._apply(position)

    def _waits(self, position: str, device: Supervised) -> Hold | None:
        """What to keep back because nobody has accepted who is there."""
        accepted = self._register.place(position).accepted
        there = device.identity.serial_number if device.identity is not None else None
        if there is None or there == accepted:
            return None
        return Hold(
            Condition.PENDING,
            f"Serial number {there} is there, {accepted} belongs here; a supervisor has to accept the other.",
            Cause.NOT_ACCEPTED,
            Action.CALL,
            f"borderpost accept {self._config} {position} {there}",
            everything=True,
        )

    async def _keep_saving(self) -> None:
        while True:
            await asyncio.sleep(SAVE_S)
            await self._save_if_changed()

    async def _save_if_changed(self) -> None:
        if self._register.changed:
            try:
                await self._save("The register cannot be written.")
            except Refusal:
                self._register.changed = True

    async def _save(self, otherwise: str) -> None:
        """Bring the register to the disk; raises Refusal with a sentence for who asked."""
        async with self._writing:
            content = self._register.content()
            try:
                await asyncio.to_thread(self._register.write, content)
            except OSError as error:
                self._register.changed = True
                if not self._unwritten:
                    log.error("register_not_written", exc_info=error)
                self._unwritten = True
                raise Refusal(
                    "unavailable", f"{otherwise} {error.strerror}.", "Free space on the disk, then try again."
                ) from error
            self._unwritten = False
