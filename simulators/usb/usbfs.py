"""Ioctls on a USB device's node, answered in place of Linux: usbfs over umockdev's ioctl socket.

`libumockdev-preload.so.0` turns every ioctl on an emulated node into messages on a stream socket: three
native words each, the caller's memory read and written on request. Source of the messages: umockdev's preload
library; of the requests and their structures, on 64 bits: Linux, include/uapi/linux/usbdevice_fs.h.
"""

import asyncio
import contextlib
import errno
import struct
from collections import deque
from dataclasses import dataclass
from enum import IntEnum

from simulators.usb.device import DIRECTION_IN, Transfer, UsbDevice

_MESSAGE = struct.Struct("=QQQ")


class Message(IntEnum):
    """First word of a message: the program's request, or the answer to it."""

    IOCTL = 1
    DONE = 3
    RUN = 4
    READ_MEMORY = 5
    WRITE_MEMORY = 6


class Ioctl(IntEnum):
    """`USBDEVFS_...`: the supported requests."""

    CONTROL = 0xC0185500
    BULK = 0xC0185502
    RESETEP = 0x80045503
    SETINTERFACE = 0x80085504
    SETCONFIGURATION = 0x80045505
    GETDRIVER = 0x41045508
    SUBMITURB = 0x8038550A
    DISCARDURB = 0x550B
    REAPURB = 0x4008550C
    REAPURBNDELAY = 0x4008550D
    CLAIMINTERFACE = 0x8004550F
    RELEASEINTERFACE = 0x80045510
    CONNECTINFO = 0x40085511
    IOCTL = 0xC0105512
    RESET = 0x5514
    CLEAR_HALT = 0x80045515
    GET_CAPABILITIES = 0x8004551A
    DISCONNECT_CLAIM = 0x8108551B
    GET_SPEED = 0x551F


ZERO_PACKET, NO_PACKET_SIZE_LIMIT, REAP_AFTER_DISCONNECT = 0x01, 0x04, 0x10
CAPABILITIES = ZERO_PACKET | NO_PACKET_SIZE_LIMIT | REAP_AFTER_DISCONNECT
FULL_SPEED = 2
_URB = struct.Struct("=BBxxiIxxxxQiiiiiIQ")
_CONTROL = struct.Struct("=BBHHHIxxxxQ")
_BULK = struct.Struct("=IIIxxxxQ")
REAP_PATIENCE_S = 0.003
"""Delay of an empty reap. An emulated node always polls as ready, so libusb reaps continuously."""
LARGEST = 1 << 20


