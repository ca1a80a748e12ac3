"""The two ends of a measurement: the reader's line, and the subscriber at the broker."""

import contextlib
import fcntl
import json
import os
import re
import select
import socket
import struct
import termios
import threading
import time
import tty
from dataclasses import dataclass
from pathlib import Path
from typing import Self

# ICAO Doc 9303-4, the specimen of appendix B, which is not a real passport.
SPECIMEN = b"P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<L898902C36UTO7408122F1204159ZE184226B<<<<<10"
NUMBER = re.compile(rb"(?:#|page )(\d{8})|N(\d{8})\dUTO")
FIRST_NUMBER = 10_000_001


def text_line(number: int) -> bytes:
    """Return a line of text with a number: the same bytes for every candidate."""
    return b"#%08d %b\r\n" % (number, SPECIMEN)


def passport(number: int) -> bytes:
    """Return a valid passport whose document number is N and the number, both lines joined."""
    document = b"N%08d" % number
    born, expires, personal = b"7408122", b"3504156", b"<<<<<<<<<<<<<<0"
    document += _digit(document)
    lower = document + b"UTO" + born + b"F" + expires[:6] + _digit(expires[:6]) + personal
    whole = document + born + lower[21:43]
    return SPECIMEN[:44] + lower + _digit(whole) + b"\r\n"


def page(number: int) -> bytes:
    """Return the request for a page of images."""
    return b"page %08d\n" % number


def _digit(text: bytes) -> bytes:
    values = (c - 48 if c < 58 else 0 if c == 60 else c - 55 for c in text)
    return b"%d" % (sum(v * (7, 3, 1)[i % 3] for i, v in enumerate(values)) % 10)


class FarEnd:
    """A pty whose other end is a candidate's serial port. Both ends stay open: it is never unplugged."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        path.unlink(missing_ok=True)
        path.symlink_to(os.ttyname(self._slave))

    def write(self, data: bytes, patience_s: float = 30) -> None:
        """Send; wait while the candidate does not read."""
        os.set_blocking(self._master, False)
        view = memoryview(data)
        while view:
            if not select.select([], [self._master], [], patience_s)[1]:
                raise TimeoutError(f"{self.path.name} was not read for {patience_s:g} s")
            with contextlib.suppress(BlockingIOError):
                view = view[os.write(self._master, view) :]

    def renew(self) -> None:
        """Reset the port for the next owner: nothing unread, not exclusive, raw."""
        termios.tcflush(self._slave, termios.TCIOFLUSH)
        fcntl.ioctl(self._slave, termios.TIOCNXCL)
        tty.setraw(self._slave)

    def close(self) -> None:
        """Unplug."""
        os.close(self._master)
        os.close(self._slave)
        self.path.unlink(missing_ok=True)


@dataclass(slots=True)
class Arrival:
    """First arrival of a numbered message, and the number of arrivals."""

    first_ns: int
    times: int = 1


class Subscriber:
    """Receives all messages of the broker, with QoS 1, and records the time of each number.

    Forty lines of MQTT 3.1.1 instead of paho: paho's 0.1 ms per message would be the largest cost of a burst,
    and would be measured for every candidate.
    """

    def __init__(self, port: int) -> None:
        self.arrived: dict[int, Arrival] = {}
        self.blobs: list[tuple[int, int]] = []
        """Images: time and number of bytes."""
        self._socket = socket.create_connection(("127.0.0.1", port), 5)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.settimeout(None)
        self._socket.sendall(_packet(0x10, _text(b"MQTT") + b"\x04\x02\x00\x00" + _text(b"bench-subscriber")))
        self._socket.sendall(_packet(0x82, b"\x00\x01" + _text(b"#") + b"\x01"))
        self._subscribed = threading.Event()
        self._thread = threading.Thread(target=self._take, name="subscriber", daemon=True)
        self._thread.start()
        if not self._subscribed.wait(5):
            raise TimeoutError("no SUBACK")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(5)
        self._socket.close()

    def until(self, count: int, above: int, patience_s: float) -> int:
        """Wait until `count` numbers above one have come, or none for a while; return how many there are."""
        best, since = -1, time.monotonic()
        while (got := self.count(above)) < count:
            if got > best:
                best, since = got, time.monotonic()
            elif time.monotonic() - since > patience_s:
                break
            time.sleep(0.01)
        return got

    def count(self, above: int) -> int:
        """Return how many different numbers above one have come."""
        return sum(number > above for number in tuple(self.arrived))

    def _take(self) -> None:
        buffer = bytearray()
        with contextlib.suppress(OSError):
            while chunk := self._socket.recv(1 << 20):
                now = time.monotonic_ns()
                buffer += chunk
                if answers := self._cut(buffer, now):
                    self._socket.sendall(answers)

    def _cut(self, buffer: bytearray, now: int) -> bytes:
        """Parse the complete packets of the buffer; return the answer to them."""
        answers, start, end = b"", 0, len(buffer)
        while end - start >= 2:
            size, shift, at = 0, 0, start + 1
            while at < end:
                byte = buffer[at]
                size |= (byte & 0x7F) << shift
                shift += 7
                at += 1
                if byte < 0x80:
                    break
            else:
                break
            if end - at < size:
                break
            if buffer[start] >> 4 == 3:
                length = buffer[at] << 8 | buffer[at + 1]
                topic = bytes(buffer[at + 2 : at + 2 + length])
                body = at + 2 + length
                if buffer[start] & 0x06:
                    answers += b"\x40\x02" + buffer[body : body + 2]
                    body += 2
                answers += self._on_publish(topic, bytes(buffer[body : at + size]), now)
            elif buffer[start] >> 4 == 9:
                self._subscribed.set()
            start = at + size
        del buffer[:start]
        return answers

    def _on_publish(self, topic: bytes, payload: bytes, now: int) -> bytes:
        if b"/blob/" in topic:
            self.blobs.append((now, len(payload)))
            return b""
        if topic.startswith(b"v1/devices/me/rpc/request/"):
            # ThingsBoard Gateway sends nothing until its server has sent the limits of a session.
            limits = {"maxPayloadSize": 65536, "maxInflightMessages": 1000, "rateLimits": {}}
            limits["gatewayRateLimits"] = {"rateLimits": {}, "messages": "", "telemetryMessages": ""}
            limits["gatewayRateLimits"]["telemetryDataPoints"] = ""
            answer = b"v1/devices/me/rpc/response/" + topic.rpartition(b"/")[2]
            return _packet(0x30, _text(answer) + json.dumps(limits).encode())
        # An event may have a line twice, raw and parsed; ThingsBoard packs several lines into a message.
        for number in {int(text or document) for text, document in NUMBER.findall(payload)}:
            known = self.arrived.get(number)
            if known is None:
                self.arrived[number] = Arrival(now)
            else:
                known.times += 1
        return b""


def _text(text: bytes) -> bytes:
    return struct.pack(">H", len(text)) + text


def _packet(kind: int, body: bytes) -> bytes:
    size, remaining = b"", len(body)
    while True:
        remaining, digit = remaining >> 7, remaining & 0x7F
        size += bytes((digit | 0x80 if remaining else digit,))
        if not remaining:
            return bytes((kind,)) + size + body
