"""Recordings of the driver `mrz-serial`, by framing: the frame stays, and its text is replaced."""

import re
from collections.abc import Callable, Iterable, Sequence
from functools import reduce
from operator import xor
from typing import Any

from drivers.anonymize.anonymizer import Scrubbed, Stream, stream, with_streams
from drivers.anonymize.pseudonyms import CannotScrub, Inventor, masked
from drivers.anonymize.text import scrubbed_text
from drivers.links.framing import CHECK_BYTE, MALFORMED, OTHER, Damaged, Frame, Framing
from drivers.links.recording.recording import Entry
from drivers.passport import elyctis
from drivers.passport.framings import AccessIs, Elyctis, Rte

CHIP = (
    "what crosses a chip reader is encrypted under keys made from the holder's data, and nobody can prove "
    "that it names nobody: record the reader without `chip`"
)
_RTE_HEAD = re.compile(rb"\x01..OU\x02.", re.DOTALL)
_ELYCTIS_SAYS = elyctis.PRODUCT + elyctis.SERIAL_NUMBER + elyctis.FIRMWARE + elyctis.CONTINUOUS
"""What an Elyctis says of itself."""
_ELYCTIS_ASKED = re.compile(rb"[ILVRTW]\x00\x00|C\x00\x01[\x00\x01]")


def mrz_serial(settings: Any, entries: Sequence[Entry], inventor: Inventor) -> Scrubbed:
    """See `drivers.anonymize.anonymizer.Scrubber`."""
    if settings.chip is not None:
        raise CannotScrub(CHIP)
    said, told = stream(entries, "in", settings.gap_s), stream(entries, "out", settings.gap_s)
    asked = masked(told.data)
    match settings.framing:
        case "text":
            new = b"".join(scrubbed_text(piece, inventor) for _, piece in said.pieces())
        case "accessis":
            new = _framed(AccessIs(), said, lambda frame: _access_is(frame, inventor))
        case "rte":
            new = _framed(Rte(settings.bcc), said, lambda frame: _rte(frame, settings.bcc, inventor))
        case _:  # elyctis
            new = _framed(Elyctis(), said, lambda frame: _elyctis(frame, inventor))
            asked = kept(told.data, _ELYCTIS_ASKED)
    return Scrubbed(with_streams(entries, in_=new, out=asked))


def kept(data: bytes, known: re.Pattern[bytes]) -> bytes:
    """What is known stays, between it all is masked."""
    new, end = b"", 0
    for found in known.finditer(data):
        new += masked(data[end : found.start()]) + found[0]
        end = found.end()
    return new + masked(data[end:])


def _framed(framing: Framing, said: Stream, replaced: Callable[[Frame], bytes]) -> bytes:
    """Every frame replaced, sound or not; these framings give every byte back in its order."""
    return b"".join(replaced(frame) for _, piece in said.pieces() for frame in _frames(framing, piece))


def _frames(framing: Framing, piece: bytes) -> Iterable[Frame]:
    yield from framing.feed(piece)
    yield from framing.silence()


def _fault(frame: Frame) -> str | None:
    return frame.fault if isinstance(frame, Damaged) else None


def _access_is(frame: Frame, inventor: Inventor) -> bytes:
    """Start and end stay; what is no zone, such as a barcode, is masked."""
    wire = frame.wire
    if not re.match(rb"[\x1c\x0e\x1e]\x02", wire):
        return masked(wire)
    end = 2 if _fault(frame) in (None, OTHER) else 0
    body = wire[2 : len(wire) - end]
    text = scrubbed_text(body, inventor) if wire[:1] == b"\x1c" else masked(body)
    return wire[:2] + text + wire[len(wire) - end :]


def _rte(frame: Frame, bcc: str, inventor: Inventor) -> bytes:
    """The head stays, and a check byte that was right is right again."""
    wire = frame.wire
    head = _RTE_HEAD.match(wire)
    if head is None:
        return masked(wire)
    if _fault(frame) not in (None, CHECK_BYTE, MALFORMED):
        return head[0] + scrubbed_text(wire[head.end() :], inventor)
    etx = wire.index(b"\x03", head.end())
    new = head[0] + scrubbed_text(wire[head.end() : etx], inventor) + b"\x03"
    if bcc == "none":
        return new
    right, was_right = reduce(xor, new[1:]), reduce(xor, wire[1 : etx + 1]) == wire[etx + 1]
    # Of a check byte of another kind nobody knows how to make one; left as it is it would tell of the text.
    return new + bytes([right if was_right else right ^ 0xFF if bcc == "xor" else 0])


def _elyctis(frame: Frame, inventor: Inventor) -> bytes:
    """Command and length stay, and what the reader says of itself."""
    wire = frame.wire
    if not re.match(rb"[ILCVWRT]\x00", wire):
        return masked(wire)
    if _fault(frame) is None and wire[:1] in _ELYCTIS_SAYS:
        return wire
    return wire[:3] + scrubbed_text(wire[3:], inventor)