class _FailedError(Exception):
    """An ioctl fails, with this errno."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


@dataclass(eq=False)
class _Urb:
    """A transfer that the program submitted, by the address of its structure."""

    address: int
    buffer: int
    transfer: Transfer
    number: int = 0


class Node:
    """One open file of a device's node, until the program closes it.

    `claims` maps each interface to the open file that claimed it; all open files of a node share it. `gone`:
    the node was opened just as its device was unplugged.
    """

    def __init__(
        self,
        device: UsbDevice,
        claims: "dict[int, Node]",
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        is_unplugged: bool = False,
    ) -> None:
        self._device = device
        self._claims = claims
        self._reader = reader
        self._writer = writer
        self._pending: dict[int, _Urb] = {}
        self._over: deque[_Urb] = deque()
        self._something_over = asyncio.Event()
        self._is_unplugged = is_unplugged or not device.is_plugged
        device.on_cable.append(self._cable)

    def _cable(self, plugged: bool) -> None:
        # Even when the cable is plugged in again: this file belongs to the unplugged device.
        self._is_unplugged = self._is_unplugged or not plugged

    async def serve(self) -> None:
        """Answer until the program closes the node."""
        try:
            with contextlib.suppress(OSError, EOFError):
                while True:
                    kind, first, second = _MESSAGE.unpack(await self._reader.readexactly(_MESSAGE.size))
                    await self._answer(kind, first, second)
        finally:
            with contextlib.suppress(ValueError):
                self._device.on_cable.remove(self._cable)
            for urb in tuple(self._pending.values()):
                self._device.cancel(urb.number)
            self._pending.clear()
            for interface, holder in tuple(self._claims.items()):
                if holder is self:
                    del self._claims[interface]

    async def _answer(self, kind: int, first: int, second: int) -> None:
        if kind != Message.IOCTL:
            # The node is a file of descriptors: reading it returns what a kernel would.
            self._send(Message.RUN, 0, 0)
            await self._reader.readexactly(_MESSAGE.size)
            return
        try:
            self._send(Message.DONE, await self._ioctl(first, second), 0)
        except _FailedError as error:
            self._send(Message.DONE, 2**64 - 1, error.number)

    async def _ioctl(self, request: int, argument: int) -> int:
        match request:
            case Ioctl.REAPURB | Ioctl.REAPURBNDELAY:
                return await self._reap(argument, wait=request == Ioctl.REAPURB)
            case Ioctl.DISCARDURB:
                return self._discard(argument)
            case _ if self._is_unplugged:
                raise _FailedError(errno.ENODEV)
            case Ioctl.SUBMITURB:
                return await self._submit(argument)
            case Ioctl.CONTROL:
                return await self._control(argument)
            case Ioctl.BULK:
                return await self._bulk(argument)
            case Ioctl.CLAIMINTERFACE | Ioctl.DISCONNECT_CLAIM:
                return self._claim(await self._word(argument))
            case Ioctl.RELEASEINTERFACE:
                return self._release(await self._word(argument))
            case Ioctl.SETCONFIGURATION:
                if self._claims:
                    raise _FailedError(errno.EBUSY)
                return await self._request(0x00, 0x09, await self._word(argument), 0)
            case Ioctl.SETINTERFACE:
                interface, alternate = struct.unpack("=II", await self._read(argument, 8))
                return await self._request(0x01, 0x0B, alternate, interface)
            case Ioctl.CLEAR_HALT | Ioctl.RESETEP:
                return await self._request(0x02, 0x01, 0, await self._word(argument))
            case Ioctl.RESET:
                self._device.reset()
                return 0
            case Ioctl.GETDRIVER | Ioctl.IOCTL:
                raise _FailedError(errno.ENODATA)  # no kernel driver is bound
            case Ioctl.GET_CAPABILITIES:
                await self._write(argument, struct.pack("=I", CAPABILITIES))
                return 0
            case Ioctl.GET_SPEED:
                return FULL_SPEED
            case Ioctl.CONNECTINFO:
                await self._write(argument, struct.pack("=IBxxx", 1, 0))
                return 0
        raise _FailedError(errno.ENOTTY)

    # Transfers.

    async def _submit(self, address: int) -> int:
        _type, endpoint, _status, _flags, buffer, length, *_ = _URB.unpack(
            await self._read(address, _URB.size)
        )
        if not 0 <= length <= LARGEST:
            raise _FailedError(errno.EINVAL)
        setup, data, sends = bytes(8), b"", bool(endpoint & DIRECTION_IN)
        if endpoint & 0x0F == 0:
            setup = await self._read(buffer, 8)
            sends, length, buffer = bool(setup[0] & DIRECTION_IN), length - 8, buffer + 8
            endpoint = DIRECTION_IN if sends else 0
        if not sends and length:
            data = await self._read(buffer, length)
        urb = _Urb(address, buffer, Transfer(endpoint, length, setup, data))

        def completed(_transfer: Transfer) -> None:
            self._pending.pop(address, None)
            self._over.append(urb)
            self._something_over.set()

        self._pending[address] = urb
        urb.number = self._device.submit(urb.transfer, completed)
        return 0

    def _discard(self, address: int) -> int:
        urb = self._pending.pop(address, None)
        if urb is None or not self._device.cancel(urb.number):
            raise _FailedError(errno.EINVAL)
        urb.transfer.status = -errno.ENOENT
        self._over.append(urb)
        self._something_over.set()
        return 0

    async def _reap(self, argument: int, *, wait: bool) -> int:
        if not self._over:
            # Linux would return ENODEV after an unplug. libusb learns it from poll, and would wait forever.
            self._something_over.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(None if wait else REAP_PATIENCE_S):
                    await self._something_over.wait()
        if not self._over:
            raise _FailedError(errno.EAGAIN)
        urb = self._over.popleft()
        transfer = urb.transfer
        done = len(transfer.received) if transfer.is_in else (0 if transfer.status else transfer.length)
        if transfer.received:
            await self._write(urb.buffer, transfer.received)
        await self._write(urb.address + 4, struct.pack("=i", transfer.status))
        await self._write(urb.address + 28, struct.pack("=i", done))
        await self._write(argument, struct.pack("=Q", urb.address))
        return 0

    async def _control(self, argument: int) -> int:
        kind, request, value, index, length, timeout_ms, buffer = _CONTROL.unpack(
            await self._read(argument, _CONTROL.size)
        )
        sends = bool(kind & DIRECTION_IN)
        data = await self._read(buffer, length) if length and not sends else b""
        setup = struct.pack("<BBHHH", kind, request, value, index, length)
        return await self._at_once(
            Transfer(DIRECTION_IN if sends else 0, length, setup, data), buffer, timeout_ms
        )

    async def _bulk(self, argument: int) -> int:
        endpoint, length, timeout_ms, buffer = _BULK.unpack(await self._read(argument, _BULK.size))
        if length > LARGEST:
            raise _FailedError(errno.EINVAL)
        data = b"" if endpoint & DIRECTION_IN else await self._read(buffer, length)
        return await self._at_once(Transfer(endpoint, length, data=data), buffer, timeout_ms)

    async def _request(self, kind: int, request: int, value: int, index: int) -> int:
        setup = struct.pack("<BBHHH", kind, request, value, index, 0)
        return await self._at_once(Transfer(0, 0, setup), 0, 1000)

    async def _at_once(self, transfer: Transfer, buffer: int, timeout_ms: int) -> int:
        """Perform a transfer while the program waits."""
        over = asyncio.Event()
        number = self._device.submit(transfer, lambda _transfer: over.set())
        try:
            async with asyncio.timeout(timeout_ms / 1000 or None):
                await over.wait()
        except TimeoutError:
            raise _FailedError(errno.ETIMEDOUT) from None
        finally:
            self._device.cancel(number)
        if transfer.status:
            raise _FailedError(-transfer.status)
        if not transfer.is_in:
            return transfer.length
        if transfer.received:
            await self._write(buffer, transfer.received)
        return len(transfer.received)

    # Interfaces.

    def _claim(self, interface: int) -> int:
        if self._claims.setdefault(interface, self) is not self:
            raise _FailedError(errno.EBUSY)
        return 0

    def _release(self, interface: int) -> int:
        if self._claims.get(interface) is not self:
            raise _FailedError(errno.EINVAL)
        del self._claims[interface]
        return 0

    # The program's memory.

    async def _word(self, address: int) -> int:
        (word,) = struct.unpack("=I", await self._read(address, 4))
        return int(word)

    async def _read(self, address: int, size: int) -> bytes:
        self._send(Message.READ_MEMORY, address, size)
        return await self._reader.readexactly(size)

    async def _write(self, address: int, data: bytes) -> None:
        self._send(Message.WRITE_MEMORY, address, len(data))
        self._writer.write(data)

    def _send(self, kind: int, first: int, second: int) -> None:
        if not self._writer.is_closing():
            self._writer.write(_MESSAGE.pack(kind, first, second))
