"""USB devices on a TCP port of this machine, by the kernel's USB/IP protocol, version 1.1.1.

Source: Linux, Documentation/usb/usbip_protocol.rst. `usbip attach` and any other client of the protocol can
attach a device; each is attached by one client at a time, as in the kernel's own stub. PyPI's `usbip` has a
server too, but its threads and connections outlive an unplugged device.
"""

import asyncio
import errno
import functools
import struct
from collections.abc import Callable

from simulators.links.tcp_listener import HOST
from simulators.links.tcp_service import TcpService
from simulators.usb.device import DIRECTION_IN, Transfer, UsbDevice

VERSION = 0x0111
REQ_DEVLIST, REP_DEVLIST, REQ_IMPORT, REP_IMPORT = 0x8005, 0x0005, 0x8003, 0x0003
CMD_SUBMIT, CMD_UNLINK, RET_SUBMIT, RET_UNLINK = 1, 2, 3, 4
ST_OK, ST_DEV_BUSY, ST_NODEV = 0, 2, 4
_OPERATION = struct.Struct(">HHI")
_HEADER = struct.Struct(">IIIII")
_SUBMIT = struct.Struct(">Iiiii8s")
_RETURN = struct.Struct(">iiiii8x")
RECORD = 312
"""Bytes of `struct usbip_usb_device`; those of its interfaces follow only in a list."""
NOT_ISOCHRONOUS = (0, -1)
LARGEST = 1 << 20
"""Maximum number of bytes of a transfer."""


class UsbIpBus(TcpService):
    """The port, and the devices behind it."""

    def __init__(self, port: int = 0) -> None:
        super().__init__(port)
        self.on_client: Callable[[str, bool], None] = lambda _busid, _there: None
        """Called when a client has attached a device, or has disconnected."""
        self._devices: dict[str, UsbDevice] = {}
        self._taken: dict[str, asyncio.Task[None]] = {}

    def connect(self, busid: str, device: UsbDevice) -> None:
        """Plug a device into the port of that name, `1-1` and so on."""
        self._devices[busid] = device
        device.on_cable.append(functools.partial(self._cable, busid))

    def url(self, busid: str) -> str:
        """Return the address of a device."""
        return f"usbip://{HOST}:{self.port}/{busid}"

    def taken(self, busid: str) -> bool:
        """Return whether a client has attached the device."""
        return busid in self._taken

    def _cable(self, busid: str, plugged: bool) -> None:
        if not plugged and (client := self._taken.get(busid)) is not None:
            client.cancel()

    async def handle_connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the single operation at the start of a connection."""
        _, operation, _ = _OPERATION.unpack(await reader.readexactly(_OPERATION.size))
        if operation == REQ_DEVLIST:
            writer.write(self._list())
            await writer.drain()
        elif operation == REQ_IMPORT:
            busid = (await reader.readexactly(32)).rstrip(b"\0").decode("ascii", "replace")
            await self._import(busid, reader, writer)

    def _list(self) -> bytes:
        there = [(busid, device) for busid, device in self._devices.items() if device.is_plugged]
        records = b"".join(device.usbip_record(busid, self._number(busid)) for busid, device in there)
        return _OPERATION.pack(VERSION, REP_DEVLIST, ST_OK) + struct.pack(">I", len(there)) + records

    def _number(self, busid: str) -> int:
        return list(self._devices).index(busid) + 2

    async def _import(self, busid: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        device = self._devices.get(busid)
        if device is None or not device.is_plugged:
            writer.write(_OPERATION.pack(VERSION, REP_IMPORT, ST_NODEV))
        elif busid in self._taken:
            writer.write(_OPERATION.pack(VERSION, REP_IMPORT, ST_DEV_BUSY))
        else:
            task = asyncio.current_task()
            assert task is not None
            self._taken[busid] = task
            record = device.usbip_record(busid, self._number(busid))[:RECORD]
            writer.write(_OPERATION.pack(VERSION, REP_IMPORT, ST_OK) + record)
            device.reset()  # as the port does when a driver binds to a device
            client = _Client(device, writer)
            self.on_client(busid, True)
            try:
                while True:
                    await client.serve(reader)
            finally:
                del self._taken[busid]
                client.cancel_all()
                self.on_client(busid, False)
        await writer.drain()


class _Client:
    """A client that has attached a device."""

    def __init__(self, device: UsbDevice, writer: asyncio.StreamWriter) -> None:
        self._device = device
        self._writer = writer
        self._pending: dict[int, int] = {}
        """Numbers of transfers: the client's to the device's."""

    async def serve(self, reader: asyncio.StreamReader) -> None:
        """Handle one request; raise EOFError if the client has disconnected or its request is invalid."""
        command, sequence, devid, sends, number = _HEADER.unpack(await reader.readexactly(_HEADER.size))
        fields = _SUBMIT.unpack(await reader.readexactly(_SUBMIT.size))
        if command == CMD_UNLINK:
            self._unlink(sequence, fields[0])
            return
        _flags, length, _start, packets, _interval, setup = fields
        if command != CMD_SUBMIT or not 0 <= length <= LARGEST or packets not in NOT_ISOCHRONOUS:
            raise EOFError
        data = b"" if sends else await reader.readexactly(length)
        transfer = Transfer(number | (DIRECTION_IN if sends else 0), length, setup, data)

        def completed(transfer: Transfer) -> None:
            self._pending.pop(sequence, None)
            done = len(transfer.received) if sends else (0 if transfer.status else length)
            head = _HEADER.pack(RET_SUBMIT, sequence, devid, sends, number)
            self._send(head + _RETURN.pack(transfer.status, done, 0, 0, 0) + transfer.received)

        # Some are completed before `submit` returns: do not store those.
        self._pending[sequence] = 0
        given = self._device.submit(transfer, completed)
        if sequence in self._pending:
            self._pending[sequence] = given

    def cancel_all(self) -> None:
        """Cancel all pending transfers."""
        for number in self._pending.values():
            self._device.cancel(number)
        self._pending.clear()

    def _unlink(self, sequence: int, unlinked: int) -> None:
        number = self._pending.pop(unlinked, None)
        # A completed transfer was answered already; the client gets a second answer, and recognizes it by
        # status 0.
        cancelled = number is not None and self._device.cancel(number)
        head = _HEADER.pack(RET_UNLINK, sequence, 0, 0, 0)
        self._send(head + _RETURN.pack(-errno.ECONNRESET if cancelled else 0, 0, 0, 0, 0))

    def _send(self, message: bytes) -> None:
        if not self._writer.is_closing():
            self._writer.write(message)
