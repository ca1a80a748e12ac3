"""Anonymization of recordings: personal data is replaced by pseudonyms, unknown content is blanked.

Every driver names its own anonymizer, because only its framing separates text from check bytes. A recording
of a driver without one is refused. Afterwards the whole recording is searched for the data that was replaced.
"""

import base64
import copy
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
"""Number of attempts: a pseudonym may by chance contain a name that is known only later in the recording."""
PLACEHOLDER = "/dev/null"
NOWHERE = {"usb": "usb:0000:0000", "tcp": "tcp://localhost:1"}
"""Address of no device on wires whose addresses are no paths."""
_NO_PORT = ("extra_forbidden", ("board", "port"))
"""Fault of a board without a port, such as a GPIO chip: its type and place."""
_ORIGINS = ("live", "simulated", "replayed")


@dataclass(frozen=True, slots=True)
class Anonymized:
    """Result of an anonymizer."""

    entries: list[Entry]
    decoded_texts: Sequence[str] = ()
    """Texts of the recording that are in no text encoding; they are searched as well."""


Anonymizer = Callable[[Any, Sequence[Entry], Pseudonymizer], Anonymized]
"""Function of the driver's settings, a recording's entries and a pseudonymizer; raises CannotAnonymize."""


def load_anonymizer(driver: type[Driver[Settings]], name: str) -> Anonymizer:
    """Return the anonymizer of a driver; raises CannotAnonymize when the driver names none."""
    if not driver.anonymizer:
        raise CannotAnonymize(
            f"the driver {name} has no anonymizer, so personal data in its exchange cannot be found: "
            "record it with a specimen"
        )
    module, _, function = driver.anonymizer.partition(":")
    anonymizer: Anonymizer = getattr(importlib.import_module(module), function)
    return anonymizer


def anonymize(recording: Recording, pseudonymizer: Callable[[], Pseudonymizer] = Pseudonymizer) -> Recording:
    """Return the recording without personal data; raises CannotAnonymize, and UnknownDriverError."""
    driver = load_driver(recording.driver)
    anonymizer = load_anonymizer(driver, recording.driver)
    settings = _settings(recording, driver.settings_model)
    marks: set[str] = set()
    for _ in range(ATTEMPTS):
        source = pseudonymizer()
        source.add_marks(*marks)
        done = anonymizer(settings, recording.entries, source)
        anonymized = replace(_anonymous_header(recording, driver, settings), entries=done.entries)
        # In an exchange with a code of its own, some numbers look like packed decimals and are none.
        packed = not done.decoded_texts
        if not any(
            _contains_mark(source.marks, place, packed)
            for place in _content_streams(anonymized, done.decoded_texts)
        ):
            return anonymized
        marks = source.marks
    raise CannotAnonymize(
        "a name or number of a person in it is also part of what must be kept, such as the device name, or "
        "it has too many people to invent others: record fewer documents, or one specimen"
    )


def _settings(recording: Recording, model: type[Settings]) -> Settings:
    """Return the settings of a recording, with an endpoint that does not exist; raises CannotAnonymize."""
    given = dict(recording.settings)
    given.pop("discovery", None)  # an address that is searched
    if (place := endpoint_key(model)) is not None:
        nowhere = "http://localhost" if place == "url" else "/dev/null"
        given = with_endpoint(given, place, NOWHERE.get(recording.wire, nowhere))
    while True:
        try:
            return model.model_validate(given)
        except ValidationError as error:
            faults = error.errors(include_input=False)
        missing = [fault["loc"] for fault in faults if fault["type"] == "missing"]
        portless = [fault for fault in faults if (fault["type"], fault["loc"]) == _NO_PORT]
        if len(missing) + len(portless) < len(faults):
            wrong = ", ".join(".".join(map(str, fault["loc"])) or fault["msg"] for fault in faults)
            raise CannotAnonymize(f"its settings do not fit the driver {recording.driver}: {wrong}")
        given = copy.deepcopy(given)
        if portless:
            del given["board"]["port"]
        for loc in missing:
            _insert_placeholder(given, loc, recording.driver)


