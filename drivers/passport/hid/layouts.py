"""Layouts of a reader's input reports: the place of the text in each, by the report descriptor. Pure.

Sources: USB-IF, *HID Point of Sale Usage Tables* 1.02, section 4 (decoded data, symbology identifier, decoded
data continued), with the byte count of the generic desktop page that scanners add; for Access-IS the vendor's
HID sample: byte 0 has the length of the text, and in bit 7 the flag "clear to send".
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto
from typing import Literal, Protocol

from drivers.links.hid.descriptor import KEYBOARD, VENDOR_PAGES, Field, ReportDescriptor
from drivers.links.hid.devices import SCANNER_PAGE, data_pages
from drivers.links.link import Action, Cause, LinkError

LayoutName = Literal["pos", "accessis"]
ACCESS_IS = 0x0DB5
"""USB vendor id of Access-IS."""
BYTE_COUNT = 0x01_003B
DECODED_DATA = 0x8C_00FE
SYMBOLOGY = (0x8C_00FB, 0x8C_00FC, 0x8C_00FD)
CONTINUED = 0x8C_00FF
CLEAR_TO_SEND = 0x80
MIN_TEXT_BYTES = 4
"""Shortest text field of a report of Access-IS; shorter reports are of another purpose."""


class UnreadReport(Enum):
    """Report without text."""

    OTHER = auto()
    """It has another id than the text of documents."""
    MALFORMED = auto()
    """It states a length that it does not have."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Text of one report."""

    text: bytes
    start: int
    """Place of the text in the report, which begins with its id where reports have ids."""
    continues: bool
    """True if the next report has more of the same text."""
    symbology: bytes = b""
    """AIM identifier of a barcode, as `]Q1`; empty: the report states none."""


class ReportLayout(Protocol):
    """Layout of the reports of one reader."""

    @property
    def name(self) -> LayoutName:
        """Value of the setting `format`."""
        ...

    def piece(self, report: bytes) -> Piece | UnreadReport:
        """Return the text of a report."""
        ...

    def frame_of(self, report: bytes) -> bytes:
        """Return as many bytes with id, lengths, flags and symbology; all others are zero."""
        ...


@dataclass(frozen=True, slots=True)
class _PosReport:
    """Places in one report of a scanner, in bits without its id."""

    text: Field
    text_at: int
    text_bytes: int
    count: Field | None
    continued: tuple[int, int] | None
    """Place and length of the flag."""
    symbology: tuple[int, ...]
    """Places of the three characters; empty: it has none."""


