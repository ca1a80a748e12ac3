"""Recordings of fingerprint scanners without their fingers: what a scanner's pictures come in is blanked."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from drivers.anonymize.anonymizer import Anonymized, join_chunks, replace_chunks
from drivers.anonymize.pseudonyms import CannotAnonymize, Pseudonymizer
from drivers.fingerprint.zfm.packets import Packet, PacketKind, PacketReader, encode_packet
from drivers.links.framing import DamagedFrame
from drivers.links.recording.recording import Chunk, Entry
from drivers.links.recording.usb_trace import Transfer, TransferType

LONGEST_ANSWER = 64
"""No answer that is none of a picture or a template is longer, in bytes."""
KEPT_PACKETS = 2
"""So many bytes of an interrupt say what happened; the rest is not known."""


def zfm(settings: Any, entries: Sequence[Entry], pseudonymizer: Pseudonymizer) -> Anonymized:  # noqa: ARG001
    """See `drivers.anonymize.anonymizer.Scrubber`: commands and answers stay, data become zeros."""
    said = _packets(join_chunks(entries, "in", 0).data, settings.address)
    told = _packets(join_chunks(entries, "out", 0).data, settings.address)
    return Anonymized(replace_chunks(entries, in_=b"".join(said), out=b"".join(told)))


def _packets(data: bytes, address: int) -> Iterator[bytes]:
    packets = PacketReader(address)
    for found in (*packets.feed(data), *packets.on_silence()):
        match found:
            case Packet(PacketKind.COMMAND | PacketKind.ACK, content, wire) if len(content) <= LONGEST_ANSWER:
                yield wire
            case Packet(kind, content):
                yield encode_packet(kind, bytes(len(content)), address)
            case DamagedFrame(_, wire):
                yield bytes(len(wire))


def usb(settings: Any, entries: Sequence[Entry], pseudonymizer: Pseudonymizer) -> Anonymized:  # noqa: ARG001
    """See `drivers.anonymize.anonymizer.Scrubber`: registers stay and what is sent, bulk data become zeros."""
    scrubbed: list[Entry] = []
    for entry in entries:
        match entry:
            case Chunk():
                raise CannotAnonymize("there are chunks in it, and of a USB scanner only transfers are known")
            case Transfer(kind=TransferType.CONTROL) | Transfer(stage="submit"):
                scrubbed.append(entry)
            case Transfer(kind=TransferType.INTERRUPT, data=data):
                scrubbed.append(replace(entry, data=data[:KEPT_PACKETS].ljust(len(data), b"\0")))
            case Transfer(data=data):
                scrubbed.append(replace(entry, data=bytes(len(data))))
    return Anonymized(scrubbed)
