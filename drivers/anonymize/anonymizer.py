"""Takes people out of recordings: who is invented takes their place, and what is not understood is blanked.

Every driver names its own scrubber, because only its framing tells what is text and what is a check byte; a
driver that names none is refused. Afterwards the whole recording is searched for everybody who was in it.
"""

import base64
import importlib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from pydantic import ValidationError

from drivers.anonymize.pseudonyms import CannotAnonymize, Pseudonymizer
from drivers.driver import Driver, Identity
from drivers.links.link import Direction
from drivers.links.recording.endpoints import endpoint_key, with_endpoint
from drivers.links.recording.recording import Chunk, Entry, Recording
from drivers.links.settings import Settings
from drivers.registry import load_driver

ATTEMPTS = 8
"""An invention may by chance contain what it replaces; so often others are tried."""
_ORIGINS = ("live", "simulated", "replayed")


@dataclass(frozen=True, slots=True)
class Anonymized:
    """What is left of a recording."""

    entries: list[Entry]
    decoded_texts: Sequence[str] = ()
    """What the wire says where that is in no encoding of text: searched as well."""


Anonymizer = Callable[[Any, Sequence[Entry], Pseudonymizer], Anonymized]
"""Takes the driver's settings, a recording's entries, and who invents; raises CannotScrub."""


def load_anonymizer(driver: type[Driver[Settings]], name: str) -> Anonymizer:
    """What takes people out of a driver's recordings; raises CannotScrub where there is nothing that does."""
    if not driver.anonymizer:
        raise CannotAnonymize(
            f"nobody knows where people are in what the driver {name} exchanges: record it with a specimen"
        )
    module, _, function = driver.anonymizer.partition(":")
    scrubber: Anonymizer = getattr(importlib.import_module(module), function)
    return scrubber


def anonymize(recording: Recording, pseudonymizer: Callable[[], Pseudonymizer] = Pseudonymizer) -> Recording:
    """The same recording without its people; raises CannotScrub, and UnknownDriverError."""
    driver = load_driver(recording.driver)
    scrubber = load_anonymizer(driver, recording.driver)
    settings = _settings(recording, driver.settings_model)
    for _ in range(ATTEMPTS):
        inventing = pseudonymizer()
        done = scrubber(settings, recording.entries, inventing)
        scrubbed = replace(_headed(recording, driver, settings), entries=done.entries)
        # Where a wire has a code of its own, its numbers are no packed decimals, though some look like them.
        packed = not done.decoded_texts
        if not any(_found(inventing.marks, place, packed) for place in _places(scrubbed, done.decoded_texts)):
            return scrubbed
    raise CannotAnonymize(
        "a name or number of somebody in it is also part of what must stay, such as the device's own name: "
        "record it with a specimen"
    )


def _settings(recording: Recording, model: type[Settings]) -> Settings:
    """A recording's settings, of a device that is nowhere; raises CannotScrub."""
    given = recording.settings
    if (place := endpoint_key(model)) is not None:
        nowhere = "http://localhost" if place == "url" else "/dev/null"
        given = with_endpoint(given, place, "usb:0000:0000" if recording.wire == "usb" else nowhere)
    try:
        return model.model_validate(given)
    except ValidationError as error:
        wrong = ", ".join(".".join(map(str, fault["loc"])) for fault in error.errors(include_input=False))
        raise CannotAnonymize(f"its settings are none of the driver {recording.driver}: {wrong}") from None


def _headed(recording: Recording, driver: type[Driver[Settings]], settings: Settings) -> Recording:
    """A head of what is known to name nobody."""
    origin = recording.provenance.partition(" ")[0]
    asked = recording.commands
    if asked is not None:
        command = driver.commands.get(asked[0])
        shown = frozenset() if command is None else command.arguments_type.unredacted_fields
        asked = asked[0], {name: value for name, value in asked[1].items() if name in shown}
    return replace(
        recording,
        people="anonymized",
        provenance=origin if origin in _ORIGINS else "by hand",
        settings=settings.public_values(),
        identity={
            name: said for name, said in recording.identity.items() if name in Identity.unredacted_fields
        },
        commands=asked,
    )


