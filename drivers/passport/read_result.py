"""Document lines decoded from the text of a frame, and the observations built from them.

Used by every driver whose reader sends nothing but lines of text. Also the date that a date of
expiry is compared with.
"""

import re
from collections.abc import Iterable
from datetime import UTC, date, datetime

from drivers.driver import BadFrame
from drivers.links.framing import MALFORMED, NOISE, OTHER_CONTENT, DamagedFrame
from drivers.observation import Check, Outcome, Weight
from drivers.passport.mrz import Mrz
from drivers.passport.mrz.checks import mrz_checks
from drivers.passport.mrz.parser import parse
from drivers.passport.mrz.unreadable import find_zone_fault
from drivers.passport.observations import DocumentRead, FrameFault, ReadFailed, ReadTrigger

RELEASE_DATE = date(2026, 11, 23)
"""Date of this release; raised with every release."""

LINE_END = re.compile(r"[\r\n]+")
CONTROL = re.compile(rb"[\x00-\x09\x0b\x0c\x0e-\x1f]")
"""Bytes of a frame around the lines: places would be counted from them."""
MAX_DETAIL_BYTES = 256
# Number and length of the lines of a document (Doc 9303-4 to -7, and the two older national layouts).
LAYOUTS = ((44, 44), (36, 36), (30, 30, 30), (9, 30, 30))
_BEGINNINGS = {layout[:count] for layout in LAYOUTS for count in range(len(layout) + 1)}
JOINED_LINES = {sum(layout): layout for layout in LAYOUTS}
SINGLE_LINE = re.compile(r"D1[A-Z]{3}[A-Z0-9<]{25}")
"""French driving licence before 2013, one line of 30."""


def today() -> date:
    """Return today's date in UTC, never before the date of this release.

    A mini-PC without a clock battery may boot in 1970 after a power cut. The event's `clock` states whether
    the wall clock could be trusted.
    """
    return max(datetime.now(UTC).date(), RELEASE_DATE)


def decode_text(payload: bytes) -> str:
    """Decode the bytes of a reader. Bytes outside ASCII become U+FFFD: visible, and never valid."""
    return payload.decode("ascii", "replace")


def split_lines(text: str) -> tuple[str, ...]:
    """Split a document's text into its lines: at CR, LF or both; joined lines are cut by their length."""
    lines = [line for line in LINE_END.split(text) if line.strip()]
    if len(lines) == 1 and (layout := JOINED_LINES.get(len(lines[0]))):
        return split_joined_lines(lines[0], layout)
    return tuple(lines)


def split_joined_lines(line: str, layout: tuple[int, ...]) -> tuple[str, ...]:
    """Cut one long line into lines of the given lengths."""
    starts = [sum(layout[:i]) for i in range(len(layout))]
    return tuple(line[start : start + length] for start, length in zip(starts, layout, strict=True))


def is_complete(lines: list[str]) -> bool:
    """Return true when these lines are a complete document."""
    lengths = tuple(len(line) for line in lines)
    return lengths in LAYOUTS or (len(lines) == 1 and SINGLE_LINE.fullmatch(lines[0]) is not None)


def is_incomplete(lines: list[str]) -> bool:
    """Return true when these lines are the beginning of a document."""
    return tuple(len(line) for line in lines) in _BEGINNINGS


def parse_mrz(lines: tuple[str, ...]) -> Mrz | None:
    """Parse the machine readable zone in the lines, as of today."""
    return parse(lines, today())


def document_read(
    lines: tuple[str, ...], mrz: Mrz | None, trigger: ReadTrigger, wire: bytes, more: Iterable[Check] = ()
) -> DocumentRead:
    """Build the read of a document that consists of its lines, with `more` checks than the zone's own."""
    made = (*mrz_checks(mrz, lines, today()), *more)
    return DocumentRead(
        trigger=trigger, lines=lines, mrz=mrz, checks=made, overall_outcome=overall_outcome(made), wire=wire
    )


def overall_outcome(checks: Iterable[Check]) -> Outcome:
    """Combine checks as in BSI TR-03135-1, section 5.4; evaluatory checks never count.

    The guideline fixes that `failed` comes before `aborted`. The rest is left to the application:
    `undetermined` if a mandatory check did not succeed, else `successful`; without any counting check
    `undetermined`.
    """
    counted = [c for c in checks if c.weight is not Weight.EVALUATORY]
    outcomes = {c.outcome for c in counted}
    for decisive in (Outcome.FAILED, Outcome.ABORTED):
        if decisive in outcomes:
            return decisive
    mandatory = [c for c in counted if c.weight is Weight.MANDATORY]
    if mandatory and all(c.outcome is Outcome.SUCCESSFUL for c in mandatory):
        return Outcome.SUCCESSFUL
    return Outcome.UNDETERMINED


def read_failed(frame: DamagedFrame) -> ReadFailed | BadFrame:
    """Build the event of bytes that gave no read: a failed read, or a bad frame for the technician only."""
    if frame.fault in (NOISE, OTHER_CONTENT):
        return BadFrame(frame.fault, frame.wire)
    return ReadFailed(
        fault=FrameFault(frame.fault),
        size_bytes=len(frame.wire),
        detail=zone_detail(frame.wire),
        wire=frame.wire,
    )


def not_a_document_frame(wire: bytes) -> ReadFailed:
    """Build the failed read of a sound frame whose text is not laid out as a document of this reader."""
    return ReadFailed(fault=FrameFault(MALFORMED), size_bytes=len(wire), detail=zone_detail(wire), wire=wire)


def zone_detail(wire: bytes) -> str | None:
    """State what is wrong with bytes that are nothing but lines of a zone; None for any others."""
    if CONTROL.search(wire[:MAX_DETAIL_BYTES]):
        return None
    fault = find_zone_fault(split_lines(decode_text(wire[:MAX_DETAIL_BYTES])))
    return None if fault is None else fault.text
