"""Hostile station: a process of its own that publishes as fast as its connection allows."""

import contextlib
import os
import socket
import ssl
import struct
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from support.process.daemons import ForkedProcess

CHUNK_BYTES = 256 * 1024


@dataclass(frozen=True)
class FloodSource:
    """Broker and credentials of a hostile station; with `folder`, TLS with the certificate of its name."""

    port: int
    name: str
    password: str | None = None
    folder: Path | None = None

    def connect(self) -> socket.socket:
        """Connect, and return the socket after CONNACK."""
        sock: socket.socket = socket.create_connection(("127.0.0.1", self.port), 10)
        if self.folder is not None:
            context = ssl.create_default_context(cafile=str(self.folder / "ca.crt"))
            context.load_cert_chain(self.folder / f"{self.name}.crt", self.folder / f"{self.name}.key")
            sock = context.wrap_socket(sock, server_hostname="127.0.0.1")
        flags, login = 0x02, b""
        if self.password is not None:
            flags |= 0xC0
            login = _text(self.name.encode()) + _text(self.password.encode())
        body = b"\x00\x04MQTT\x05" + bytes((flags, 0, 60, 0)) + _text(b"") + login
        sock.sendall(b"\x10" + encode_length(len(body)) + body)
        if sock.recv(4)[:1] != b"\x20":
            raise ConnectionError("the broker refused the flood")
        return sock


@contextlib.contextmanager
def flooding(
    source: FloodSource,
    topics: list[str],
    payload_bytes: int,
    qos: int,
    *,
    retain: bool = False,
    property_bytes: int = 0,
) -> Iterator[ForkedProcess]:
    """Flood topics from another process while the context is open."""
    process = ForkedProcess(_flood, source, topics, payload_bytes, qos, retain, property_bytes)
    try:
        yield process
    finally:
        process.kill()
        process._process.join()
        process._process.close()


def publish_packet(
    topic: str, payload: bytes, qos: int, mid: int, *, retain: bool = False, property_bytes: int = 0
) -> bytes:
    """Encode a PUBLISH that expires in three seconds, with so many bytes of user properties."""
    properties = b"\x02\x00\x00\x00\x03" + b"\x26\x00\x01a\x00\x01b" * (property_bytes // 7)
    mid_bytes = struct.pack(">H", mid) if qos else b""
    head = _text(topic.encode()) + mid_bytes + encode_length(len(properties)) + properties
    first = 0x30 | qos << 1 | retain
    return bytes((first,)) + encode_length(len(head) + len(payload)) + head + payload


def _flood(
    source: FloodSource, topics: list[str], payload_bytes: int, qos: int, retain: bool, property_bytes: int
) -> None:
    os.nice(1)
    payload = b"x" * payload_bytes
    packets: list[bytes] = []
    size = 0
    while (size < CHUNK_BYTES and len(packets) < 60_000) or len(packets) < len(topics):
        count = len(packets)
        packets.append(
            publish_packet(
                topics[count % len(topics)],
                payload,
                qos,
                count + 1,
                retain=retain,
                property_bytes=property_bytes,
            )
        )
        size += len(packets[-1])
    chunk = b"".join(packets)
    while True:
        with contextlib.suppress(OSError):
            sock = source.connect()
            threading.Thread(target=_drain, args=(sock,), daemon=True).start()
            while True:
                sock.sendall(chunk)
        time.sleep(0.02)


def _drain(sock: socket.socket) -> None:
    """Read acknowledgements, so that the broker can go on."""
    with contextlib.suppress(OSError):
        while sock.recv(65_536):
            pass


def _text(text: bytes) -> bytes:
    return struct.pack(">H", len(text)) + text


def encode_length(value: int) -> bytes:
    """Encode a variable byte integer (MQTT 5, section 1.5.5)."""
    encoded = b""
    while True:
        value, digit = divmod(value, 128)
        encoded += bytes((digit | (0x80 if value else 0),))
        if not value:
            return encoded