def keep_all(settings: Settings, entries: Sequence[Entry], pseudonymizer: Pseudonymizer) -> Anonymized:  # noqa: ARG001
    """The scrubber of a device whose wire tells of nobody: a barrier's board knows contacts."""
    return Anonymized(list(entries))


# One direction of a wire as a whole: what is looked for may lie across chunks.


@dataclass(frozen=True, slots=True)
class ByteStream:
    """All that went one way."""

    data: bytes
    gaps: tuple[int, ...]
    """Offsets before which nothing came for longer than the gap."""

    def segments(self) -> Iterator[tuple[int, bytes]]:
        """What came between silences, with its offset."""
        for start, stop in pairwise((0, *self.gaps, len(self.data))):
            yield start, self.data[start:stop]


def join_chunks(entries: Iterable[Entry], direction: Direction, gap_s: float) -> ByteStream:
    """Join what went one way."""
    data, silences, last_s = bytearray(), [], None
    for entry in entries:
        if isinstance(entry, Chunk) and entry.direction == direction:
            if last_s is not None and entry.at_s - last_s > gap_s:
                silences.append(len(data))
            data += entry.data
            last_s = entry.at_s
    return ByteStream(bytes(data), tuple(silences))


def replace_chunks(entries: Iterable[Entry], **streams: bytes) -> list[Entry]:
    """The same chunks with other bytes, as many as before: `in_` from the device, `out` to it."""
    rest = {"in": streams["in_"], "out": streams["out"]}
    written: list[Entry] = []
    for entry in entries:
        if not isinstance(entry, Chunk):
            raise CannotAnonymize("there are USB transfers in it, and this device is on no USB")
        size = len(entry.data)
        data, rest[entry.direction] = rest[entry.direction][:size], rest[entry.direction][size:]
        if len(data) != size:
            raise AssertionError("a scrubber keeps every length")
        written.append(replace(entry, data=data))
    return written


# The search.


def _places(recording: Recording, read: Iterable[str]) -> Iterator[bytes]:
    """Everything that the file says, each stream by itself."""
    for word in _words([recording.settings, recording.identity, recording.commands, recording.provenance]):
        yield word.encode()
    for direction in ("in", "out"):
        yield b"".join(chunk.data for chunk in recording.chunks if chunk.direction == direction)
    for endpoint in {transfer.endpoint for transfer in recording.transfers}:
        yield b"".join(transfer.data for transfer in recording.transfers if transfer.endpoint == endpoint)
    for text in read:
        yield text.encode()


def _words(value: object) -> Iterator[str]:
    """The texts of a head. What its fields are called is ours: somebody may be called Null."""
    match value:
        case str():
            yield value
        case dict():
            for inner in value.values():
                yield from _words(inner)
        case list() | tuple():
            for inner in value:
                yield from _words(inner)


def _found(marks: Iterable[str], place: bytes, packed: bool) -> bool:
    """Whether a mark is there as text, in UTF-16, as hexadecimal or base64 of text, or as packed decimals."""
    text = place.replace(b"\0", b"").upper()
    digits = place.hex() if packed else ""
    words = re.findall(rb"[0-9A-F]{8,}", text)
    for mark in marks:
        sought = mark.upper().encode()
        if sought in text or (mark.isdigit() and mark in digits):
            return True
        if any(sought.hex().upper().encode() in word for word in words):
            return True
        if any(part in place for part in _base64(sought)):
            return True
    return False


def _base64(mark: bytes) -> Iterator[bytes]:
    """What base64 makes of a mark wherever it begins, without what its neighbours change too."""
    for before in range(3):
        coded = base64.b64encode(bytes(before) + mark)
        inner = coded[-(-before * 8 // 6) : (before + len(mark)) * 8 // 6]
        if len(inner) >= len(mark):
            yield inner
