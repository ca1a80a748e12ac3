"""Recordings of OSDP readers without their cards: other numbers, as long, and no keys that were pressed.

Codes and layouts: IEC 60839-11-5 (OSDP 2.2), annexes A and B. With a secure channel nobody can make a frame
anew without its key: refused.
"""

import binascii
from collections.abc import Iterator, Sequence
from typing import Any

from drivers.access.osdp.frames import HAS_BLOCK, SOM, USES_CRC, OsdpFrame
from drivers.anonymize.anonymizer import Anonymized, join_chunks, replace_chunks
from drivers.anonymize.pseudonyms import CannotAnonymize, Pseudonymizer
from drivers.links.recording.recording import Entry

RAW = 0x50
BEFORE_BITS = 4
"""Reader, format and number of bits stand before the bits of a card."""
KEPT_REPLIES = frozenset({0x40, 0x41, 0x45, 0x46, 0x48, 0x49, 0x4A, 0x4B, 0x54, 0x79})
"""ACK, NAK, identification, capabilities, states, communication, busy."""
KEPT_COMMANDS = frozenset({0x60, 0x61, 0x62, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6A, 0x6E})
"""Polls, questions, outputs, lights, sounds and communication; not texts, which may greet somebody."""
FILLING = b"\xff"
"""What stands between frames for the line to settle."""


def osdp(settings: Any, entries: Sequence[Entry], pseudonymizer: Pseudonymizer) -> Anonymized:
    """See `drivers.anonymize.anonymizer.Scrubber`."""
    if settings.security != "clear":
        raise CannotAnonymize(
            "it is encrypted, and no frame of it can be made anew: record it with a test card"
        )
    said = _frames(join_chunks(entries, "in", 0).data, pseudonymizer)
    told = _frames(join_chunks(entries, "out", 0).data, pseudonymizer)
    return Anonymized(replace_chunks(entries, in_=b"".join(said), out=b"".join(told)))


def _frames(data: bytes, inventor: Pseudonymizer) -> Iterator[bytes]:
    at = 0
    while at < len(data):
        frame = None
        if data[at] == SOM and len(data) >= at + 4:
            frame = OsdpFrame.parse(data[at : at + int.from_bytes(data[at + 2 : at + 4], "little")])
        if frame is not None:
            yield _scrubbed(frame, inventor)
            at += len(frame.wire)
        else:
            yield FILLING if data[at : at + 1] == FILLING else b"\0"
            at += 1


def _scrubbed(frame: OsdpFrame, inventor: Pseudonymizer) -> bytes:
    """The frame with other data, where it is not known to be about the reader, and a right check."""
    if frame.code in (KEPT_REPLIES if frame.is_reply else KEPT_COMMANDS):
        return frame.wire
    control = frame.wire[4]
    start = 6 + (frame.wire[5] if control & HAS_BLOCK else 0)
    end = len(frame.wire) - (2 if control & USES_CRC else 1)
    data = frame.wire[start:end]
    other = _card(data, inventor) if frame.is_reply and frame.code == RAW else bytes(len(data))
    body = frame.wire[:start] + other
    if control & USES_CRC:
        return body + binascii.crc_hqx(body, 0x1D0F).to_bytes(2, "little")
    return body + bytes([-sum(body) % 256])


def _card(data: bytes, inventor: Pseudonymizer) -> bytes:
    """Another card of as many bits; those after the last stay zero."""
    bits = data[BEFORE_BITS:]
    count = int.from_bytes(data[2:BEFORE_BITS], "little")
    other = bytearray(
        inventor.pseudonymous_number(f"card {at}", bits.hex(), 0, 255) for at in range(len(bits))
    )
    if other and 0 < len(bits) * 8 - count < 8:
        other[-1] &= 0xFF << (len(bits) * 8 - count) & 0xFF
    return data[:BEFORE_BITS] + bytes(other)
