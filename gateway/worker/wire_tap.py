"""Live trace of the bytes on a device's link: stored nowhere, and almost free without a watcher."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable
from typing import Any, NamedTuple

from pydantic_core import to_json

from drivers.links.link import Direction
from drivers.links.recording.usb_trace import Transfer
from gateway.ipc.rpc import BoundedStream

MAX_ITEMS_PER_S = 2000
"""Upper bound of items shown per second; a camera stream is more than a person can read."""
EARLY_S = 10.0
"""Time for which a traced worker keeps what its device exchanges before the watcher has subscribed again."""
EARLY_BYTES = 2 * 1024 * 1024
"""Upper bound on those bytes; the oldest are dropped."""
CONTROL = {
    b"\x02": "STX", b"\x03": "ETX", b"\x04": "EOT", b"\x05": "ENQ", b"\x06": "ACK", b"\x15": "NAK",
}  # fmt: skip


DescribeChunk = Callable[[Direction, bytes], str]


class _Subscriber:
    """One watcher: whether it may see bytes, and the items queued for it."""

    def __init__(self, *, reveal: bool, began_s: float) -> None:
        self.reveal = reveal
        self.items = BoundedStream()
        self.began_s = began_s
        """Time from which its items count (monotonic), the same for all workers of one trace."""

    def add(self, shown: "_Shown") -> None:
        """Queue an item, with its bytes only for a watcher that may see them."""
        item = dict(shown.item)
        item["at_s"] = round(max(0.0, shown.at_s - self.began_s), 6)
        item["hex"] = shown.chunk.hex(" ") if self.reveal else None
        self.items.append(to_json(item))


class _Shown(NamedTuple):
    """One item: its time (monotonic), its bytes, and its fields without both."""

    at_s: float
    chunk: bytes
    item: dict[str, Any]


class WireTap:
    """Taps of a device's links, which forward while a client watches. They are called from any thread."""

    def __init__(self, describe_chunk: DescribeChunk = lambda _direction, _chunk: "") -> None:
        """Create a tap; `describe_chunk` describes a chunk without its content; "": unknown."""
        self._describe_chunk = describe_chunk
        self.is_watched = False
        """True while there is a watcher, or a trace that began before this process waits for it."""
        self._subscribers: tuple[_Subscriber, ...] = ()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._early: deque[_Shown] | None = None
        """Items before the first watcher; None: they are not kept."""
        self._early_bytes = 0
        self._transfer_chunk: bytes | None = None
        self._second = 0
        self._in_second = 0
        self._dropped = 0

    def keep_early(self) -> None:
        """Keep items from now on, for EARLY_S, for a watcher that waits for this worker.

        So a trace that began before this process misses nothing of the opening of the device.
        """
        self._loop = asyncio.get_running_loop()
        self._early = deque()
        self.is_watched = True
        self._loop.call_later(EARLY_S, self._forget_early)

    def _forget_early(self) -> None:
        self._early = None
        self._note_watchers()

    def _note_watchers(self) -> None:
        self.is_watched = bool(self._subscribers) or self._early is not None

    async def subscribe(self, *, reveal: bool, began_s: float | None = None) -> AsyncGenerator[bytes]:
        """Yield b"", then each chunk from that moment on as JSON of a TraceItem, early ones first.

        Its bytes are included only with `reveal`. `began_s`: begin of the trace (monotonic), by default now.
        """
        self._loop = asyncio.get_running_loop()
        viewer = _Subscriber(reveal=reveal, began_s=time.monotonic() if began_s is None else began_s)
        for shown in self._early or ():
            viewer.add(shown)
        self._subscribers = (*self._subscribers, viewer)
        self._note_watchers()
        try:
            yield b""
            async for piece in viewer.items:
                yield piece.body if not piece.dropped else _with_dropped_count(piece.body, piece.dropped)
        finally:
            self._subscribers = tuple(each for each in self._subscribers if each is not viewer)
            self._note_watchers()

    def on_chunk(self, direction: Direction, chunk: bytes) -> None:
        """Forward a chunk; the `Tap` of a link."""
        if self.is_watched and self._loop is not None:
            if chunk is self._transfer_chunk:  # already forwarded as part of its transfer
                self._transfer_chunk = None
                return
            self._loop.call_soon_threadsafe(self._show, time.monotonic(), direction, bytes(chunk), None)

    def on_transfer(self, transfer: Transfer) -> None:
        """Forward the start or end of a USB transfer; the `TransferTap` of a link."""
        if self.is_watched and self._loop is not None:
            self._transfer_chunk = transfer.data or None
            direction: Direction = "out" if transfer.stage == "submit" else "in"
            self._loop.call_soon_threadsafe(
                self._show, time.monotonic(), direction, transfer.data, _transfer_fields(transfer)
            )

    def _show(self, at_s: float, direction: Direction, chunk: bytes, transfer: dict[str, Any] | None) -> None:
        if int(at_s) != self._second:
            self._second, self._in_second = int(at_s), 0
        self._in_second += 1
        if self._in_second > MAX_ITEMS_PER_S:
            self._dropped += 1
            return
        lost, self._dropped = self._dropped, 0
        item: dict[str, Any] = {
            "direction": direction,
            "size": len(chunk),
            "dropped": lost,
            "transfer": transfer,
        }
        item["summary"] = self._describe_chunk(direction, chunk) or describe_bytes(chunk)
        shown = _Shown(at_s, chunk, item)
        for viewer in self._subscribers:
            viewer.add(shown)
        if self._early is not None:
            self._early.append(shown)
            self._early_bytes += len(chunk)
            while self._early_bytes > EARLY_BYTES and len(self._early) > 1:
                self._early_bytes -= len(self._early.popleft().chunk)


def describe_bytes(chunk: bytes) -> str:
    """Describe bytes without disclosing them: their framing and kind."""
    if not chunk:
        return ""
    names = [CONTROL[end] for end in (chunk[:1], chunk[-1:]) if end in CONTROL]
    if len(chunk) == 1:
        return names[0] if names else "one byte"
    text = sum(32 <= byte < 127 or byte in b"\r\n\t" for byte in chunk)
    lines = len([line for line in chunk.replace(b"\r", b"\n").split(b"\n") if line.strip(b"\x02\x03")])
    kind = f"text, {lines} line{'s' if lines != 1 else ''}" if text >= 0.9 * len(chunk) - 3 else "binary"
    return f"{kind}, {' to '.join(dict.fromkeys(names))}" if names else kind


def _transfer_fields(transfer: Transfer) -> dict[str, Any]:
    return {
        "id": transfer.id,
        "stage": transfer.stage,
        "kind": transfer.kind.name.lower(),
        "endpoint": transfer.endpoint,
        "bus": transfer.bus,
        "device": transfer.device,
        "at_ns": transfer.at_ns,
        "status": transfer.status,
        "length": transfer.length,
        "setup": transfer.setup.hex(" "),
    }


def _with_dropped_count(body: bytes, lost: int) -> bytes:
    """Add to an item's count of dropped items before it. Rare enough to parse it again."""
    from pydantic_core import from_json

    item = from_json(body)
    return to_json(item | {"dropped": item["dropped"] + lost})
