"""Channel between libosdp and the line, with a gate for every command to an output.

libosdp queues commands, keeps the queue while a reader is silent, and repeats a frame whose response was
lost. All three are unsafe for outputs, so this gate decides: a frame OUT is sent only with a permit, in time,
and once.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from drivers.access.osdp.frames import ACK, OUT, POLL, SOM, OsdpFrame, OsdpFrameReader
from drivers.clock import boot_ns


@dataclass(slots=True)
class OutputPermit:
    """Permit for one frame OUT."""

    deadline_ns: int
    """By CLOCK_BOOTTIME."""
    sent: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    """Done once the frame was sent."""


class OsdpChannel:
    """Bytes between libosdp and one reader. `id`, `read`, `write` and `flush` are libosdp's names."""

    id = 0

    def __init__(self, address: int, is_line_free: Callable[[], bool] = lambda: True) -> None:
        """Create the channel; `is_line_free`: True if no earlier byte waits in the kernel."""
        self._address = address
        self._is_line_free = is_line_free
        self._replies = OsdpFrameReader()
        self._received = bytearray()
        self._asked: int | None = None
        self.to_send = bytearray()
        """Bytes from libosdp for the line."""
        self.permit: OutputPermit | None = None
        self.withheld = False
        """True once a frame OUT was withheld: libosdp and the reader are out of step from then on."""
        self._last_frame_ns = boot_ns()
        self.last_reply: int | None = None
        """Code of the reader's last valid frame."""
        self.is_drained = False
        """True after a first poll without an event: later events are new."""

    def feed(self, chunk: bytes) -> None:
        """Take bytes of the line. Only valid frames are passed on: noise confuses libosdp."""
        for frame in self._replies.feed(chunk):
            if frame.is_reply and frame.address == self._address:
                self._received += frame.wire
                self._last_frame_ns, self.last_reply = boot_ns(), frame.code
                self.is_drained |= self._asked == POLL and frame.code == ACK

    @property
    def silence_s(self) -> float:
        """Seconds since the reader's last valid frame, or since opening."""
        return (boot_ns() - self._last_frame_ns) / 1e9

    def read(self, max_bytes: int) -> bytes:
        """Return received bytes to libosdp."""
        chunk = bytes(self._received[:max_bytes])
        del self._received[:max_bytes]
        return chunk

    def write(self, data: bytes) -> int:
        """Take a whole frame from libosdp, and send or withhold it."""
        wire = bytes(data)
        frame = OsdpFrame.parse(wire[max(wire.find(SOM), 0) :])
        if frame is None or (frame.code == OUT and not self._may_leave()):
            self.withheld = True
            return len(wire)
        self._replies.clear()
        self._asked = frame.code
        self.to_send += wire
        return len(wire)

    def _may_leave(self) -> bool:
        permit = self.permit
        if permit is None or permit.sent.done() or boot_ns() > permit.deadline_ns:
            return False
        if not self._is_line_free():
            return False
        permit.sent.set_result(None)
        return True

    def flush(self) -> None:
        """Discard received bytes."""
        self._received.clear()
