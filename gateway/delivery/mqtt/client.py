"""paho's client on a socket that reads and writes in large pieces.

paho reads an acknowledgement in three system calls and writes every message in one of its own; each releases
the interpreter's lock, and the writer's thread takes it. In a profile of 10,000 events, 10,013 sends (0.51 s)
and 30,967 receives (0.30 s) were among the three largest costs of the event loop's thread.

paho 2.2 has no public way to replace its socket, to read a PUBACK without objects, to check a PUBLISH before
it is parsed, or to report the time of a ping (`on_log` would format a text for every message), so five of its
private methods are overridden here.
`MqttConnection` checks that the socket was replaced, and tests cover the others.
"""

import contextlib
import socket
import ssl
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, cast

import paho.mqtt.client as mqtt
from paho.mqtt.enums import MQTTErrorCode

from gateway.delivery.mqtt.inbound import InboundGuard, InboundRefusal

READ_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class PubackReason:
    """Reason code of a PUBACK, as the broker sent it."""

    value: int

    @property
    def is_failure(self) -> bool:
        """True if the broker did not accept the message."""
        return self.value >= 0x80


_SUCCESS = PubackReason(0)


class CoalescedSocket:
    """Socket for paho that collects what is sent until `flush`.

    paho reads the rest of a packet by its length, as the packet says it: a length above the limit ends the
    connection before any of it is read.
    """

    def __init__(self, sock: socket.socket, max_packet_bytes: int = 268_435_455) -> None:
        self._socket = sock
        self._max_packet_bytes = max_packet_bytes
        self.too_large_bytes = 0
        """Length of a packet above the limit; 0 without one."""
        self.too_large_beginning = b""
        """Those of its bytes that came with earlier ones."""
        self._read = b""
        self._at = 0
        self._unsent: list[bytes] = []
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def recv(self, size: int) -> bytes:
        """Read at most `size` bytes; raises like a socket."""
        if size > self._max_packet_bytes:
            self.too_large_bytes = size
            self.too_large_beginning = self._read[self._at :]
            raise ConnectionError(f"a packet of {size} bytes")
        if self._at >= len(self._read):
            if size > READ_BYTES:
                return self._socket.recv(size)
            self._read = self._socket.recv(READ_BYTES)
            self._at = 0
        piece = self._read[self._at : self._at + size]
        self._at += len(piece)
        return piece

    def pending(self) -> int:
        """Bytes that can be read now, even if the socket does not become readable again."""
        left = len(self._read) - self._at
        return left or (self._socket.pending() if isinstance(self._socket, ssl.SSLSocket) else 0)

    def send(self, data: bytes | bytearray) -> int:
        """Keep data for `flush`."""
        self._unsent.append(bytes(data))
        return len(data)

    @property
    def unsent(self) -> bool:
        """Return whether data waits for the socket to become writable."""
        return bool(self._unsent)

    def flush(self) -> None:
        """Send what the socket takes now; raises OSError when the connection is lost."""
        if not self._unsent:
            return
        view = memoryview(self._unsent[0] if len(self._unsent) == 1 else b"".join(self._unsent))
        self._unsent.clear()
        try:
            while view:
                view = view[self._socket.send(view) :]
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            self._unsent.append(bytes(view))

    def fileno(self) -> int:
        """Return the file descriptor, for the event loop."""
        return self._socket.fileno()

    def setblocking(self, flag: bool) -> None:
        """Set blocking or non-blocking mode."""
        self._socket.setblocking(flag)

    def close(self) -> None:
        """Send what can be sent (a DISCONNECT keeps the broker from publishing the will), and close."""
        with contextlib.suppress(OSError, ValueError):
            self.flush()
        self._socket.close()


