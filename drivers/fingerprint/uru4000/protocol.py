"""Protocol of one scanner: registers, wake-up, interrupts, keys."""

import asyncio
from collections.abc import Sequence
from typing import NoReturn

from drivers.fingerprint.uru4000.challenge import CHALLENGE_BYTES, challenge_response
from drivers.fingerprint.uru4000.image import key_of, key_request
from drivers.fingerprint.uru4000.registers import (
    AWAKE,
    FAULT,
    INTERRUPT_BYTES,
    INTERRUPT_IN,
    LOW_POWER,
    REQUEST,
    WRITABLE,
    Model,
    Register,
    ScannerEvent,
    ScannerMode,
    parse_event,
)
from drivers.links.link import Action, Cause, LinkError
from drivers.links.usb.link import UsbLink

POWER_UPS = 3
STATUS_POLLS, STATUS_POLL_S = 100, 0.01
"""Number of reads of the status until it is as expected, and their interval, in seconds."""
POWER_ON_S = 0.5
"""Time for the POWER_ON interrupt, in seconds. Usually 10 ms; sometimes it never comes."""


class Uru4000Protocol:
    """One scanner on an open link."""

    def __init__(self, link: UsbLink, model: Model) -> None:
        self._link = link
        self._model = model
        self._interrupts = link.listen(INTERRUPT_IN, INTERRUPT_BYTES)
        self.mode: ScannerMode | None = None
        """Current mode; None after a wake-up."""
        self.is_dark = True
        """True if the lamp is certainly off."""
        self.finger = False
        """True if a finger is there, by the last interrupt."""

    async def read(self, register: Register, size: int) -> bytes:
        """Read a register; raises LinkError."""
        return await self._link.control_in(REQUEST, register, 0, size)

    async def write(self, register: Register, value: bytes) -> None:
        """Write a register; raises LinkError."""
        await self._link.control_out(REQUEST, register, 0, value)

    async def set_mode(self, mode: ScannerMode) -> None:
        """Set the mode; raises LinkError."""
        self.is_dark = False  # a cancellation here leaves the lamp in an unknown state
        await self.write(Register.MODE, bytes((mode,)))
        self.mode, self.is_dark = mode, mode is ScannerMode.OFF

    async def wait_for_event(self, wanted: ScannerEvent) -> None:
        """Wait for an event, and ignore others; raises LinkError."""
        while (event := parse_event(await self._interrupts.next())) is not wanted:
            self._note(event)
        self._note(wanted)

    async def listen(self) -> NoReturn:
        """Process interrupts until LinkError."""
        while True:
            self._note(parse_event(await self._interrupts.next()))

    def _note(self, event: ScannerEvent | None) -> None:
        if event in (ScannerEvent.FINGER_ON, ScannerEvent.FINGER_OFF):
            self.finger = event is ScannerEvent.FINGER_ON

    def forget_events(self) -> None:
        """Discard the events so far."""
        self._interrupts.clear()

    async def power_up(self) -> bytes:
        """Wake the scanner up and return its INFO register; raises LinkError.

        The order is libfprint's: it was found by trial, with readers that hang otherwise.
        """
        for _ in range(POWER_UPS):
            status = await self._status()
            if status & (LOW_POWER | FAULT) == LOW_POWER | FAULT:
                status = await self._restart(status)
            if not status & LOW_POWER:
                await self._set_status(status | LOW_POWER)
            await self._wake(status & WRITABLE)
            try:
                async with asyncio.timeout(POWER_ON_S):
                    await self.wait_for_event(ScannerEvent.POWER_ON)
            except TimeoutError:
                continue
            self.mode, self.finger = None, False
            return await self.read(Register.INFO, 16)
        raise _stuck("does not report that it is awake")

    async def _restart(self, status: int) -> int:
        """Restart a scanner with the status 0x85, which some have after a host that ended badly."""
        await self._set_status(status & WRITABLE)
        for _ in range(STATUS_POLLS):
            status = await self._status()
            if status & AWAKE:
                return status
            await asyncio.sleep(STATUS_POLL_S)
        raise _stuck("does not restart")

    async def _wake(self, status: int) -> None:
        for _ in range(STATUS_POLLS):
            await self._set_status(status)
            if not await self._status() & LOW_POWER:
                return
            await asyncio.sleep(STATUS_POLL_S)
            if self._model.needs_challenge:
                challenge = await self.read(Register.CHALLENGE, CHALLENGE_BYTES)
                await self.write(
                    Register.RESPONSE, challenge_response(challenge.ljust(CHALLENGE_BYTES, b"\x00"))
                )
        raise _stuck("does not wake up")

    async def _status(self) -> int:
        return int.from_bytes(await self.read(Register.STATUS, 1), "big")

    async def _set_status(self, status: int) -> None:
        await self.write(Register.STATUS, bytes((status,)))

    async def read_keys(self, numbers: Sequence[int], seed: int) -> list[int]:
        """Read the keys of an image; raises LinkError."""
        keys = []
        for number in numbers:
            await self.write(Register.KEY_REQUEST, key_request(number, seed))
            keys.append(key_of(await self.read(Register.KEY_ANSWER, 4), seed))
        return keys


def _stuck(what: str) -> LinkError:
    return LinkError(
        Cause.NO_RESPONSE,
        f"The scanner {what}.",
        Action.REPLUG,
        "Unplug the scanner, wait five seconds, plug it in again.",
    )
