"""Recordings of fingerprint scanners without fingerprints: image data is blanked."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from drivers.anonymize.anonymizer import Anonymized, join_chunks, replace_chunks
from drivers.anonymize.pseudonyms import CannotAnonymize, Pseudonymizer
from drivers.fingerprint.zfm.packets import Packet, PacketKind, PacketReader, encode_packet
from drivers.links.framing import DamagedFrame
from drivers.links.recording.recording import Chunk, Entry
from drivers.links.recording.usb_trace import Transfer, TransferType

MAX_ANSWER_BYTES = 64
"""Upper bound on an answer without image or template, in bytes."""
KEPT_PACKETS = 2
"""Number of leading interrupt bytes that are kept: the event code; the rest is undocumented."""


def zfm(settings: Any, entries: Sequence[Entry], pseudonymizer: Pseudonymizer) -> Anonymized:  # noqa: ARG001
    """Anonymizer of ZFM modules: commands and answers are kept, data becomes zeros."""
    received = _packets(join_chunks(entries, "in", 0).data, settings.address)
    sent = _packets(join_chunks(entries, "out", 0).data, settings.address)
    return Anonymized(replace_chunks(entries, in_=b"".join(received), out=b"".join(sent)))


def _packets(data: bytes, address: int) -> Iterator[bytes]:
    packets = PacketReader(address)
    for found in (*packets.feed(data), *packets.on_silence()):
        match found:
            case Packet(PacketKind.COMMAND | PacketKind.ACK, content, wire) if (
                len(content) <= MAX_ANSWER_BYTES
            ):
                yield wire
            case Packet(kind, content):
                yield encode_packet(kind, bytes(len(content)), address)
            case DamagedFrame(_, wire):
                yield bytes(len(wire))


def usb(settings: Any, entries: Sequence[Entry], pseudonymizer: Pseudonymizer) -> Anonymized:  # noqa: ARG001
    """Anonymizer of USB scanners: registers and sent data are kept, bulk data becomes zeros."""
    anonymized: list[Entry] = []
    for entry in entries:
        match entry:
            case Chunk():
                raise CannotAnonymize("it has chunks, and a USB scanner is recorded as transfers only")
            case Transfer(kind=TransferType.CONTROL) | Transfer(stage="submit"):
                anonymized.append(entry)
            case Transfer(kind=TransferType.INTERRUPT, data=data):
                anonymized.append(replace(entry, data=data[:KEPT_PACKETS].ljust(len(data), b"\0")))
            case Transfer(data=data):
                anonymized.append(replace(entry, data=bytes(len(data))))
    return Anonymized(anonymized)
