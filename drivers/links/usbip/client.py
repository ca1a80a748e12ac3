"""One device over USB/IP: imported from a server, spoken to with as many transfers under way as one likes.

Source: Linux, `Documentation/usb/usbip_protocol.rst`. The package `usbip` (extra `usb`) is used by its
protocol's constants and structures only: its own host side waits for each transfer before it begins the next.
"""

import errno
import itertools
import socket
import struct
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from usbip import protocol

HEAD = struct.Struct(">IIIII")
"""Command, sequence number, device, direction, endpoint."""
SUBMIT = struct.Struct(">IiiiI8s")
"""Flags, length, start frame, number of packets, interval, setup."""
UNLINK = struct.Struct(">I24x")
ANSWER = struct.Struct(">ii20x")
"""Status, and length for a transfer."""
OPERATION = struct.Struct(">HHI")
DEVICE_BYTES = 312
BUSID_BYTES = 32
OUT, IN = 0, 1
NO_PACKETS = -1
CONNECT_S = 2.0
"""How long a server may take to accept and to answer, in seconds."""
UNLINK_S = 2.0
"""How long it may take to confirm that a transfer is called off, in seconds: then it is taken for gone."""
SILENCE_MS = 5000
"""How long what was sent may stay unacknowledged before the network is taken for gone, in milliseconds."""
REMEMBERED_CANCELLATIONS = 64
"""How many transfers that were called off are remembered: their answers may still come."""


NUMBER_MOST = 0xFFFF
"""Of a bus, and of a device on it: both go into one word."""
IN_USE = 2
"""Status of an import, as usbipd gives it: another client has the device."""


class ImportRefusedError(Exception):
    """The server has no such device, or does not give it away."""

    def __init__(self, status: int) -> None:
        super().__init__(f"status {status}")
        self.in_use = status == IN_USE


@dataclass(slots=True)
class _PendingTransfer:
    """One transfer under way."""

    direction: int
    requested: int
    """How many bytes it may have at most."""
    done: threading.Event = field(default_factory=threading.Event)
    status: int = -errno.ENODEV
    length: int = 0
    data: bytes = b""


