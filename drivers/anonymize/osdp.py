"""Anonymizer of OSDP readers: other card numbers of the same length, and no keys that were pressed.

Codes and layouts: IEC 60839-11-5 (OSDP 2.2), annexes A and B. A recording with a secure channel is refused:
its frames cannot be rewritten without the key.
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
"""Bytes before a card's bits: reader, format and number of bits."""
KEPT_REPLIES = frozenset({0x40, 0x41, 0x45, 0x46, 0x48, 0x49, 0x4A, 0x4B, 0x54, 0x79})
"""ACK, NAK, identification, capabilities, states, communication, busy."""
KEPT_COMMANDS = frozenset({0x60, 0x61, 0x62, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6A, 0x6E})
"""Polls, requests, outputs, lights, sounds and communication; not texts, which may hold a name."""
FILLING = b"\xff"
"""Fill byte between frames, for the line to settle."""


def osdp(settings: Any, entries: Sequence[Entry], pseudonymizer: Pseudonymizer) -> Anonymized:
    """Anonymizer of OSDP readers."""
    if settings.security != "clear":
        raise CannotAnonymize(
            "it is encrypted, and its frames cannot be rewritten: record it with a test card"
        )
    received = _frames(join_chunks(entries, "in", 0).data, pseudonymizer)
    sent = _frames(join_chunks(entries, "out", 0).data, pseudonymizer)
    return Anonymized(replace_chunks(entries, in_=b"".join(received), out=b"".join(sent)))


def _frames(data: bytes, pseudonymizer: Pseudonymizer) -> Iterator[bytes]:
    at = 0
    while at < len(data):
        frame = None
        if data[at] == SOM and len(data) >= at + 4:
            frame = OsdpFrame.parse(data[at : at + int.from_bytes(data[at + 2 : at + 4], "little")])
        if frame is not None:
            yield _anonymized(frame, pseudonymizer)
            at += len(frame.wire)
        else:
            yield FILLING if data[at : at + 1] == FILLING else b"\0"
            at += 1


def _anonymized(frame: OsdpFrame, pseudonymizer: Pseudonymizer) -> bytes:
    """Rewrite the data of a frame, unless it is known to describe the reader, with a right check."""
    if frame.code in (KEPT_REPLIES if frame.is_reply else KEPT_COMMANDS):
        return frame.wire
    control = frame.wire[4]
    start = 6 + (frame.wire[5] if control & HAS_BLOCK else 0)
    end = len(frame.wire) - (2 if control & USES_CRC else 1)
    data = frame.wire[start:end]
    other = _card(data, pseudonymizer) if frame.is_reply and frame.code == RAW else bytes(len(data))
    body = frame.wire[:start] + other
    if control & USES_CRC:
        return body + binascii.crc_hqx(body, 0x1D0F).to_bytes(2, "little")
    return body + bytes([-sum(body) % 256])


def _card(data: bytes, pseudonymizer: Pseudonymizer) -> bytes:
    """Return another card of as many bits; the padding after the last bit stays zero."""
    bits = data[BEFORE_BITS:]
    count = int.from_bytes(data[2:BEFORE_BITS], "little")
    other = bytearray(
        pseudonymizer.pseudonymous_number(f"card {at}", bits.hex(), 0, 255) for at in range(len(bits))
    )
    if other and 0 < len(bits) * 8 - count < 8:
        other[-1] &= 0xFF << (len(bits) * 8 - count) & 0xFF
    return data[:BEFORE_BITS] + bytes(other)
