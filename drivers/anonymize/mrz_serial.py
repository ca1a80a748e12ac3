"""Anonymizer of the driver `mrz-serial`, by framing: frames are kept, their text is replaced."""

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
from drivers.passport.framings import AccessIsFraming, ElyctisFraming, RteFraming
from drivers.passport.serial_format import elyctis

CHIP = (
    "the exchange with a chip reader is encrypted under keys made from the holder's data, so it cannot be "
    "shown to be free of personal data: record the reader without `chip`"
)
_RTE_HEAD = re.compile(rb"\x01..OU\x02.", re.DOTALL)
_ELYCTIS_ANSWERS = elyctis.PRODUCT + elyctis.SERIAL_NUMBER + elyctis.FIRMWARE + elyctis.CONTINUOUS
"""Answers of an Elyctis about itself."""
_ELYCTIS_COMMANDS = re.compile(rb"[ILVRTW]\x00\x00|C\x00\x01[\x00\x01]")


def mrz_serial(settings: Any, entries: Sequence[Entry], pseudonymizer: Pseudonymizer) -> Anonymized:
    """Anonymizer of readers on a serial line."""
    if settings.chip is not None:
        raise CannotAnonymize(CHIP)
    received, sent = join_chunks(entries, "in", settings.gap_s), join_chunks(entries, "out", settings.gap_s)
    asked = mask(sent.data)
    match settings.framing:
        case "text":
            new = b"".join(anonymize_text(piece, pseudonymizer) for _, piece in received.segments())
        case "accessis":
            new = framed(AccessIsFraming(), received, lambda frame: access_is(frame, pseudonymizer))
        case "rte":
            new = framed(
                RteFraming(settings.bcc), received, lambda frame: _rte(frame, settings.bcc, pseudonymizer)
            )
        case _:  # elyctis
            new = framed(ElyctisFraming(), received, lambda frame: _elyctis(frame, pseudonymizer))
            asked = keep_known(sent.data, _ELYCTIS_COMMANDS)
    return Anonymized(replace_chunks(entries, in_=new, out=asked))


def keep_known(data: bytes, known: re.Pattern[bytes]) -> bytes:
    """Keep the known parts and mask everything between them."""
    new, end = [], 0
    for found in known.finditer(data):
        new += [mask(data[end : found.start()]), found[0]]
        end = found.end()
    return b"".join([*new, mask(data[end:])])


def framed(framing: Framing, received: ByteStream, replaced: Callable[[Frame], bytes]) -> bytes:
    """Replace every frame, sound or not; these framings return every byte in its order."""
    return b"".join(replaced(frame) for _, piece in received.segments() for frame in _frames(framing, piece))


def _frames(framing: Framing, piece: bytes) -> Iterable[Frame]:
    yield from framing.feed(piece)
    yield from framing.on_silence()


def _fault(frame: Frame) -> str | None:
    return frame.fault if isinstance(frame, DamagedFrame) else None


def access_is(frame: Frame, pseudonymizer: Pseudonymizer) -> bytes:
    """Keep start and end; content that is no zone, such as a barcode, is masked."""
    wire = frame.wire
    if not re.match(rb"[\x1c\x0e\x1e]\x02", wire):
        return mask(wire)
    end = 2 if _fault(frame) in (None, OTHER_CONTENT) else 0
    body = wire[2 : len(wire) - end]
    text = anonymize_text(body, pseudonymizer) if wire[:1] == b"\x1c" else mask(body)
    return wire[:2] + text + wire[len(wire) - end :]


def _rte(frame: Frame, bcc: str, pseudonymizer: Pseudonymizer) -> bytes:
    """Keep the header; a right check byte stays right."""
    wire = frame.wire
    head = _RTE_HEAD.match(wire)
    if head is None:
        return mask(wire)
    if _fault(frame) not in (None, CHECK_BYTE, MALFORMED):
        return head[0] + anonymize_text(wire[head.end() :], pseudonymizer)
    etx = wire.index(b"\x03", head.end())
    new = head[0] + anonymize_text(wire[head.end() : etx], pseudonymizer) + b"\x03"
    if bcc == "none":
        return new
    right, was_right = reduce(xor, new[1:]), reduce(xor, wire[1 : etx + 1]) == wire[etx + 1]
    # A check byte of an unknown kind cannot be recomputed; the old one would reveal something of the text.
    return new + bytes([right if was_right else right ^ 0xFF if bcc == "xor" else 0])


def _elyctis(frame: Frame, pseudonymizer: Pseudonymizer) -> bytes:
    """Keep command, length and the reader's answers about itself."""
    wire = frame.wire
    if not re.match(rb"[ILCVWRT]\x00", wire):
        return mask(wire)
    if _fault(frame) is None and wire[:1] in _ELYCTIS_ANSWERS:
        return wire
    return wire[:3] + anonymize_text(wire[3:], pseudonymizer)
