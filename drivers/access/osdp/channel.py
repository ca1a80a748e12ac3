"""What libosdp takes for a wire: bytes both ways, and the gate that every command to an output has to pass.

libosdp queues commands, keeps the queue while a reader is silent, and sends a frame again whose answer was
lost. For what can move that is wrong thrice, so the last word is here: a frame OUT leaves only with a permit,
in time, and once.
"""

import asyncio
from dataclasses import dataclass, field

from drivers.access.osdp.frames import ACK, OUT, POLL, SOM, OsdpFrame, OsdpFrameReader
from drivers.clock import boot_ns


@dataclass(slots=True)
class OutputPermit:
    """Leave for one frame OUT."""

    deadline_ns: int
    """By the boot clock."""
    sent: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    """Done once the frame has gone through."""


class OsdpChannel:
    """Bytes between libosdp and one reader. `id`, `read`, `write` and `flush` are libosdp's names."""

    id = 0

    def __init__(self, address: int) -> None:
        self._address = address
        self._replies = OsdpFrameReader()
        self._heard = bytearray()
        self._asked: int | None = None
        self.to_send = bytearray()
        """What libosdp wants on the wire."""
        self.permit: OutputPermit | None = None
        self.withheld = False
        """Whether a frame OUT was kept back: libosdp and the reader disagree from now on."""
        self._heard_ns = boot_ns()
        self.last_reply: int | None = None
        """What the reader's last sound frame was."""
        self.is_drained = False
        """Whether it once had nothing to tell when asked: what it tells from then on is new."""

    def feed(self, chunk: bytes) -> None:
        """Take what came from the line. Noise confuses libosdp, so it hears sound frames only."""
        for frame in self._replies.feed(chunk):
            if frame.is_reply and frame.address == self._address:
                self._heard += frame.wire
                self._heard_ns, self.last_reply = boot_ns(), frame.code
                self.is_drained |= self._asked == POLL and frame.code == ACK

    @property
    def silence_s(self) -> float:
        """Seconds since its last sound frame, or since we listen."""
        return (boot_ns() - self._heard_ns) / 1e9

    def read(self, max_bytes: int) -> bytes:
        """Give libosdp what has come."""
        chunk = bytes(self._heard[:max_bytes])
        del self._heard[:max_bytes]
        return chunk

    def write(self, data: bytes) -> int:
        """Take a whole frame from libosdp, for the wire or for nowhere."""
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
        permit.sent.set_result(None)
        return True

    def flush(self) -> None:
        """Forget what has come."""
        self._heard.clear()
