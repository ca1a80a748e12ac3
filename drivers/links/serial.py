"""Serial ports: found by USB identity or path, opened exclusively, read without a thread."""

import asyncio
import errno
import fcntl
import os
import stat
import struct
import termios
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import serial
from pydantic import Field, field_validator
from serial.tools import list_ports
from serial.tools.list_ports_common import ListPortInfo

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
    wait_ready,
)
from drivers.links.link import Action, Cause, LinkError, Tap
from drivers.links.settings import LinkRights, Settings

RATES = serial.Serial.BAUDRATES
CHUNK_BYTES = 4096
DRAIN_POLL_S = 0.002
TEXTS = NodeTexts(
    noun="port",
    held=lambda path, who: f"{who or 'Another program'} holds {path}.",
    permission_how=(
        "Add the gateway's user to the group that owns the port (ls -l shows it), usually dialout."
    ),
    missing_how="Check cable and power.",
)


DTR_HINT = "If it restarts whenever its port is opened, write dtr = false."
"""End of the remedy for a silent device: opening a port resets some (MCU-Flash-Tools, issue 2)."""


class SerialSettings(Settings):
    """Address and line parameters of a serial port."""

    port: NodeAddress = Field(
        description="`usb:VID:PID`, `usb:VID:PID:SERIAL`, or a path such as /dev/serial/by-id/...",
        examples=["usb:0DB5:0137"],
    )
    baud: int = Field(default=9600, description="Bits per second; USB devices ignore it.", examples=[9600])
    parity: Literal["N", "E", "O"] = Field(
        default="N", description="Parity: none, even, odd.", examples=["N"]
    )

    dtr: bool = Field(
        default=True,
        description="Level of the line DTR while the port is open. Boards that it resets, and readers that "
        "it switches off, need false.",
        examples=[True],
    )
    rts: bool = Field(
        default=True, description="Level of the line RTS while the port is open.", examples=[True]
    )

    def link_rights(self) -> LinkRights:
        """Return the rights to the port."""
        finder = partial(found_node, lambda: find_port(self.port)[0])
        return super().link_rights() | LinkRights(node_finders=(finder,))

    @field_validator("baud")
    @classmethod
    def _check_rate(cls, baud: int) -> int:
        # 256000 is not in pyserial's table, yet the EST-100PR runs at it; Linux sets any rate (BOTHER).
        if baud not in RATES and baud != 256000:
            raise ValueError(
                f"{baud} is not a supported rate; choose one of {', '.join(map(str, RATES[8:]))}"
            )
        return baud


