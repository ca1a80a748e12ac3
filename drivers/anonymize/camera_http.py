"""Recordings of cameras over HTTP: requests and times are kept, all contents are blanked."""

from collections.abc import Sequence
from typing import Any

from drivers.anonymize.anonymizer import Anonymized
from drivers.anonymize.pseudonyms import CannotAnonymize, Pseudonymizer
from drivers.links.recording.recording import Chunk, Entry

STATUS_BYTES = 3


def blank_contents(settings: Any, entries: Sequence[Entry], pseudonymizer: Pseudonymizer) -> Anonymized:  # noqa: ARG001
    """Anonymizer of HTTP cameras. Queries are blanked too: they may hold a password or a plate."""
    anonymized: list[Entry] = []
    begins = False
    for entry in entries:
        if not isinstance(entry, Chunk):
            raise CannotAnonymize("it has USB transfers, and this device is not on USB")
        line, end, body = entry.data.partition(b"\n")
        if entry.direction == "out":
            path, _, query = line.partition(b"?")
            kept = path + (b"?" + bytes(len(query)) if b"?" in line else b"")
            data, begins = kept + end + bytes(len(body)), True
        elif begins:
            data, begins = line[:STATUS_BYTES].ljust(len(line)) + end + bytes(len(body)), False
        else:
            data = bytes(len(entry.data))
        anonymized.append(Chunk(entry.at_s, entry.direction, data))
    return Anonymized(anonymized)
