"""DigitalPersona U.are.U 4000, 4000B and 4500 and the Microsoft Fingerprint Reader, as USB devices.

Vendor requests read and write registers; events come as interrupts, images as one bulk transfer each. Source:
protocol sheet, section 2; times and default values as in the recordings of a 4500 and a Microsoft reader.
"""

import asyncio
from dataclasses import dataclass
from enum import IntEnum
from random import Random

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from simulators.faults import Fault
from simulators.fingerprint.faults import BadHeader, ConfusedPower, NoScanPower, Trouble, ZeroImage
from simulators.fingerprint.fingers import Sensor
from simulators.fingerprint.uru4000_image import (
    AS_RECORDED,
    HEIGHT,
    UNENCRYPTED,
    WIDTH,
    Block,
    Raw,
    raw,
)
from simulators.fingerprint.usb_scanner import UsbScanner
from simulators.usb.device import EndpointDescription, Setup, Stall, UsbDeviceDescription

INTERRUPT_IN, BULK_IN = 0x81, 0x82
INTERRUPT_BYTES = 64
REGISTER_REQUEST = 0x04
SENSOR = Sensor(WIDTH, HEIGHT, 500)

EXPOSURE_S = 0.13
DEBOUNCE_S = 0.01
SCAN_POWER_AFTER_S = (0.0003, 0.008, 0.016)
"""Times of the interrupt, which comes three times."""
REBOOT_S = 0.03

CHALLENGE_KEY = bytes.fromhex("79ac91795ca1478e98e00f3c598f5f4b")


class Access(IntEnum):
    """Type of the request: to the device, from it."""

    WRITE = 0x40
    READ = 0xC0


class Register(IntEnum):
    """The registers that readers use; the others read as zeros."""

    HARDWARE_STATUS = 0x07
    SCRAMBLE_INDEX = 0x33
    SCRAMBLE_KEY = 0x34
    MODE = 0x4E
    DEVICE_INFO = 0xF0
    RESPONSE = 0x2000
    CHALLENGE = 0x2010


LOW_POWER, FAULT, READY = 0x80, 0x04, 0x01


class Mode(IntEnum):
    """Mode of the scanner."""

    INIT = 0x00
    AWAIT_FINGER_ON = 0x10
    AWAIT_FINGER_OFF = 0x12
    CAPTURE = 0x20
    CAPTURE_AUX = 0x30
    OFF = 0x70
    READY = 0x80


class Event(IntEnum):
    """First two bytes of an interrupt, big-endian."""

    SCAN_POWER_ON = 0x56AA
    FINGER_ON = 0x0101
    FINGER_OFF = 0x0200
    TROUBLE = 0x0800


_EVENTS_IN_MEMORY = bytes.fromhex("010102000800100020008000") + b"\x56\xaa"
"""The scanner's memory from the first event on, in order; an interrupt shows it from its event on."""


@dataclass(frozen=True, slots=True)
class Model:
    """One of the family."""

    vendor_id: int
    product_id: int
    release: int
    manufacturer: str
    product: str
    information: bytes
    """Register F0: versions are its bytes 10 and 11, and 4 and 5."""
    status: int
    """Status of the hardware after it was plugged in."""
    is_rotated: bool = False
    """True if the sensor is built in upside down."""
    needs_challenge: bool = False
    """True if it requires proof of Microsoft's driver before it wakes."""
    power_ma: int = 200


MODELS = {
    "4500": Model(
        0x05BA,
        0x000A,
        0x0103,
        "DigitalPersona, Inc.",
        "U.are.U® 4500 Fingerprint Reader",
        bytes.fromhex("1a0a1a0a01150000002000108b211130"),
        0x01,
        is_rotated=True,
    ),
    "4000": Model(
        0x05BA,
        0x0007,
        0x0100,
        "Digital Persona",
        "U.are.U® Fingerprint Reader",
        bytes.fromhex("1a0a1a0a00140000000000098b211130"),
        0x01,
    ),
    "microsoft-v2": Model(
        0x045E,
        0x00CA,
        0x0100,
        "Microsoft",
        "Microsoft® Fingerprint Reader",
        bytes.fromhex("50255025003400000013005967191800"),
        0x03,
        needs_challenge=True,
        power_ma=260,
    ),
}
"""The models. The data of the 4000 are invented, as there is no recording; the others are as recorded."""


