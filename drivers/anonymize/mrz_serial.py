"""Recordings of the driver `mrz-serial`, by framing: the frame stays, and its text is replaced."""

import re
from collections.abc import Callable, Iterable, Sequence
from functools import reduce
from operator import xor
from typing import Any

from drivers.anonymize.anonymizer import Anonymized, ByteStream, join_chunks, replace_chunks
from drivers.anonymize.pseudonyms import CannotAnonymize, Pseudonymizer, mask
from drivers.anonymize.text import anonymize_text
from drivers.links.framing import CHECK_BYTE, MALFORMED, OTHER_CONTENT, DamagedFrame, Frame, Framing
from drivers.links.recording.recording import Entry
from drivers.passport import elyctis
from drivers.passport.framings import AccessIsFraming, ElyctisFraming, RteFraming

CHIP = (
    "what crosses a chip reader is encrypted under keys made from the holder's data, and nobody can prove "
    "that it names nobody: record the reader without `chip`"
)
_RTE_HEAD = re.compile(rb"\x01..OU\x02.", re.DOTALL)
_ELYCTIS_SAYS = elyctis.PRODUCT + elyctis.SERIAL_NUMBER + elyctis.FIRMWARE + elyctis.CONTINUOUS
"""What an Elyctis says of itself."""
_ELYCTIS_ASKED = re.compile(rb"[ILVRTW]\x00\x00|C\x00\x01[\x00\x01]")


def mrz_serial(settings: Any, entries: Sequence[Entry], pseudonymizer: Pseudonymizer) -> Anonymized:
    """See `drivers.anonymize.anonymizer.Scrubber`."""
    if settings.chip is not None:
        raise CannotAnonymize(CHIP)
    said, told = join_chunks(entries, "in", settings.gap_s), join_chunks(entries, "out", settings.gap_s)
    asked = mask(told.data)
    match settings.framing:
        case "text":
            new = b"".join(anonymize_text(piece, pseudonymizer) for _, piece in said.segments())
        case "accessis":
            new = _framed(AccessIsFraming(), said, lambda frame: _access_is(frame, pseudonymizer))
        case "rte":
            new = _framed(
                RteFraming(settings.bcc), said, lambda frame: _rte(frame, settings.bcc, pseudonymizer)
            )
        case _:  # elyctis
            new = _framed(ElyctisFraming(), said, lambda frame: _elyctis(frame, pseudonymizer))
            asked = keep_known(told.data, _ELYCTIS_ASKED)
    return Anonymized(replace_chunks(entries, in_=new, out=asked))


def keep_known(data: bytes, known: re.Pattern[bytes]) -> bytes:
    """What is known stays, between it all is masked."""
    new, end = b"", 0
    for found in known.finditer(data):
        new += mask(data[end : found.start()]) + found[0]
        end = found.end()
    return new + mask(data[end:])


def _framed(framing: Framing, said: ByteStream, replaced: Callable[[Frame], bytes]) -> bytes:
    """Every frame replaced, sound or not; these framings give every byte back in its order."""
    return b"".join(replaced(frame) for _, piece in said.segments() for frame in _frames(framing, piece))


def _frames(framing: Framing, piece: bytes) -> Iterable[Frame]:
    yield from framing.feed(piece)
    yield from framing.on_silence()


def _fault(frame: Frame) -> str | None:
    return frame.fault if isinstance(frame, DamagedFrame) else None


def _access_is(frame: Frame, inventor: Pseudonymizer) -> bytes:
    """Start and end stay; what is no zone, such as a barcode, is masked."""
    wire = frame.wire
    if not re.match(rb"[\x1c\x0e\x1e]\x02", wire):
        return mask(wire)
    end = 2 if _fault(frame) in (None, OTHER_CONTENT) else 0
    body = wire[2 : len(wire) - end]
    text = anonymize_text(body, inventor) if wire[:1] == b"\x1c" else mask(body)
    return wire[:2] + text + wire[len(wire) - end :]


def _rte(frame: Frame, bcc: str, inventor: Pseudonymizer) -> bytes:
    """The head stays, and a check byte that was right is right again."""
    wire = frame.wire
    head = _RTE_HEAD.match(wire)
    if head is None:
        return mask(wire)
    if _fault(frame) not in (None, CHECK_BYTE, MALFORMED):
        return head[0] + anonymize_text(wire[head.end() :], inventor)
    etx = wire.index(b"\x03", head.end())
    new = head[0] + anonymize_text(wire[head.end() : etx], inventor) + b"\x03"
    if bcc == "none":
        return new
    right, was_right = reduce(xor, new[1:]), reduce(xor, wire[1 : etx + 1]) == wire[etx + 1]
    # Of a check byte of another kind nobody knows how to make one; left as it is it would tell of the text.
    return new + bytes([right if was_right else right ^ 0xFF if bcc == "xor" else 0])


def _elyctis(frame: Frame, inventor: Pseudonymizer) -> bytes:
    """Command and length stay, and what the reader says of itself."""
    wire = frame.wire
    if not re.match(rb"[ILCVWRT]\x00", wire):
        return mask(wire)
    if _fault(frame) is None and wire[:1] in _ELYCTIS_SAYS:
        return wire
    return wire[:3] + anonymize_text(wire[3:], inventor)