class SerialLink:
    """One open serial port: an async context manager. One owner, one reader."""

    def __init__(self, settings: SerialSettings, tap: Tap) -> None:
        self._settings = settings
        self._tap = tap
        self._port: serial.Serial | None = None
        self._fd = -1
        self.usb: ListPortInfo | None = None
        """USB descriptors, for a port on USB."""
        self.is_simulated = self.is_replayed = False
        self._fair_reads = FairReads()

    async def __aenter__(self) -> Self:
        """Find and open the port; raises LinkError."""
        path, self.usb = find_port(self._settings.port)
        try:
            port = serial.Serial(
                None,
                self._settings.baud,
                # A pty has no parity bit, and refuses a second attempt to set one.
                parity="N" if device_major(path) in PTY_MAJORS else self._settings.parity,
                timeout=0,
                write_timeout=2,
                exclusive=True,
            )
            # Linux raises both lines when a port is opened; pyserial sets the levels that are known before.
            port.dtr, port.rts = self._settings.dtr, self._settings.rts
            port.port = path
            # pyserial discards the input that waits in the kernel while it opens: its age is unknown.
            port.open()
            self._port = port
        except (OSError, termios.error) as error:
            # pyserial wraps the kernel's answer to a node of another kind, such as hidraw or input.
            reason = error.__context__
            if isinstance(reason, termios.error) and reason.args[:1] == (errno.ENOTTY,):
                raise not_serial_error(self._settings.port) from error
            raise open_error(path, error, TEXTS) from error
        self._fd = self._port.fileno()
        try:
            self._settle_terminal()
        except (OSError, termios.error) as error:
            self._port.close()
            raise open_error(path, error, TEXTS) from error
        return self

    def _settle_terminal(self) -> None:
        """Make reads return end-of-file only when the device is gone, and exclude other programs."""
        attributes = termios.tcgetattr(self._fd)
        # pyserial's timeout=0 leaves VMIN=0, with which an idle port and an unplugged one both read b"".
        attributes[6][termios.VMIN] = 1
        if not self._settings.dtr:
            attributes[2] &= ~termios.HUPCL  # else closing the port would change the lines once more
        termios.tcsetattr(self._fd, termios.TCSANOW, attributes)
        pty = device_major(self._fd) in PTY_MAJORS
        if not pty:
            # pyserial's lock is advisory (flock); this one also excludes programs that do not use flock. A
            # port loses it at its last close, a pty only at its master's: it would refuse the next owner too.
            fcntl.ioctl(self._fd, termios.TIOCEXCL)
        self.is_simulated = pty or is_emulated(os.fstat(self._fd).st_rdev)
        self.is_replayed = pty and is_replay(self._fd)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the port."""
        if self._port is not None:
            loop = asyncio.get_running_loop()
            loop.remove_reader(self._fd)
            loop.remove_writer(self._fd)
            self._port.close()
            self._port = None

    async def read(self) -> bytes:
        """Wait for bytes and return those available, at least one; raises LinkError when disconnected."""
        while True:
            await self._fair_reads.let_others_run()
            try:
                chunk = os.read(self._fd, CHUNK_BYTES)
            except BlockingIOError:
                await self._fair_reads.wait_readable(self._fd)
                continue
            except OSError as error:
                raise unplugged_error(self._settings.port, error) from error
            if not chunk:
                raise unplugged_error(self._settings.port)
            self._tap("in", chunk)
            return chunk

    async def write(self, data: bytes) -> None:
        """Send all of it; raises LinkError."""
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[os.write(self._fd, rest) :]
            except BlockingIOError:
                await wait_ready(self._fd, writing=True)
            except OSError as error:
                raise unplugged_error(self._settings.port, error) from error
        self._tap("out", data)

    @property
    def unsent_bytes(self) -> int:
        """Number of written bytes that wait in the kernel; raises LinkError.

        A pty always returns 0, and no driver counts the bytes inside an adapter.
        """
        try:
            (count,) = struct.unpack("i", fcntl.ioctl(self._fd, termios.TIOCOUTQ, bytes(4)))
        except OSError as error:
            raise unplugged_error(self._settings.port, error) from error
        return int(count)

    def discard_output(self) -> None:
        """Discard written bytes that wait in the kernel.

        Drivers of many USB adapters (Linux, usb-serial) ignore this; see `unsent_bytes`.
        """
        with suppress(OSError, termios.error):  # unplugged: nothing is sent any more
            termios.tcflush(self._fd, termios.TCOFLUSH)

    async def drain(self) -> None:
        """Wait until the kernel has sent all written bytes; raises LinkError."""
        while self.unsent_bytes:  # noqa: ASYNC110 - the kernel reports no event
            await asyncio.sleep(DRAIN_POLL_S)


def not_serial_error(address: str) -> LinkError:
    """Return the link error for a path that is no serial port."""
    return LinkError(
        Cause.WRONG_DEVICE,
        f"{address} is not a serial port.",
        Action.CONFIGURE,
        "Correct `port`; borderpost discover lists the ports, and the driver for each device.",
    )


def find_port(address: str) -> tuple[str, ListPortInfo | None]:
    """Resolve an address to a device path and, for USB, its descriptors; raises LinkError."""
    usb_ids = USB_ADDRESS.fullmatch(address)
    if usb_ids is None:
        real = os.path.realpath(address)
        if not Path(real).exists():
            raise LinkError(
                Cause.NO_DEVICE,
                f"Nothing is plugged in at {address}.",
                Action.REPLUG,
                "Check cable and power of the reader.",
            )
        if not stat.S_ISCHR(Path(real).stat().st_mode):
            raise not_serial_error(address)
        return real, next((port for port in _usb_ports() if port.device == real), None)
    vid, pid = int(usb_ids["vid"], 16), int(usb_ids["pid"], 16)
    fitting = [
        port
        for port in _usb_ports()
        if (port.vid, port.pid) == (vid, pid) and usb_ids["serial"] in (None, port.serial_number)
    ]
    one = one_of(
        address,
        sorted(fitting, key=lambda port: describe_serial(port.serial_number)),
        describe=lambda port: describe_serial(port.serial_number),
        missing=LinkError(Cause.NO_DEVICE, f"No {address} is plugged in.", Action.REPLUG, TEXTS.missing_how),
        how="Add the serial number to `port`, or name the socket by its /dev/serial/by-path name.",
    )
    return one.device, one


def _usb_ports() -> list[ListPortInfo]:
    return [port for port in list_ports.comports() if port.vid is not None]