class UsbipConnection:
    """An imported device: one socket, one thread that reads from it. All calls block, from any thread."""

    def __init__(self, host: str, port: int, busid: str) -> None:
        """Connect and import; raises OSError when nobody answers, ImportRefusedError when it is not given."""
        self._socket = socket.create_connection((host, port), CONNECT_S)
        try:
            self.device = self._import(busid)
            self._socket.settimeout(None)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 1)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 1)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, SILENCE_MS)
        except BaseException:
            self._socket.close()
            raise
        self._id = self.device["busnum"] << 16 | self.device["devnum"]
        self._numbers = itertools.count(1)
        self._sending = threading.Lock()
        self._table = threading.Lock()
        self._awaited: dict[int, _PendingTransfer] = {}
        self._called_off: OrderedDict[int, _PendingTransfer] = OrderedDict()
        self._unlinks: dict[int, int] = {}
        self._lost = self._over = False
        self.on_lost: Callable[[], None] = lambda: None
        """Called once, from the reading thread, when the connection ends by itself."""
        self._reading = threading.Thread(target=self._read, name="usbip-read", daemon=True)
        self._reading.start()

    def close(self) -> None:
        """End the connection; transfers under way end as if the device were unplugged."""
        self.on_lost = lambda: None
        self._shut()
        self._reading.join()
        self._socket.close()

    def transfer(
        self,
        endpoint: int,
        payload: bytes | int,
        *,
        setup: bytes = b"",
        interval: int = 0,
        timeout_ms: int | None = None,
    ) -> tuple[int, int, bytes]:
        """Do one transfer: `payload` is what to send, or how much to ask for, by 0x80 of `endpoint`.

        Returns the status (0 or a negative errno), the length, and what was received. A transfer that takes
        longer than `timeout_ms` is called off: `-ETIMEDOUT`, unless it ends at the last moment.
        """
        direction = IN if endpoint & 0x80 else OUT
        length = payload if isinstance(payload, int) else len(payload)
        awaited = _PendingTransfer(direction, length)
        number = self._enter(awaited)
        if not awaited.done.is_set():
            packet = HEAD.pack(protocol.CMD_SUBMIT, number, self._id, direction, endpoint & 0x0F)
            packet += SUBMIT.pack(0, length, 0, NO_PACKETS, interval, setup)
            self._send(packet if isinstance(payload, int) else packet + payload)
        if not awaited.done.wait(None if timeout_ms is None else timeout_ms / 1000):
            self._call_off(number)
            if not awaited.done.wait(UNLINK_S):
                self._shut()
                awaited.done.wait()
        return awaited.status, awaited.length, awaited.data

    def cancel_all(self) -> None:
        """Let every transfer end now as if its time were over, and so those that somebody still begins."""
        with self._table:
            self._over = True
            under_way = list(self._awaited)
        for number in under_way:
            self._call_off(number)

    # Towards the device

    def _import(self, busid: str) -> dict[str, int]:
        self._socket.sendall(
            OPERATION.pack(protocol.VERSION, protocol.OP_REQ_IMPORT, 0)
            + busid.encode().ljust(BUSID_BYTES, b"\x00")
        )
        _, _, status = OPERATION.unpack(self._exactly(OPERATION.size))
        if status != 0:
            raise ImportRefusedError(status)
        device: dict[str, int] = protocol.parse_usb_device(self._exactly(DEVICE_BYTES))
        if max(device["busnum"], device["devnum"]) > NUMBER_MOST:
            raise ConnectionAbortedError(errno.EPROTO, "numbers that no device has")
        return device

    def _enter(self, awaited: _PendingTransfer) -> int:
        """Give a transfer its number; one that begins after the end has ended."""
        number = next(self._numbers)
        with self._table:
            if self._lost or self._over:
                awaited.status = -errno.ENODEV if self._lost else -errno.ETIMEDOUT
                awaited.done.set()
            else:
                self._awaited[number] = awaited
        return number

    def _call_off(self, number: int) -> None:
        unlink = next(self._numbers)
        with self._table:
            if number not in self._awaited:
                return
            self._unlinks[unlink] = number
        self._send(HEAD.pack(protocol.CMD_UNLINK, unlink, self._id, 0, 0) + UNLINK.pack(number))

    def _send(self, packet: bytes) -> None:
        try:
            with self._sending:
                self._socket.sendall(packet)
        except OSError:
            self._shut()  # the reading thread sees the end, and ends what is under way

    def _shut(self) -> None:
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # it has ended already

    # From the device, in the reading thread

    def _read(self) -> None:
        try:
            while True:
                command, number, *_ = HEAD.unpack(self._exactly(HEAD.size))
                status, length = ANSWER.unpack(self._exactly(ANSWER.size))
                if command == protocol.RET_SUBMIT:
                    self._ended(number, status, length)
                elif command == protocol.RET_UNLINK:
                    self._unlinked(number)
                else:
                    break  # nobody knows where the next answer begins
        except OSError:
            pass  # the server hung up or fell silent, or we did
        with self._table:
            self._lost = True
            under_way = list(self._awaited.values())
            self._awaited.clear()
        for awaited in under_way:
            awaited.done.set()
        self.on_lost()

    def _ended(self, number: int, status: int, length: int) -> None:
        """A transfer has ended. What was called off in the meantime may still have data behind it."""
        with self._table:
            awaited = self._awaited.get(number) or self._called_off.get(number)
        if awaited is None or not 0 <= length <= awaited.requested:
            raise ConnectionAbortedError(errno.EPROTO, "an answer to no question")
        if awaited.direction == IN and length:
            awaited.data = self._exactly(length)
        # Only now: should the connection end in the middle of the data, it ends this transfer, too.
        with self._table:
            self._awaited.pop(number, None)
            self._called_off.pop(number, None)
        awaited.status, awaited.length = status, length
        awaited.done.set()

    def _unlinked(self, unlink: int) -> None:
        """A transfer has been called off, or had ended before: then its answer was here first.

        The device side of the package `usbip` may answer a transfer right after it confirmed that it is
        called off, so the transfer is remembered for a while.
        """
        with self._table:
            number = self._unlinks.pop(unlink, 0)
            awaited = self._awaited.pop(number, None)
            if awaited is None:
                return
            self._called_off[number] = awaited
            while len(self._called_off) > REMEMBERED_CANCELLATIONS:
                self._called_off.popitem(last=False)
        awaited.status = -errno.ETIMEDOUT
        awaited.done.set()

    def _exactly(self, size: int) -> bytes:
        received = bytearray(size)
        view = memoryview(received)
        while view:
            count = self._socket.recv_into(view)
            if count == 0:
                raise ConnectionResetError(errno.ECONNRESET, "the server hung up")
            view = view[count:]
        return bytes(received)
