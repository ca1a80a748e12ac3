"""Damaged copies of a recording: its first reading cut, surrounded by garbage, or ended. Pure."""

import random
from collections.abc import Iterable
from dataclasses import dataclass, replace

from drivers.links.recording.recording import Chunk, Entry, Recording

JOINED_S = 0.1
"""Chunks with shorter pauses between them are one reading, in seconds."""
INPUT_EVENT_BYTES = 24
"""Length of a `struct input_event` of a 64-bit Linux: the kernel hands over whole ones."""
NOISE_BYTES = 60
STREAMS = ("serial", "tcp", "keyboard", "modbus-tcp")
"""Wires on which bytes that are sent at once arrive as one chunk."""


@dataclass(frozen=True)
class RecordedReading:
    """A recording and one reading in it: chunks from the device without a pause between them."""

    recording: Recording
    begin: int
    """Index of its first entry."""
    end: int
    """Index after its last entry."""
    silence_s: float
    """Silence that ends an incomplete frame of this device, in seconds."""

    @classmethod
    def around(
        cls, recording: Recording, index: int, silence_s: float, joined_s: float | None = None
    ) -> "RecordedReading":
        """Return the reading that the chunk with that index is part of.

        `joined_s`: pause that separates readings; half of the silence if omitted.
        """
        apart_s = max(JOINED_S, silence_s / 2 if joined_s is None else joined_s)
        chunks = recording.chunks
        begin = end = index
        while begin > 0 and _are_joined(chunks[begin - 1], chunks[begin], apart_s):
            begin -= 1
        while end + 1 < len(chunks) and _are_joined(chunks[end], chunks[end + 1], apart_s):
            end += 1
        return cls(recording, begin, end + 1, silence_s)

    @property
    def parts(self) -> list[bytes]:
        """The reading in the smallest parts that its wire can carry."""
        data = [chunk.data for chunk in self.recording.chunks[self.begin : self.end]]
        match self.recording.wire:
            case "hidraw" | "other":
                return data
            case "keyboard":
                return _pieces(data, INPUT_EVENT_BYTES)
            case "http" | "http-listener":
                # The first chunk of a response is its status line.
                return [data[0], *_pieces(data[1:], 1)] if self.is_asked_for else _pieces(data, 1)
            case _:
                return _pieces(data, 1)

    @property
    def unit(self) -> str:
        """Name of its smallest parts, in the plural."""
        return {"hidraw": "reports", "keyboard": "input events"}.get(self.recording.wire, "bytes")

    @property
    def is_asked_for(self) -> bool:
        """True if the device sends it in answer to a request."""
        return self.begin > 0 and self.recording.chunks[self.begin - 1].direction == "out"

    def alone(self) -> Recording:
        """Return the recording up to the end of the reading."""
        return self._with([*self._before, *self._whole])

    def twice(self) -> Recording:
        """Return the same with the reading repeated after a silence."""
        return self._with([*self._before, *self._whole, *self._pause, *self._repeated])

    def begun(self, count: int) -> Recording:
        """Return the recording up to the first `count` parts of the reading."""
        return self._with([*self._before, *self._first(count)])

    def cut(self, count: int) -> Recording:
        """Return the recording with `count` parts of the reading, a silence, and the whole reading."""
        again = self._repeated if self.recording.wire == "http" else self._whole
        return self._with([*self._before, *self._first(count), *self._pause, *again])

    @property
    def answer(self) -> tuple[bytes, bytes] | None:
        """Request and answer of a device that is asked; None for one that sends by itself."""
        if not self.is_asked_for:
            return None
        return self._before[-1].data, b"".join(chunk.data for chunk in self._whole)

    def among_noise(self, seed: int) -> Recording:
        """Return the recording with random bytes before, between and after two readings.

        Where the device answers requests, with random bytes before the request and after one reading.
        """
        chance = random.Random(seed)

        def noise() -> list[Chunk]:
            data = chance.randbytes(chance.randrange(1, NOISE_BYTES))
            return [self._sent(data), *self._pause]

        if self.is_asked_for:
            before, request = self._before[:-1], self._before[-1:]
            return self._with([*before, *noise(), *request, *self._whole, *noise()])
        entries = [*self._before, *noise(), *self._whole, *self._pause, *noise(), *self._repeated]
        return self._with([*entries, *self._pause, *noise()])

    @property
    def _before(self) -> list[Chunk]:
        return self.recording.chunks[: self.begin]

    @property
    def _whole(self) -> list[Chunk]:
        return self.recording.chunks[self.begin : self.end]

    @property
    def _repeated(self) -> list[Chunk]:
        """The reading once more, after the request for it."""
        return [*(self._before[-1:] if self.is_asked_for else []), *self._whole]

    @property
    def _pause(self) -> list[Chunk]:
        """A silence: nothing is sent, later."""
        return [Chunk(self.silence_s, "in", b"")]

    def _first(self, count: int) -> list[Chunk]:
        parts = self.parts[:count]
        if self.recording.wire in STREAMS:
            parts = [b"".join(parts)]
        return [self._sent(part) for part in parts]

    @staticmethod
    def _sent(data: bytes) -> Chunk:
        return Chunk(0, "in", data)

    def _with(self, chunks: Iterable[Chunk]) -> Recording:
        """Return the recording with these chunks, those before the reading at their own times.

        The chunks of one reading come at once.
        """
        at_s = 0.0
        entries: list[Entry] = []
        for place, chunk in enumerate(chunks):
            if place <= self.begin and chunk.data:
                at_s = max(at_s, self.recording.chunks[place].at_s)
            if chunk.data:
                entries.append(replace(chunk, at_s=at_s))
            else:
                at_s += max(chunk.at_s, 2 * JOINED_S)
        return replace(self.recording, entries=entries)


def with_shorter_pauses(recording: Recording, longest_s: float) -> Recording:
    """Return the recording with longer pauses shortened to that, in seconds."""
    entries: list[Entry] = []
    at_s = recorded_s = 0.0
    for chunk in recording.chunks:
        at_s += min(chunk.at_s - recorded_s, longest_s)
        recorded_s = chunk.at_s
        entries.append(replace(chunk, at_s=at_s))
    return replace(recording, entries=entries)


def places(count: int, limit: int) -> list[int]:
    """Return 1 to `count` - 1, or `limit` of them, evenly spread and with both ends."""
    if count - 1 <= limit:
        return list(range(1, count))
    return sorted({1 + round(step * (count - 2) / (limit - 1)) for step in range(limit)})


def _are_joined(one: Chunk, other: Chunk, apart_s: float) -> bool:
    return one.direction == other.direction == "in" and other.at_s - one.at_s < apart_s


def _pieces(data: Iterable[bytes], size: int) -> list[bytes]:
    return [chunk[at : at + size] for chunk in data for at in range(0, len(chunk), size)]