def _insert_placeholder(given: dict[str, Any], loc: tuple[int | str, ...], driver: str) -> None:
    """Insert a text for a required setting that recordings leave out, such as a path or a user.

    No closed list has it: a missing framing stays an error.
    """
    *tables, name = loc
    inner: Any = given
    for key in tables:
        inner = inner.get(key) if isinstance(inner, dict) else None
    if not isinstance(inner, dict):
        raise CannotAnonymize(f"its settings do not fit the driver {driver}: {'.'.join(map(str, loc))}")
    inner[name] = PLACEHOLDER


def _anonymous_header(recording: Recording, driver: type[Driver[Settings]], settings: Settings) -> Recording:
    """Build a header of fields that are known to hold no personal data."""
    origin = re.split("[ ,]", recording.provenance)[0]
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
            name: value for name, value in recording.identity.items() if name in Identity.unredacted_fields
        },
        commands=asked,
    )


def keep_all(settings: Settings, entries: Sequence[Entry], pseudonymizer: Pseudonymizer) -> Anonymized:  # noqa: ARG001
    """Keep every entry: for devices that exchange no personal data, such as a barrier's board."""
    return Anonymized(list(entries))


# One direction as a whole: a text may be spread over several chunks.


@dataclass(frozen=True, slots=True)
class ByteStream:
    """All bytes of one direction."""

    data: bytes
    gaps: tuple[int, ...]
    """Offsets that follow a silence longer than the gap."""

    def segments(self) -> Iterator[tuple[int, bytes]]:
        """Yield the bytes between silences, each with its offset."""
        for start, stop in pairwise((0, *self.gaps, len(self.data))):
            yield start, self.data[start:stop]


def join_chunks(entries: Iterable[Entry], direction: Direction, gap_s: float) -> ByteStream:
    """Join the bytes of one direction."""
    data, silences, last_s = bytearray(), [], None
    for entry in entries:
        if isinstance(entry, Chunk) and entry.direction == direction:
            if last_s is not None and entry.at_s - last_s > gap_s:
                silences.append(len(data))
            data += entry.data
            last_s = entry.at_s
    return ByteStream(bytes(data), tuple(silences))


def replace_chunks(entries: Iterable[Entry], **streams: bytes) -> list[Entry]:
    """Return the same chunks with other bytes of the same length: `in_` from the device, `out` to it."""
    new = {"in": streams["in_"], "out": streams["out"]}
    done = {"in": 0, "out": 0}
    written: list[Entry] = []
    for entry in entries:
        if not isinstance(entry, Chunk):
            raise CannotAnonymize("it has USB transfers, and this device is not on USB")
        size = len(entry.data)
        at = done[entry.direction]
        data, done[entry.direction] = new[entry.direction][at : at + size], at + size
        if len(data) != size:
            raise AssertionError("an anonymizer must keep every length")
        written.append(replace(entry, data=data))
    return written


# Search for personal data.


def _content_streams(recording: Recording, read: Iterable[str]) -> Iterator[bytes]:
    """Yield all content of the file, each stream by itself."""
    for word in _header_texts(
        [recording.settings, recording.identity, recording.commands, recording.provenance]
    ):
        yield word.encode()
    for direction in ("in", "out"):
        yield b"".join(chunk.data for chunk in recording.chunks if chunk.direction == direction)
    for endpoint in {transfer.endpoint for transfer in recording.transfers}:
        yield b"".join(transfer.data for transfer in recording.transfers if transfer.endpoint == endpoint)
    for text in read:
        yield text.encode()


def _header_texts(value: object) -> Iterator[str]:
    """Yield the texts of a header, without field names: a person may be called Null."""
    match value:
        case str():
            yield value
        case dict():
            for inner in value.values():
                yield from _header_texts(inner)
        case list() | tuple():
            for inner in value:
                yield from _header_texts(inner)


def _contains_mark(marks: Iterable[str], place: bytes, packed: bool) -> bool:
    """Return true when a mark is found as text, UTF-16, hexadecimal or base64 of text, or packed decimals."""
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
    """Yield the base64 of a mark at every offset, without the characters that depend on its neighbours."""
    for before in range(3):
        coded = base64.b64encode(bytes(before) + mark)
        inner = coded[-(-before * 8 // 6) : (before + len(mark)) * 8 // 6]
        if len(inner) >= len(mark):
            yield inner
