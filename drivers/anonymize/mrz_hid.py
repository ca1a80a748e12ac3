"""Anonymizer of the driver `mrz-hid`: events of uhid, whose reports carry parts of texts.

The layout of the reports comes from the report descriptor, the first thing that a reader sends. Id, lengths
and flags of a report are kept and its text is replaced; its other bytes are blanked, as they may be those of
an earlier, longer text.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from drivers.anonymize.anonymizer import Anonymized, ByteStream, join_chunks, replace_chunks
from drivers.anonymize.mrz_serial import CHIP, access_is, framed
from drivers.anonymize.pseudonyms import CannotAnonymize, Pseudonymizer, mask
from drivers.anonymize.text import anonymize_text
from drivers.links.hid.descriptor import DescriptorError, parse_descriptor
from drivers.links.hid.uhid import (
    INPUT_HEAD_BYTES,
    OPEN_EVENT,
    SET_REPORT_HEAD_BYTES,
    EventStream,
    parse_create,
    parse_input,
)
from drivers.links.link import LinkError
from drivers.links.recording.recording import Entry
from drivers.passport.framings import AccessIsFraming
from drivers.passport.hid.framing import FRAMED, is_barcode
from drivers.passport.hid.layouts import Piece, ReportLayout, choose_layout

MIDWAY = (
    "it does not contain the report descriptor of the reader, so the text in its reports cannot be found: "
    "record it from the beginning, with borderpost record and a restart of the device"
)


@dataclass(frozen=True, slots=True)
class _Place:
    """Text of one report, and its offset in the bytes of its segment."""

    at: int
    piece: Piece


def mrz_hid(settings: Any, entries: Sequence[Entry], pseudonymizer: Pseudonymizer) -> Anonymized:
    """Anonymizer of readers in HID mode."""
    if settings.chip is not None:
        raise CannotAnonymize(CHIP)
    received, sent = join_chunks(entries, "in", settings.gap_s), join_chunks(entries, "out", settings.gap_s)
    new, texts = bytearray(), list[str]()
    layout: ReportLayout | None = None
    for _, piece in received.segments():
        segment, places = bytearray(), list[_Place]()
        for event in EventStream().feed(piece):
            if (info := parse_create(event)) is not None:
                layout = _layout(settings, info.descriptor, info.vendor_id)
                segment += event
            elif (report := parse_input(event)) is not None:
                if layout is None:
                    raise CannotAnonymize(MIDWAY)
                if isinstance(found := layout.piece(report), Piece):
                    places.append(_Place(len(segment) + INPUT_HEAD_BYTES + found.start, found))
                segment += event[:INPUT_HEAD_BYTES] + layout.frame_of(report)
            else:
                segment += bytes(len(event))
        if layout is not None:
            for place, text in _replaced(layout, places, pseudonymizer):
                segment[place.at : place.at + len(text)] = text
                texts.append(text.decode("latin-1"))
        new += segment.ljust(len(piece), b"\0")
    whole = "".join(texts)
    return Anonymized(replace_chunks(entries, in_=bytes(new), out=_sent(sent)), [whole])


def _layout(settings: Any, descriptor: bytes, vendor_id: int) -> ReportLayout:
    try:
        return choose_layout(parse_descriptor(descriptor), settings.format, vendor_id, "the recording")
    except (DescriptorError, LinkError) as error:
        raise CannotAnonymize(f"the layout of its reports is unknown: {error}") from error


def _replaced(
    layout: ReportLayout, places: Sequence[_Place], pseudonymizer: Pseudonymizer
) -> Iterator[tuple[_Place, bytes]]:
    """Yield the places of a segment with the text that replaces theirs."""
    if layout.name == "accessis":
        yield from _put_back(
            places, _access_is(b"".join(place.piece.text for place in places), pseudonymizer)
        )
        return
    for kind, group in groupby(_messages(places), _kind):
        messages = list(group)
        texts = [b"".join(place.piece.text for place in message) for message in messages]
        if kind == "text":  # rows of one zone may be a message each
            joined = anonymize_text(b"\r".join(texts), pseudonymizer)
            offsets = [sum(len(text) + 1 for text in texts[:number]) for number in range(len(texts))]
            new = [joined[at : at + len(text)] for at, text in zip(offsets, texts, strict=True)]
        else:
            new = [mask(text) if kind == "barcode" else _access_is(text, pseudonymizer) for text in texts]
        for message, text in zip(messages, new, strict=True):
            yield from _put_back(message, text)


def _messages(places: Sequence[_Place]) -> Iterator[list[_Place]]:
    """Yield the places of each text of a scanner."""
    message: list[_Place] = []
    for place in places:
        if message and message[-1].piece.symbology != place.piece.symbology:
            yield message
            message = []
        message.append(place)
        if not place.piece.continues:
            yield message
            message = []
    if message:
        yield message


def _kind(message: Sequence[_Place]) -> str:
    text = b"".join(place.piece.text for place in message)
    if FRAMED.match(text):
        return "framed"
    return "barcode" if is_barcode(message[0].piece.symbology) else "text"


def _access_is(text: bytes, pseudonymizer: Pseudonymizer) -> bytes:
    return framed(AccessIsFraming(), ByteStream(text, ()), lambda frame: access_is(frame, pseudonymizer))


def _put_back(places: Sequence[_Place], text: bytes) -> Iterator[tuple[_Place, bytes]]:
    """Yield each place with its part of a text."""
    at = 0
    for place in places:
        yield place, text[at : at + len(place.piece.text)]
        at += len(place.piece.text)


def _sent(sent: ByteStream) -> bytes:
    """Keep the opening, and of output reports the id and the first byte."""
    new = bytearray()
    for event in EventStream().feed(sent.data):
        kept = len(OPEN_EVENT) if event == OPEN_EVENT else SET_REPORT_HEAD_BYTES + 2
        new += event[:kept].ljust(len(event), b"\0")
    return bytes(new.ljust(len(sent.data), b"\0"))