class Uru4000(UsbScanner):
    """One scanner.

    `encrypted` False: without the cipher. `exposure_s`: time for an image, in seconds.
    """

    def __init__(
        self,
        model: str = "4500",
        *,
        serial_number: str = "SIM0001",
        seed: int = 0,
        encrypted: bool = True,
        exposure_s: float = EXPOSURE_S,
    ) -> None:
        self.model = MODELS[model]
        super().__init__(
            UsbDeviceDescription(
                self.model.vendor_id,
                self.model.product_id,
                self.model.release,
                self.model.manufacturer,
                self.model.product,
                serial_number,
                (0xFF, 0xFF, 0xFF),
                (
                    EndpointDescription(INTERRUPT_IN, "interrupt", INTERRUPT_BYTES, interval=8),
                    EndpointDescription(BULK_IN, "bulk", 64),
                ),
                self.model.power_ma,
            ),
            SENSOR,
        )
        self.blocks: tuple[Block, ...] = AS_RECORDED if encrypted else UNENCRYPTED
        self.exposure_s = exposure_s
        self._chance = Random(f"{seed}/{serial_number}")
        self._memory = _EVENTS_IN_MEMORY + self._chance.randbytes(INTERRUPT_BYTES)
        self._no_scan_power = 0
        self._empty_images = 0
        self._bad_headers = 0
        self.on_power()

    def on_power(self) -> None:
        """Reset as after power-up."""
        self.status = self.model.status
        self.mode = Mode.INIT
        self._authentic = self._is_reported = False
        self._challenge = bytes(16)
        self._exposing: asyncio.TimerHandle | None = None
        self._feeling: asyncio.TimerHandle | None = None
        self._keys = Raw(b"", 0, ())
        self._scrambled = bytes(4)

    def inject_scanner_fault(self, fault: Fault) -> None:
        """See `UsbScanner.inject_scanner_fault`."""
        match fault:
            case ZeroImage(images=images):
                self._empty_images += images
            case BadHeader(images=images):
                self._bad_headers += images
            case Trouble(images=images):
                self._empty_images += images
                self._interrupt(Event.TROUBLE)
            case NoScanPower(times=times):
                self._no_scan_power += times
            case ConfusedPower():
                self.status = LOW_POWER | FAULT
            case _:
                super().inject_scanner_fault(fault)

    def clear_faults(self) -> None:
        """See `UsbScanner.clear_faults`; a status that requires a power cycle ends with one."""
        self._empty_images = self._bad_headers = self._no_scan_power = 0
        if self.status & FAULT:
            self.unplug()
        super().clear_faults()

    # Registers.

    def control(self, setup: Setup, data: bytes = b"") -> bytes:
        """Read or write registers; Stall for anything else."""
        if setup.bRequest != REGISTER_REQUEST or setup.wIndex:
            raise Stall
        match setup.bmRequestType:
            case Access.READ:
                return self._read(setup.wValue)[: setup.wLength].ljust(setup.wLength, b"\0")
            case Access.WRITE if data:
                self._write(setup.wValue, data)
                return b""
        raise Stall

    def _read(self, register: int) -> bytes:
        match register:
            case Register.HARDWARE_STATUS:
                return bytes([self.status])
            case Register.MODE:
                return bytes([self.mode])
            case Register.DEVICE_INFO:
                return self.model.information
            case Register.SCRAMBLE_KEY:
                return self._scrambled
            case Register.CHALLENGE if self.model.needs_challenge:
                self._challenge = self._chance.randbytes(16)
                return self._challenge
        return b""

    def _write(self, register: int, data: bytes) -> None:
        match register:
            case Register.HARDWARE_STATUS:
                self._power(data[0])
            case Register.MODE:
                self._enter(data[0])
            case Register.SCRAMBLE_INDEX if len(data) == 5:
                self._exchange(data[0], int.from_bytes(data[1:], "little"))
            case Register.RESPONSE if self.model.needs_challenge:
                self._authentic = data == _answer_to(self._challenge)

    def _power(self, status: int) -> None:
        asleep = bool(self.status & LOW_POWER)
        if status & LOW_POWER:
            self.status = status
            self._authentic = False
            self.discard_in(INTERRUPT_IN)
        elif self.status & FAULT and asleep:
            self.status = 0
            self.call_later(REBOOT_S, self._rebooted)
        elif self.model.needs_challenge and asleep and not self._authentic:
            pass  # it does not wake
        else:
            self.status = status
            if asleep:
                self._wake()

    def _rebooted(self) -> None:
        self.status = LOW_POWER | READY

    def _wake(self) -> None:
        if self._no_scan_power:
            self._no_scan_power -= 1
            return
        for delay_s in SCAN_POWER_AFTER_S:
            self.call_later(delay_s, lambda: self._interrupt(Event.SCAN_POWER_ON))

    def _exchange(self, number: int, seed: int) -> None:
        at = number - self._keys.first_key
        known = 0 <= at < len(self._keys.keys)
        key = self._keys.keys[at] if known else self._chance.getrandbits(32)
        self._scrambled = (key ^ seed).to_bytes(4, "little")

    # Modes.

    def _enter(self, mode: int) -> None:
        for timer in (self._exposing, self._feeling):
            if timer is not None:
                timer.cancel()
        self._exposing = self._feeling = None
        self._is_reported = False
        self.discard_in(BULK_IN)
        self.mode = Mode(mode) if mode in set(Mode) else Mode.INIT
        match self.mode:
            case Mode.AWAIT_FINGER_ON | Mode.AWAIT_FINGER_OFF:
                self.on_finger_changed()
            case Mode.CAPTURE | Mode.CAPTURE_AUX:
                self._exposing = self.call_later(self.exposure_s, self._exposed)
            case Mode.OFF:
                self.discard_in(INTERRUPT_IN)

    def on_finger_changed(self) -> None:
        """Detect the state that the host waits for, if it persists a moment later."""
        if self._feeling is None and self._awaited() is not None:
            self._feeling = self.call_later(DEBOUNCE_S, self._felt)

    def _awaited(self) -> Event | None:
        if self._is_reported or self.status & LOW_POWER:
            return None
        if self.mode is Mode.AWAIT_FINGER_ON and self.platen.is_touched:
            return Event.FINGER_ON
        if self.mode is Mode.AWAIT_FINGER_OFF and not self.platen.is_touched:
            return Event.FINGER_OFF
        return None

    def _felt(self) -> None:
        self._feeling = None
        if (event := self._awaited()) is not None:
            self._is_reported = True
            self._interrupt(event)

    def _interrupt(self, event: Event) -> None:
        at = self._memory.index(event.to_bytes(2, "big"))
        self.queue_in(INTERRUPT_IN, self._memory[at : at + INTERRUPT_BYTES])

    # Images: one after the other, as long as the host requests them.

    def on_in(self, endpoint: int) -> None:
        """Send an image that is ready."""
        if endpoint == BULK_IN:
            self._offer()

    def _exposed(self) -> None:
        self._exposing = None
        self._offer()

    def _offer(self) -> None:
        capturing = self.mode in (Mode.CAPTURE, Mode.CAPTURE_AUX)
        if not capturing or self._exposing is not None or not self.is_in_requested(BULK_IN):
            return
        self._exposing = self.call_later(self.exposure_s, self._exposed)
        self.images += 1
        if self._empty_images:
            self._empty_images -= 1
            self.queue_in(BULK_IN, b"")
            return
        self._keys = raw(self.platen.sense(), self.blocks, self._chance, turned=self.model.is_rotated)
        data = self._keys.data
        if self._bad_headers:
            self._bad_headers -= 1
            data = data[:4] + (HEIGHT + 1).to_bytes(2, "little") + data[6:]
        self.queue_in(BULK_IN, data)


def _answer_to(challenge: bytes) -> bytes:
    cipher = Cipher(algorithms.AES(CHALLENGE_KEY), modes.ECB()).encryptor()  # noqa: S305 - it is what they do
    return cipher.update(challenge) + cipher.finalize()