class PosLayout:
    """Reports of bar code scanners (usage page 8C)."""

    name: LayoutName = "pos"

    def __init__(self, descriptor: ReportDescriptor) -> None:
        self._is_numbered = descriptor.is_numbered
        self._reports = {report.text.report_id: report for report in _pos_reports(descriptor)}

    @property
    def has_text(self) -> bool:
        """True if any report has decoded data."""
        return bool(self._reports)

    def piece(self, report: bytes) -> Piece | UnreadReport:
        """Return the text of a report. Without a byte count it ends before the first of the last zeros."""
        head = int(self._is_numbered)
        number = report[0] if self._is_numbered and report else 0
        if (places := self._reports.get(number)) is None:
            return UnreadReport.OTHER
        body = report[head:]
        start = places.text_at // 8
        held = body[start : start + places.text_bytes]
        if places.count is None:
            text = held.rstrip(b"\0")
        else:
            count = _number(body, places.count.offset_bits, places.count.value_bits)
            if count is None or count > len(held):
                return UnreadReport.MALFORMED
            text = held[:count]
        if places.continued is None:
            continues = len(text) == places.text_bytes
        else:
            continues = bool(_number(body, *places.continued))
        symbology = bytes(body[at // 8] for at in places.symbology if at // 8 < len(body))
        return Piece(text, head + start, continues, symbology.strip(b"\0"))

    def frame_of(self, report: bytes) -> bytes:
        """Return as many bytes with id, byte count, flag and symbology; all others are zero."""
        head = int(self._is_numbered)
        mask = bytearray(b"\xff" * min(head, len(report))).ljust(len(report), b"\0")
        places = self._reports.get(report[0] if head and report else 0)
        if places is not None:
            kept = [(at, 8) for at in places.symbology]
            kept += [] if places.continued is None else [places.continued]
            if places.count is not None:
                kept.append((places.count.offset_bits, places.count.value_bits))
            for bit in (bit for at, size in kept for bit in range(at, at + size)):
                if head + bit // 8 < len(mask):
                    mask[head + bit // 8] |= 1 << bit % 8
        return bytes(byte & keep for byte, keep in zip(report, mask, strict=True))


def _pos_reports(descriptor: ReportDescriptor) -> Iterator[_PosReport]:
    """Yield the places in each report with decoded data; only its first such field counts."""
    found: set[int] = set()
    for field in descriptor.fields:
        if field.kind != "input" or field.value_bits != 8 or field.is_constant or field.report_id in found:
            continue
        at = field.value_of(DECODED_DATA)
        if at is None or field.offset_bits % 8:
            continue
        found.add(field.report_id)
        of_report = [
            other
            for other in descriptor.fields
            if (other.kind, other.report_id) == ("input", field.report_id) and not other.is_constant
        ]
        symbology = tuple(
            place for usage in SYMBOLOGY for place in _places(of_report, usage) if place % 8 == 0
        )
        count = next((each for each in of_report if each.usages[:1] == (BYTE_COUNT,)), None)
        continued = next(
            ((place, each.value_bits) for each in of_report for place in _places([each], CONTINUED)), None
        )
        yield _PosReport(field, field.offset_bits + 8 * at, field.count - at, count, continued, symbology)


def _places(fields: list[Field], usage: int) -> Iterator[int]:
    for each in fields:
        if (at := each.value_of(usage)) is not None:
            yield each.offset_bits + at * each.value_bits


def _number(body: bytes, offset_bits: int, bits: int) -> int | None:
    """Return an unsigned number of a report without its id; None where the report ends before it."""
    if offset_bits + bits > 8 * len(body):
        return None
    first = offset_bits // 8
    last = (offset_bits + bits + 7) // 8
    return int.from_bytes(body[first:last], "little") >> offset_bits % 8 & (1 << bits) - 1


class AccessIsLayout:
    """Reports of Access-IS: a length, then the bytes of a frame, which ends by its own trailer."""

    name: LayoutName = "accessis"

    def __init__(self, descriptor: ReportDescriptor) -> None:
        self._is_numbered = descriptor.is_numbered
        sizes = {
            each.report_id: descriptor.report_bytes("input", each.report_id)
            for each in descriptor.fields
            if each.kind == "input" and each.application >> 16 in VENDOR_PAGES and not each.is_constant
        }
        self._report_id, size = max(sizes.items(), key=lambda item: item[1], default=(0, 0))
        self._text_bytes = size - 1 - self._is_numbered

    @property
    def has_text(self) -> bool:
        """True if there is a report that is long enough."""
        return self._text_bytes >= MIN_TEXT_BYTES

    def piece(self, report: bytes) -> Piece | UnreadReport:
        """Return the text of a report; it may be empty, as flow control has reports of its own."""
        head = int(self._is_numbered)
        if self._is_numbered and report[:1] != bytes([self._report_id]):
            return UnreadReport.OTHER
        if len(report) <= head:
            return UnreadReport.MALFORMED
        count = report[head] & ~CLEAR_TO_SEND
        text = report[head + 1 : head + 1 + count]
        if len(text) < count or count > self._text_bytes:
            return UnreadReport.MALFORMED
        return Piece(text, head + 1, continues=True)

    def frame_of(self, report: bytes) -> bytes:
        """Return as many bytes with id and length; all others are zero."""
        is_other = self.piece(report) is UnreadReport.OTHER
        return report[: self._is_numbered + (not is_other)].ljust(len(report), b"\0")


def clear_to_send_report(descriptor: ReportDescriptor) -> bytes | None:
    """Return the output report that lets a reader of Access-IS send; None: it has no such report."""
    numbers = [
        each.report_id
        for each in descriptor.fields
        if each.kind == "output" and each.application >> 16 in VENDOR_PAGES
    ]
    if not numbers:
        return None
    size = descriptor.report_bytes("output", numbers[0]) - descriptor.is_numbered
    return bytes([numbers[0], CLEAR_TO_SEND]).ljust(1 + size, b"\0")


def choose_layout(
    descriptor: ReportDescriptor, configured: LayoutName | Literal["auto"], vendor_id: int, address: str
) -> ReportLayout:
    """Return the layout of a reader's reports; raises LinkError for a descriptor that is not understood."""
    pos, access_is = PosLayout(descriptor), AccessIsLayout(descriptor)
    pages = data_pages(descriptor)
    if configured != "accessis" and SCANNER_PAGE in pages and pos.has_text:
        return pos
    is_known = configured == "accessis" or (configured == "auto" and vendor_id == ACCESS_IS)
    if is_known and access_is.has_text:
        return access_is
    if KEYBOARD in descriptor.applications and not pages:
        what, how = "is in keyboard mode", 'or write driver = "mrz-wedge" in its table'
    elif configured == "auto" and access_is.has_text:
        page = next(page for page in pages if page in VENDOR_PAGES)
        what = f"has reports of its maker only (usage page {page:04X})"
        how = 'or write format = "accessis" in its table if its manual describes the frames of Access-IS'
    elif SCANNER_PAGE in pages:
        what, how = "is a bar code scanner without decoded data in its reports", "or to serial mode"
    else:
        shown = ", ".join(f"{usage >> 16:04X}:{usage & 0xFFFF:04X}" for usage in descriptor.applications)
        what, how = f"has no reports for documents (its usages: {shown})", "or correct `port` and `format`"
    raise LinkError(
        Cause.WRONG_DEVICE,
        f"The device at {address} {what}, so its reports are not read.",
        Action.CONFIGURE,
        f"Set the reader to HID mode (USB HID POS), by its manual; {how}.",
    )
