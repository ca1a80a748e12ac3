"""Serial ports: found by USB identity or path, opened exclusively, read without a thread."""

import asyncio
import errno
import fcntl
import os
import stat
import termios
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import serial
from pydantic import Field, field_validator
from serial.tools import list_ports
from serial.tools.list_ports_common import ListPortInfo

from drivers.links.address import USB_ADDRESS, NodeAddress
from drivers.links.device_node import is_emulated, is_replay, remedy_text, who_has_open
from drivers.links.link import Action, Cause, LinkError, Tap
from drivers.links.settings import Settings

RATES = serial.Serial.BAUDRATES
CHUNK_BYTES = 4096
# Linux gives pty slaves the majors 136 to 143 (Documentation/admin-guide/devices.txt).
PTY_MAJORS = range(136, 144)


class SerialSettings(Settings):
    """How to find and open one serial port."""

    port: NodeAddress = Field(
        description="`usb:VID:PID`, `usb:VID:PID:SERIAL`, or a path such as /dev/serial/by-id/...",
        examples=["usb:0DB5:0137"],
    )
    baud: int = Field(9600, description="Bits per second; USB devices ignore it.", examples=[9600])
    parity: Literal["N", "E", "O"] = Field("N", description="Parity: none, even, odd.", examples=["N"])

    @field_validator("baud")
    @classmethod
    def _a_rate(cls, baud: int) -> int:
        # 256000 is not in pyserial's table, yet the EST-100PR runs at it; Linux sets any rate (BOTHER).
        if baud not in RATES and baud != 256000:
            raise ValueError(
                f"{baud} is not a rate a port can run at; choose one of {', '.join(map(str, RATES[8:]))}"
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
        """What the USB descriptors say, when the port is a USB one."""
        self.is_simulated = self.is_replayed = False

    async def __aenter__(self) -> Self:
        """Find and open the port; raises LinkError."""
        path, self.usb = find_port(self._settings.port)
        try:
            # pyserial discards the input that waits in the kernel while it opens: nobody knows how old it is.
            self._port = serial.Serial(
                path,
                self._settings.baud,
                # A pty has no parity bit, and refuses to be set to one the second time.
                parity="N" if _is_pty(path) else self._settings.parity,
                timeout=0,
                write_timeout=2,
                exclusive=True,
            )
        except (OSError, termios.error) as error:
            raise _open_error(path, error) from error
        self._fd = self._port.fileno()
        try:
            self._settle_terminal()
        except (OSError, termios.error) as error:
            self._port.close()
            raise _open_error(path, error) from error
        return self

    def _settle_terminal(self) -> None:
        """Make reads end-of-file only when the device is gone, and keep other programs out."""
        attributes = termios.tcgetattr(self._fd)
        # pyserial's timeout=0 leaves VMIN=0, with which an idle port and an unplugged one both read b"".
        attributes[6][termios.VMIN] = 1
        termios.tcsetattr(self._fd, termios.TCSANOW, attributes)
        pty = _is_pty(self._fd)
        if not pty:
            # pyserial's lock is advisory (flock); this one also stops programs that never heard of it. A port
            # forgets it at its last close, a pty not before its master's: it would refuse the next owner too.
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
        """Wait for bytes and return what is there, at least one; raises LinkError when the device is gone."""
        while True:
            try:
                chunk = os.read(self._fd, CHUNK_BYTES)
            except BlockingIOError:
                await self._ready(writing=False)
                continue
            except OSError as error:
                raise _unplugged_error(self._settings.port, error) from error
            if not chunk:
                raise _unplugged_error(self._settings.port)
            self._tap("in", chunk)
            return chunk

    async def write(self, data: bytes) -> None:
        """Send all of it; raises LinkError."""
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[os.write(self._fd, rest) :]
            except BlockingIOError:
                await self._ready(writing=True)
            except OSError as error:
                raise _unplugged_error(self._settings.port, error) from error
        self._tap("out", data)

    async def _ready(self, *, writing: bool) -> None:
        """Wait until the descriptor is ready. Not kept registered: epoll would spin on what nobody reads."""
        loop = asyncio.get_running_loop()
        ready: asyncio.Future[None] = loop.create_future()
        add, remove = (
            (loop.add_writer, loop.remove_writer) if writing else (loop.add_reader, loop.remove_reader)
        )
        add(self._fd, _wake, ready)
        try:
            await ready
        finally:
            remove(self._fd)


def _is_pty(port: str | int) -> bool:
    return os.major(os.stat(port).st_rdev) in PTY_MAJORS  # noqa: PTH116 - a path or a descriptor


def _wake(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)


def find_port(address: str) -> tuple[str, ListPortInfo | None]:
    """Turn an address into a device path and, for USB, its descriptors; raises LinkError."""
    wanted = USB_ADDRESS.fullmatch(address)
    if wanted is None:
        real = os.path.realpath(address)
        if not Path(real).exists():
            raise LinkError(
                Cause.NO_DEVICE,
                f"Nothing is plugged in at {address}.",
                Action.REPLUG,
                "Check cable and power of the reader.",
            )
        if not stat.S_ISCHR(Path(real).stat().st_mode):
            raise LinkError(
                Cause.WRONG_DEVICE, f"{address} is not a serial port.", Action.CONFIGURE, "Correct `port`."
            )
        return real, next((port for port in _usb_ports() if port.device == real), None)
    vid, pid = int(wanted["vid"], 16), int(wanted["pid"], 16)
    fitting = [
        port
        for port in _usb_ports()
        if (port.vid, port.pid) == (vid, pid) and wanted["serial"] in (None, port.serial_number)
    ]
    match fitting:
        case [port]:
            return port.device, port
        case []:
            raise LinkError(
                Cause.NO_DEVICE, f"No {address} is plugged in.", Action.REPLUG, "Check cable and power."
            )
        case _:
            serials = ", ".join(sorted(port.serial_number or "without serial number" for port in fitting))
            raise LinkError(
                Cause.ADDRESS_AMBIGUOUS,
                f"{len(fitting)} devices fit {address}: {serials}.",
                Action.CONFIGURE,
                "Add the serial number to `port`, or name the socket by its /dev/serial/by-path name.",
            )


def _usb_ports() -> list[ListPortInfo]:
    return [port for port in list_ports.comports() if port.vid is not None]


def _open_error(path: str, error: Exception) -> LinkError:
    """Say why a port that exists does not open."""
    number = getattr(error, "errno", None) or (error.args[0] if error.args else None)
    match number:
        case errno.EBUSY | errno.EAGAIN:
            who = who_has_open(path)
            return LinkError(
                Cause.PORT_HELD,
                f"{who or 'Another program'} holds {path}.",
                Action.RESTART,
                remedy_text(path, who, "port"),
            )
        case errno.EACCES | errno.EPERM:
            return LinkError(
                Cause.NO_PERMISSION,
                f"The gateway may not open {path}.",
                Action.CONFIGURE,
                "Add the gateway's user to the group that owns the port (ls -l shows it), usually dialout.",
            )
        case errno.ENOENT | errno.ENXIO | errno.ENODEV | errno.EIO:
            return LinkError(
                Cause.NO_DEVICE, f"Nothing is plugged in at {path}.", Action.REPLUG, "Check cable and power."
            )
        case _:
            why = os.strerror(number) if isinstance(number, int) else type(error).__name__
            return LinkError(
                Cause.LINK_FAILED,
                f"{path} does not open: {why}.",
                Action.REPLUG,
                "Unplug the reader, wait five seconds, plug it in again.",
            )


def _unplugged_error(address: str, error: OSError | None = None) -> LinkError:
    why = "" if error is None or error.errno is None else f" ({os.strerror(error.errno)})"
    return LinkError(
        Cause.UNPLUGGED,
        f"The device at {address} went away{why}.",
        Action.REPLUG,
        "Check the cable; if this repeats, change it.",
    )