class PackedProperties:
    """Replacement for paho's `Properties`, of which paho only calls `pack`."""

    __slots__ = ("_body",)

    def __init__(self, body: bytes) -> None:
        self._body = body

    def pack(self) -> bytes:
        """Return the properties preceded by their length, as in the packet."""
        length = len(self._body)
        if length < 128:
            return bytes((length,)) + self._body
        # All of our properties are shorter than 16,384 bytes, so two bytes of length are enough.
        return bytes((length & 0x7F | 0x80, length >> 7)) + self._body

    def __str__(self) -> str:
        return "[packed]"


class CoalescingClient(mqtt.Client):
    """paho's client on a `CoalescedSocket`, with TLS when `tls` is set.

    paho's own TLS leaves the socket open when a handshake fails (2.2.0: one descriptor per attempt until the
    garbage collector runs), and a post may retry for days at a broker whose certificate has expired.

    `_create_socket` is the method in which paho itself replaces the socket for WebSockets.
    """

    tls: ssl.SSLContext | None = None
    patience_s = 5.0
    guard: InboundGuard
    refused: InboundRefusal | None = None
    """Reason for which the connection is closed: the broker exceeded a limit."""

    def _create_socket(self) -> Any:
        client: Any = self
        sock = socket.create_connection((client.host, client.port), self.patience_s)
        if self.tls is not None:
            try:
                sock = self.tls.wrap_socket(sock, server_hostname=client.host)
            except BaseException:
                sock.close()
                raise
        return CoalescedSocket(sock, self.guard.limits.packet_bytes)

    def _handle_publish(self) -> MQTTErrorCode:
        """Check a PUBLISH against the limits before it is parsed."""
        client: Any = self
        first_byte, packet = client._in_packet["command"], client._in_packet["packet"]  # noqa: SLF001
        self.refused = self.guard.check(first_byte, packet)
        if self.refused is not None:
            return mqtt.MQTT_ERR_PROTOCOL
        return super()._handle_publish()

    def _handle_pubackcomp(self, cmd: Literal["PUBACK", "PUBCOMP"]) -> MQTTErrorCode:
        """Handle a PUBACK by its bytes (MQTT 5, section 3.4.2); without a reason code it means success.

        paho makes a `Properties` and a `ReasonCode` for each: 40 of the 140 us that an event cost the event
        loop. It raises KeyError for a code that the specification does not list for PUBACK, such as 0x95. A
        paho that does not call this method works too, only slower.
        """
        client: Any = self
        packet = client._in_packet["packet"]  # noqa: SLF001 - inherited
        if cmd != "PUBACK" or len(packet) < 2:
            return super()._handle_pubackcomp(cmd)
        mid = int.from_bytes(packet[:2], "big")
        reason = _SUCCESS if len(packet) == 2 else PubackReason(packet[2])
        with client._out_message_mutex:  # noqa: SLF001
            if mid in client._out_messages:  # noqa: SLF001
                return cast("MQTTErrorCode", client._do_on_publish(mid, reason, None))  # noqa: SLF001
        return mqtt.MQTT_ERR_SUCCESS


PING_S = 0.5
"""Time between a ping's answer and the next ping, in seconds: uncertainty about a command's age."""


class PingingClient(CoalescingClient):
    """paho's client, which records the time of each ping, including those that paho sends itself."""

    boot_ns: Callable[[], int]
    sent_after_ns: int
    """Time of CLOCK_BOOTTIME before which the broker had not sent what arrives now."""

    def start_timing(self, boot_ns: Callable[[], int]) -> None:
        """Start measuring, before there is a connection."""
        self.boot_ns = boot_ns
        self.sent_after_ns = boot_ns()
        self._pinged_ns: deque[int] = deque()

    def ping(self) -> None:
        """Send a ping, unless an answer is outstanding."""
        if not self._pinged_ns:
            self._send_pingreq()

    def _send_pingreq(self) -> MQTTErrorCode:
        self._pinged_ns.append(self.boot_ns())
        return super()._send_pingreq()

    def _handle_pingresp(self) -> MQTTErrorCode:
        if self._pinged_ns:
            self.sent_after_ns = self._pinged_ns.popleft()
        return super()._handle_pingresp()
