"""Readers in HID mode: opened through Linux hidraw, read report by report.

Source: Linux, `Documentation/hid/hidraw.rst` and `include/uapi/linux/hidraw.h`. Several programs may read one
node at once, each all reports; gateways exclude each other with flock. Taps get events of uhid (`uhid.py`).
"""

import asyncio
import contextlib
import errno
import fcntl
import os
import struct
import termios
from collections import deque
from functools import partial
from types import TracebackType
from typing import Self

from pydantic import Field

from drivers.links.address import NodeAddress
from drivers.links.device_node import (
    CHARACTER_DEVICES,
    PTY_MAJORS,
    FairReads,
    device_major,
    is_emulated,
    is_replay,
    open_error,
    unplugged_error,
    wait_ready,
)
from drivers.links.hid.descriptor import DescriptorError, ReportDescriptor, parse_descriptor
from drivers.links.hid.devices import TEXTS, HidPlace, find_hid
from drivers.links.hid.uhid import (
    LIMIT_BYTES,
    OPEN_EVENT,
    EventStream,
    HidInfo,
    create_event,
    input_event,
    output_event,
    parse_create,
    parse_input,
)
from drivers.links.link import Action, Cause, LinkError, Tap
from drivers.links.settings import LinkRights, Settings

BUS_USB = 3
UHID_PARENT = "/devices/virtual/misc/uhid/"
"""Devices that a program made. Those of Bluetooth are real ones, and say so by their bus."""
DESCRIBE_S = 5.0
"""Longest wait for the description of a simulated device, in seconds."""
HIDIOCGRDESCSIZE, HIDIOCGRDESC, HIDIOCGRAWINFO = 0x80044801, 0x90044802, 0x80084803
_NAME_BYTES, _SERIAL_BYTES = 256, 64
HIDIOCGRAWNAME = 0x80004804 | _NAME_BYTES << 16
HIDIOCGRAWUNIQ = 0x80004808 | _SERIAL_BYTES << 16


class HidSettings(Settings):
    """Address of a reader in HID mode."""

    port: NodeAddress = Field(
        description="`usb:VID:PID`, `usb:VID:PID:SERIAL`, or a link to a hidraw node that a udev rule makes",
        examples=["usb:0DB5:013E"],
    )

    def link_rights(self) -> LinkRights:
        """Return the rights to the nodes of the reader."""
        finders = (partial(_node, self.port, is_writing=False), partial(_node, self.port, is_writing=True))
        return super().link_rights() | LinkRights(node_finders=finders)


def _node(port: str, *, is_writing: bool) -> str | None:
    try:
        place = _find(port)
    except LinkError:
        return None
    if isinstance(place, str):
        return None if is_writing else place
    node = place.writes if is_writing else place.reads
    return None if node is None else node.path


def _find(port: str) -> HidPlace | str:
    """Return the nodes of a reader, or the path of a simulator's pseudo-terminal; raises LinkError."""
    if port.startswith("/"):
        try:
            if device_major(port) in PTY_MAJORS:
                return port
        except OSError as error:
            raise open_error(port, error, TEXTS) from error
    return find_hid(port)


