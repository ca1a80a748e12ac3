"""Readers that are keyboards for the kernel: found by USB id or path, grabbed, read as event bytes.

Source: Linux, `Documentation/input/input.rst`, and `EVIOCGRAB` in `drivers/input/evdev.c`. Needs the extra
`wedge` (python-evdev), imported when a real device is opened. The keyboard's lights are never written.
"""

import asyncio
import contextlib
import fcntl
import os
import struct
import termios
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from pydantic import Field

from drivers.links.address import USB_ADDRESS, NodeAddress, describe_serial, found_node, one_of
from drivers.links.device_node import (
    PTY_MAJORS,
    FairReads,
    NodeTexts,
    device_major,
    is_emulated,
    is_replay,
    open_error,
    unplugged_error,
)
from drivers.links.link import Action, Cause, LinkError, NotInstalledError, Tap
from drivers.links.settings import LinkRights, Settings

if TYPE_CHECKING:
    from evdev import InputDevice

EVENT_BYTES = 24
CHUNK_BYTES = 256 * EVENT_BYTES
"""The kernel returns whole events only, and none for a read shorter than one event."""
INPUT_MAJOR = 13
"""Major number of input devices (Linux, `Documentation/admin-guide/devices.txt`)."""
EV_KEY = 1
TYPING_KEYS = frozenset({2, 28, 30})  # KEY_1, KEY_ENTER, KEY_A
"""Keys of a node that types; other nodes of a reader have volume keys and the like."""
EVIOCSCLOCKID = 0x400445A0  # _IOW('E', 0xa0, int)
CLOCK_MONOTONIC = 1
SYSFS = Path("/sys/class/input")
TEXTS = NodeTexts(
    noun="keyboard",
    held=lambda path, who: f"Another program has grabbed {path}" + (f"; open in {who}." if who else "."),
    permission_how=(
        "Add a udev rule that gives this device to the gateway's group; group `input` opens all keyboards."
    ),
    missing_how="Check the cable, and that the reader is set to keyboard mode.",
)


class KeyboardSettings(Settings):
    """Address of a reader that is a keyboard."""

    port: NodeAddress = Field(
        description="`usb:VID:PID`, `usb:VID:PID:SERIAL`, or a path such as /dev/input/by-id/...-event-kbd",
        examples=["usb:0DB5:0137"],
    )

    def link_rights(self) -> LinkRights:
        """Return the rights to the input device."""
        finder = partial(found_node, partial(find_keyboard, self.port))
        return super().link_rights() | LinkRights(node_finders=(finder,))


