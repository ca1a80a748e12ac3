"""One client of the stream: RTP packets (RFC 3550) in its RTSP connection (RFC 2326, section 10.12)."""

import asyncio
import secrets
from collections.abc import Sequence

from simulators.camera.faults import PacketLoss
from simulators.camera.rtsp.encoder import PAYLOAD_TYPE

BACKLOG = 2_000_000
"""Unsent bytes of a client above which pictures are dropped for it."""


class Session:
    """One client. Its first picture is one that refers to none before it."""

    def __init__(self, writer: asyncio.StreamWriter, channel: int) -> None:
        self.name = secrets.token_hex(8)
        self.channel = channel
        self.playing = False
        self.needs_key = True
        self.ssrc = secrets.randbits(32)
        self.sequence = secrets.randbits(15)
        self._writer = writer

    def show(self, payloads: Sequence[bytes], at: int, *, key: bool, lose: PacketLoss | None = None) -> None:
        """Send a picture; with `lose`, without one of its packets."""
        if self._writer.is_closing() or (self.needs_key and not key):
            return
        if self._writer.transport.get_write_buffer_size() > BACKLOG:
            self.needs_key = True
            return
        self.needs_key = False
        lost = None
        if lose is not None:
            lost = {"first": 0, "middle": len(payloads) // 2, "last": len(payloads) - 1}[lose.which]
        for place, payload in enumerate(payloads):
            self.sequence = self.sequence + 1 & 0xFFFF
            if place == lost:
                continue
            last = place == len(payloads) - 1
            packet = (
                bytes([0x80, last << 7 | PAYLOAD_TYPE])
                + self.sequence.to_bytes(2)
                + (at & 0xFFFFFFFF).to_bytes(4)
                + self.ssrc.to_bytes(4)
                + payload
            )
            self._writer.write(b"$" + bytes([self.channel]) + len(packet).to_bytes(2) + packet)
