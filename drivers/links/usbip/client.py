"""USB/IP client of one imported device, with any number of concurrent transfers.

Source: Linux, `Documentation/usb/usbip_protocol.rst`. Only the protocol's constants and structures of the
package `usbip` (extra `usb`) are used: its client waits for each transfer before it begins the next.
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
"""Time limit for the server to accept and to respond, in seconds."""
UNLINK_S = 2.0
"""Time limit for the server to confirm a cancelled transfer, in seconds; afterwards it counts as gone."""
SILENCE_MS = 5000
"""Time limit of unacknowledged data, in milliseconds; afterwards the network counts as down."""
REMEMBERED_CANCELLATIONS = 64
"""Number of cancelled transfers that are remembered: their responses may still arrive."""


NUMBER_MOST = 0xFFFF
"""Upper limit of bus and device numbers: both go into one word."""
IN_USE = 2
"""Status of an import, as returned by usbipd: another client has the device."""


class ImportRefusedError(Exception):
    """The server has no such device, or does not export it."""

    def __init__(self, status: int) -> None:
        super().__init__(f"status {status}")
        self.in_use = status == IN_USE


@dataclass(slots=True)
class _PendingTransfer:
    """One running transfer."""

    direction: int
    requested: int
    """Upper bound on its length, in bytes."""
    done: threading.Event = field(default_factory=threading.Event)
    status: int = -errno.ENODEV
    length: int = 0
    data: bytes = b""


class UsbipConnection:
    """An imported device: one socket, one reading thread. All calls block, from any thread."""

    def __init__(
        self,
        host: str,
        port: int,
        busid: str,
        connect: Callable[[str, int], socket.socket] = lambda host, port: socket.create_connection(
            (host, port), CONNECT_S
        ),
    ) -> None:
        """Connect and import; raises OSError without a response, ImportRefusedError for a refusal."""
        self._socket = connect(host, port)
        try:
            self._socket.settimeout(CONNECT_S)
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
        """Called once, from the reading thread, when the connection ends without `close`."""
        self._reading = threading.Thread(target=self._read, name="usbip-read", daemon=True)
        self._reading.start()

    def close(self) -> None:
        """End the connection; running transfers end as if the device were unplugged."""
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
        """Run one transfer: `payload` is the data to send, or the length to request (0x80 of `endpoint`).

        Returns the status (0 or a negative errno), the length, and the received bytes. A transfer that takes
        longer than `timeout_ms` is cancelled: `-ETIMEDOUT`, unless it ends at the last moment.
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
        """End every transfer now as if it had timed out, including those begun later."""
        with self._table:
            self._over = True
            under_way = list(self._awaited)
        for number in under_way:
            self._call_off(number)

    # To the device

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
        """Register a transfer under a number; one that begins after the end has ended."""
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
            self._shut()  # the reading thread notices the end, and ends the running transfers

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
                    break  # the start of the next response is unknown
        except OSError:
            pass  # the connection was closed by the server or by us, or timed out
        with self._table:
            self._lost = True
            under_way = list(self._awaited.values())
            self._awaited.clear()
        for awaited in under_way:
            awaited.done.set()
        self.on_lost()

    def _ended(self, number: int, status: int, length: int) -> None:
        """Handle the end of a transfer. A cancelled one may still be followed by its data."""
        with self._table:
            awaited = self._awaited.get(number) or self._called_off.get(number)
        if awaited is None or not 0 <= length <= awaited.requested:
            raise ConnectionAbortedError(errno.EPROTO, "a response without a request")
        if awaited.direction == IN and length:
            awaited.data = self._exactly(length)
        # Only now: if the connection ends within the data, this transfer must end too.
        with self._table:
            self._awaited.pop(number, None)
            self._called_off.pop(number, None)
        awaited.status, awaited.length = status, length
        awaited.done.set()

    def _unlinked(self, unlink: int) -> None:
        """Handle the end of a cancellation; if the transfer had ended before, its response came first.

        The server of the package `usbip` may send the response of a transfer right after the confirmation of
        its cancellation, so the transfer is remembered for a while.
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
                raise ConnectionResetError(errno.ECONNRESET, "the server closed the connection")
            view = view[count:]
        return bytes(received)
