"""From frames to what a reader says: shared by every driver whose reader sends lines of text and no more."""

from collections.abc import Iterable

from drivers.clock import today
from drivers.driver import BadFrame
from drivers.links.framing import MALFORMED, NOISE, OTHER_CONTENT, DamagedFrame
from drivers.observation import Check, overall_outcome
from drivers.passport.mrz import Mrz, mrz_checks, parse
from drivers.passport.observations import DocumentRead, FrameFault, ReadFailed, ReadTrigger


def parse_mrz(lines: tuple[str, ...]) -> Mrz | None:
    """The machine readable zone in the lines, as of today."""
    return parse(lines, today())


def document_read(
    lines: tuple[str, ...], mrz: Mrz | None, trigger: ReadTrigger, wire: bytes, more: Iterable[Check] = ()
) -> DocumentRead:
    """A document whose lines are all there is of it, with `more` checks than the zone's own."""
    made = (*mrz_checks(mrz, today()), *more)
    return DocumentRead(
        trigger=trigger, lines=lines, mrz=mrz, checks=made, overall_outcome=overall_outcome(made), wire=wire
    )


def read_failed(frame: DamagedFrame) -> ReadFailed | BadFrame:
    """Bytes that gave no read: a document to present again, or nothing an officer need know of."""
    if frame.fault in (NOISE, OTHER_CONTENT):
        return BadFrame(frame.fault, frame.wire)
    return ReadFailed(fault=FrameFault(frame.fault), size_bytes=len(frame.wire), wire=frame.wire)


def not_a_document_frame(wire: bytes) -> ReadFailed:
    """A sound frame whose text is not laid out as a document of this reader."""
    return ReadFailed(fault=FrameFault(MALFORMED), size_bytes=len(wire), wire=wire)
