"""A U.are.U scanner controlled by a test: its answers, fingers and faults.

Written from the protocol sheet. It does only what a test sets; the simulators behave by themselves.
"""

from collections import deque

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from usbip import In, Interface, Setup, Stall, USBDevice

OFF, AWAIT_ON, AWAIT_OFF, CAPTURE = 0x70, 0x10, 0x12, 0x20
STATUS, KEY_REQUEST, KEY_ANSWER, MODE, INFO, RESPONSE, CHALLENGE = (
    0x07,
    0x33,
    0x34,
    0x4E,
    0xF0,
    0x2000,
    0x2010,
)
STALL = b"stall"
"""Image value: the endpoint stalls."""
SILENCE = b"silence"
"""Image value: nothing is sent."""


class Uru4000Device(Interface):
    """One scanner with the registers of the protocol sheet."""

    interrupts = In(0x81, "interrupt", 64, 8)
    image = In(0x82, "bulk", 64)

    def __init__(self) -> None:
        super().__init__()
        self.bInterfaceClass = self.bInterfaceSubClass = self.bInterfaceProtocol = 0xFF
        self.status = 0x01
        self.modes: list[int] = []
        self.keys = {0: 0x1F4C93E7}
        self.seeds: list[int] = []
        self.images: deque[bytes] = deque()
        self.finger = False
        self.wakes_after = 1
        """Number of wake-up commands that it needs."""
        self.awake_reports = 1
        """Number of wake-up interrupts that it sends."""
        self.silent_wakeups = 0
        """Number of wake-ups without an interrupt."""
        self.challenge = b""
        """Challenge sent before it wakes up; empty: none."""
        self.answered = 0
        self.wake_count = 0
        self.controls = 0
        self.unplugs_at: int | None = None
        """Number of the control transfer at which it is unplugged."""
        self.pull = lambda: None

    @property
    def mode(self) -> int | None:
        return self.modes[-1] if self.modes else None

    def on_control(self, setup: Setup, data: bytes = b"") -> bytes:
        self.controls += 1
        if self.controls == self.unplugs_at:
            self.pull()
        if setup.bRequest != 0x04:
            raise Stall
        if setup.bmRequestType == 0xC0:
            return self._read(setup.wValue)[: setup.wLength]
        self._write(setup.wValue, bytes(data))
        return b""

    def _read(self, register: int) -> bytes:
        match register:
            case 0x07:
                return bytes((self.status,))
            case 0x34:
                number, seed = self._asked
                return (self.keys[number] ^ seed).to_bytes(4, "little")
            case 0xF0:
                return bytes.fromhex("1a0a1a0a01150000002000108b211130")
            case 0x2010:
                return self.challenge
        raise Stall

    def _write(self, register: int, value: bytes) -> None:
        match register:
            case 0x07:
                self._power(value[0])
            case 0x33:
                self._asked = value[0], int.from_bytes(value[1:], "little")
                self.seeds.append(self._asked[1])
            case 0x4E:
                self.modes.append(value[0])
                self._set_mode(value[0])
            case 0x2000:
                key = bytes.fromhex("79ac91795ca1478e98e00f3c598f5f4b")
                expected = Cipher(algorithms.AES(key), modes.ECB()).encryptor().update(self.challenge)
                self.answered += value == expected
            case _:
                raise Stall

    def _power(self, value: int) -> None:
        if value & 0x80:
            self.status = value
            return
        if self.status & 0x84 == 0x84:  # stuck: it must restart first
            self.status = 0x81
            return
        self.wakes_after -= 1
        if self.wakes_after > 0 or (self.challenge and not self.answered):
            return
        self.status = value & 0x0F | 0x01
        self.wake_count += 1
        self.modes.clear()
        if self.silent_wakeups > 0:
            self.silent_wakeups -= 1
            return
        for _ in range(self.awake_reports):
            self.say(0x56AA)

    def _set_mode(self, mode: int) -> None:
        if mode == AWAIT_ON and self.finger:
            self.say(0x0101)
        elif mode == AWAIT_OFF and not self.finger:
            self.say(0x0200)
        elif mode == CAPTURE and self.images:
            image = self.images.popleft()
            if image == STALL:
                self.image.stall()
            elif image != SILENCE:
                self.image.write(image)

    def say(self, event: int) -> None:
        """Send an interrupt, followed by stale bytes as real ones do."""
        self.interrupts.write(
            (event.to_bytes(2, "big") + bytes.fromhex("0200080010002000")).ljust(64, b"\x56")
        )

    def place(self, *images: bytes) -> None:
        """Place a finger; its images, one per read."""
        self.images.extend(images)
        self.finger = True
        if self.mode == AWAIT_ON:
            self.say(0x0101)

    def lift(self) -> None:
        self.finger = False
        if self.mode in (AWAIT_OFF, CAPTURE):
            self.say(0x0200)


def uru_device(vid: int = 0x05BA, pid: int = 0x000A) -> tuple[USBDevice, Uru4000Device]:
    """Return a scanner with that identity."""
    device = USBDevice(vid, pid, product="U.are.U", manufacturer="Tests", serial="{TEST}")
    scanner = Uru4000Device()
    device.add(scanner)
    device.on_control(None, scanner.on_control)
    return device, scanner