class HidLink:
    """One open HID interface: an async context manager. One owner, one reader.

    A pty that carries events of uhid is accepted as well: a simulator.
    """

    def __init__(self, settings: HidSettings, tap: Tap) -> None:
        self._settings = settings
        self._tap = tap
        self._fd = self._write_fd = -1
        self._stream: EventStream | None = None
        """Events of a pty; None: a hidraw node, whose reads are reports."""
        self._waiting: deque[bytes] = deque()
        """Received events that are not processed yet."""
        self._read_bytes = LIMIT_BYTES
        self._fair_reads = FairReads()
        self.info: HidInfo
        self.descriptor: ReportDescriptor
        self.write_descriptor: ReportDescriptor
        """Descriptor of the interface that takes output reports, which some models have beside the first."""
        self.is_simulated = self.is_replayed = False

    async def __aenter__(self) -> Self:
        """Find and open the reader and parse its report descriptor; raises LinkError."""
        place = _find(self._settings.port)
        try:
            if isinstance(place, str):
                await self._open_pty(place)
            else:
                self._open_nodes(place)
        except OSError as error:
            self._shut()
            where = place if isinstance(place, str) else place.reads.path
            raise open_error(where, error, TEXTS) from error
        except BaseException:
            self._shut()
            raise
        return self

    def _open_nodes(self, place: HidPlace) -> None:
        """Open the nodes of a reader."""
        self._fd = self._write_fd = _open_locked(place.reads.path)
        self.info = _info(self._fd)
        self._tap("out", OPEN_EVENT)
        self._tap("in", create_event(self.info))  # also of a reader that is refused: support needs it
        self.descriptor = self.write_descriptor = self._parse(self.info.descriptor)
        self._read_bytes = max(1, self.descriptor.longest_input_bytes)
        if place.writes is not None and place.writes.path != place.reads.path:
            self._write_fd = _open_locked(place.writes.path)
            self.write_descriptor = self._parse(_info(self._write_fd).descriptor)
        node = os.fstat(self._fd).st_rdev
        where = os.path.realpath(CHARACTER_DEVICES / f"{os.major(node)}:{os.minor(node)}")
        self.is_simulated = (
            os.major(node) in PTY_MAJORS  # umockdev
            or is_emulated(node)
            or (UHID_PARENT in where and self.info.bus == BUS_USB)
        )

    async def _open_pty(self, path: str) -> None:
        """Open a simulator's line, and request the description of its device."""
        self._fd = self._write_fd = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self.is_simulated, self.is_replayed = True, is_replay(self._fd)
        termios.tcflush(self._fd, termios.TCIFLUSH)  # the age of this input is unknown
        self._stream = EventStream()
        os.write(self._fd, OPEN_EVENT)
        self._tap("out", OPEN_EVENT)
        info = None
        try:
            async with asyncio.timeout(DESCRIBE_S):
                while info is None:
                    info = parse_create(await self._next_event())
        except TimeoutError:
            raise LinkError(
                Cause.NO_RESPONSE,
                f"The simulated reader at {path} does not describe itself.",
                Action.RESTART,
                "Start it again.",
            ) from None
        self.info = info
        self.descriptor = self.write_descriptor = self._parse(info.descriptor)

    def _parse(self, raw: bytes) -> ReportDescriptor:
        try:
            return parse_descriptor(raw)
        except DescriptorError as error:
            raise LinkError(
                Cause.WRONG_DEVICE,
                f"The reader at {self._settings.port} cannot be read: its report descriptor {error}.",
                Action.CALL_SUPPORT,
                "Set it to serial or keyboard mode, by its manual, and send a recording to support: "
                "borderpost record.",
            ) from error

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the reader."""
        self._shut()

    def _shut(self) -> None:
        read, write, self._fd, self._write_fd = self._fd, self._write_fd, -1, -1
        for descriptor in {read, write} - {-1}:
            loop = asyncio.get_running_loop()
            loop.remove_reader(descriptor)
            loop.remove_writer(descriptor)
            os.close(descriptor)

    async def read(self) -> bytes:
        """Wait for a report and return it, with its id where reports have ids; raises LinkError."""
        while (report := parse_input(await self._next_event())) is None:
            pass
        return report

    async def write(self, report: bytes) -> None:
        """Send an output report; its first byte is its id, 0 where reports have none. Raises LinkError."""
        event = output_event(report)
        try:
            if self._stream is None:
                # The kernel waits for the device, for five seconds at most, whatever the file's flags.
                await asyncio.to_thread(os.write, self._write_fd, report)
            else:
                rest = memoryview(event)
                while rest:
                    try:
                        rest = rest[os.write(self._fd, rest) :]
                    except BlockingIOError:
                        await wait_ready(self._fd, writing=True)
        except OSError as error:
            raise self._write_error(error) from error
        self._tap("out", event)

    def _write_error(self, error: OSError) -> LinkError:
        match error.errno:
            case errno.ETIMEDOUT | errno.EPIPE | errno.EINVAL | errno.ENOSYS:
                why = "does not accept" if error.errno == errno.ETIMEDOUT else "refuses"
                return LinkError(
                    Cause.NO_RESPONSE,
                    f"The reader at {self._settings.port} {why} a report of the gateway.",
                    Action.REPLUG,
                    "Unplug the reader, wait five seconds, plug it in again.",
                )
            case _:
                return unplugged_error(self._settings.port, error, "reader")

    async def _next_event(self) -> bytes:
        """Return the next event of the device; raises LinkError when it is disconnected."""
        while True:
            await self._fair_reads.let_others_run()
            if self._waiting:
                event = self._waiting.popleft()
                self._tap("in", event)
                return event
            try:
                chunk = os.read(self._fd, self._read_bytes)
            except BlockingIOError:
                await self._fair_reads.wait_readable(self._fd)
                continue
            except OSError as error:
                raise unplugged_error(self._settings.port, error, "reader") from error
            if not chunk:
                raise unplugged_error(self._settings.port, noun="reader")
            if self._stream is None:
                self._waiting.append(input_event(chunk))
                continue
            self._waiting.extend(self._stream.feed(chunk))
            if self._stream.is_lost and not self._waiting:
                raise LinkError(
                    Cause.LINK_FAILED,
                    f"The simulated reader at {self._settings.port} sends bytes that are no events of uhid.",
                    Action.RESTART,
                    "Start it again.",
                )


def _open_locked(path: str) -> int:
    """Open a node for this process, and exclude other gateways; raises OSError."""
    descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _info(descriptor: int) -> HidInfo:
    """Return identity and report descriptor of an open node; raises OSError."""
    size = bytearray(4)
    fcntl.ioctl(descriptor, HIDIOCGRDESCSIZE, size)
    report = bytearray(4 + LIMIT_BYTES)
    report[:4] = size
    fcntl.ioctl(descriptor, HIDIOCGRDESC, report)
    ids = bytearray(8)
    fcntl.ioctl(descriptor, HIDIOCGRAWINFO, ids)
    bus, vendor, product = struct.unpack("=IHH", ids)
    (length,) = struct.unpack("=I", size)
    return HidInfo(
        vendor,
        product,
        _string(descriptor, HIDIOCGRAWNAME, _NAME_BYTES),
        _string(descriptor, HIDIOCGRAWUNIQ, _SERIAL_BYTES),
        bytes(report[4 : 4 + length]),
        bus,
    )


def _string(descriptor: int, request: int, size: int) -> str:
    """Return a string of the device; empty where it, or the kernel, has none."""
    buffer = bytearray(size)
    with contextlib.suppress(OSError):
        fcntl.ioctl(descriptor, request, buffer)
    return bytes(buffer).partition(b"\0")[0].decode("utf-8", "replace")