class KeyboardLink:
    """One grabbed keyboard: an async context manager. One owner, one reader.

    A pty that carries event bytes is accepted as well: a simulator, without a grab.
    """

    def __init__(self, settings: KeyboardSettings, tap: Tap) -> None:
        self._settings = settings
        self._tap = tap
        self._fd = -1
        self._fair_reads = FairReads()
        self._close: Callable[[], None] | None = None
        self.name: str | None = None
        """Name of the device, if it states one."""
        self.serial_number: str | None = None
        self.is_simulated = self.is_replayed = False

    async def __aenter__(self) -> Self:
        """Find, open and grab the device; raises LinkError."""
        path = find_keyboard(self._settings.port)
        try:
            if device_major(path) in PTY_MAJORS:
                self._open_pty(path)
            else:
                self._open_device(path)
            node = os.fstat(self._fd).st_rdev
            self.is_simulated = os.major(node) in PTY_MAJORS or is_emulated(node)
        except OSError as error:
            self._shut()
            raise open_error(path, error, TEXTS) from error
        except LinkError:
            self._shut()
            raise
        return self

    def _open_pty(self, path: str) -> None:
        """Open a simulator's line; one owner, as with a real device."""
        self._fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
        self._close = lambda: os.close(self._fd)
        fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self.is_replayed = is_replay(self._fd)
        termios.tcflush(self._fd, termios.TCIFLUSH)  # the age of this input is unknown

    def _open_device(self, path: str) -> None:
        """Open an input device and grab it."""
        device = _input_device(path)
        self._fd, self._close = device.fd, device.close
        if not TYPING_KEYS.issubset(device.capabilities().get(EV_KEY, [])):
            raise LinkError(
                Cause.WRONG_DEVICE,
                f"{path} is not a keyboard.",
                Action.CONFIGURE,
                "Correct `port`: this device has no keys for typing.",
            )
        device.grab()
        # Pauses are measured by the time of the events: a step of the wall clock must not create or hide one.
        with contextlib.suppress(OSError):  # kernels before 3.4
            fcntl.ioctl(self._fd, EVIOCSCLOCKID, struct.pack("=i", CLOCK_MONOTONIC))
        self.name = device.name or None
        self.serial_number = device.uniq or None

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the device, which also releases the grab."""
        self._shut()

    def _shut(self) -> None:
        if self._close is not None:
            asyncio.get_running_loop().remove_reader(self._fd)
            close, self._close = self._close, None
            close()

    async def read(self) -> bytes:
        """Wait for events and return those available, at least one byte; raises LinkError."""
        await self._fair_reads.let_others_run()
        while not (chunk := self.read_pending()):
            await self._fair_reads.wait_readable(self._fd)
        return chunk

    def read_pending(self) -> bytes:
        """Return the events available now, maybe none; raises LinkError when disconnected."""
        try:
            chunk = os.read(self._fd, CHUNK_BYTES)
        except BlockingIOError:
            return b""
        except OSError as error:
            raise unplugged_error(self._settings.port, error, "reader") from error
        if not chunk:
            raise unplugged_error(self._settings.port, noun="reader")
        self._tap("in", chunk)
        return chunk


@dataclass(frozen=True, slots=True)
class _Node:
    """One input device that types, as sysfs describes it."""

    path: str
    serial_number: str


def find_keyboard(address: str, sysfs: Path = SYSFS) -> str:
    """Resolve an address to the path of an input device; raises LinkError."""
    usb_ids = USB_ADDRESS.fullmatch(address)
    if usb_ids is None:
        return _validated_path(address)
    fitting = [
        node
        for node in _typing_nodes(sysfs, usb_ids["vid"].lower(), usb_ids["pid"].lower())
        if usb_ids["serial"] in (None, node.serial_number)
    ]
    one = one_of(
        address,
        sorted(fitting, key=lambda node: describe_serial(node.serial_number)),
        describe=lambda node: describe_serial(node.serial_number),
        missing=LinkError(
            Cause.NO_DEVICE, f"No keyboard {address} is plugged in.", Action.REPLUG, TEXTS.missing_how
        ),
        noun="keyboards",
        how="Add the serial number to `port`, or name the socket by its /dev/input/by-path name.",
    )
    return one.path


def _validated_path(path: str) -> str:
    try:
        major = device_major(path)
    except OSError as error:
        raise open_error(path, error, TEXTS) from error
    if major in (INPUT_MAJOR, *PTY_MAJORS):
        return path
    raise LinkError(
        Cause.WRONG_DEVICE,
        f"{path} is not an input device.",
        Action.CONFIGURE,
        "Correct `port`: the names under /dev/input/by-id that end in -event-kbd are keyboards.",
    )


def _typing_nodes(sysfs: Path, vid: str, pid: str) -> list[_Node]:
    """Return the keyboards of one USB model."""
    found = []
    for event in sorted(sysfs.glob("event*")):
        device = event / "device"
        try:
            if (_word(device / "id/vendor"), _word(device / "id/product")) != (vid, pid):
                continue
            if types_text(device):
                found.append(_Node(f"/dev/input/{event.name}", _word(device / "uniq")))
        except OSError:
            continue  # it was unplugged meanwhile
    return found


def types_text(device: Path) -> bool:
    """Return True if an input device, by its folder in sysfs, has the keys of a keyboard; raises OSError."""
    return TYPING_KEYS.issubset(_bits(_word(device / "capabilities/key")))


def _word(attribute: Path) -> str:
    return attribute.read_text(errors="replace").strip()


def _bits(words: str) -> set[int]:
    """Return the bits set in a sysfs bitmap: hexadecimal words of 64 bits, the highest first."""
    number = 0
    for word in words.split():
        number = number << 64 | int(word, 16)
    return {bit for bit in range(number.bit_length()) if number >> bit & 1}


def _input_device(path: str) -> "InputDevice[str]":
    try:
        from evdev import InputDevice
    except ImportError as error:
        raise NotInstalledError("The library for keyboards is not installed.", "wedge") from error
    # When opened for writing, some keyboards reset their lights.
    return InputDevice(path, readonly=True)
