"""HID report descriptors: application collections, reports, and the places of their fields. Pure.

Source: USB-IF, *Device Class Definition for Human Interface Devices* 1.11, sections 5.6 and 6.2.2. A usage is
written here with its page in the upper 16 bits, as in 0x8C0002, a bar code scanner.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Literal

LIMIT_BYTES = 4096
"""Longest descriptor that Linux accepts (`HID_MAX_DESCRIPTOR_SIZE`)."""
LIMIT_REPORT_BITS = 8 * 4096
"""Longest report accepted here: that of `UHID_DATA_MAX`."""
MAX_USAGES = 1024
"""Number of usages kept of one field."""
KEYBOARD = 0x01_0006
VENDOR_PAGES = range(0xFF00, 0x10000)
"""Usage pages whose meaning only the maker defines."""

ReportKind = Literal["input", "output", "feature"]
_KINDS: dict[int, ReportKind] = {0x8: "input", 0x9: "output", 0xB: "feature"}
_COLLECTION, _END_COLLECTION = 0xA, 0xC
_APPLICATION = 1
_CONSTANT, _VARIABLE = 1, 2
_MAIN, _GLOBAL, _LOCAL = 0, 1, 2
_LONG_ITEM = 0xFE


class DescriptorError(ValueError):
    """A descriptor that cannot be parsed; the message completes "Its report descriptor ..."."""


@dataclass(frozen=True, slots=True)
class Field:
    """Adjacent values of one report, all of the same length."""

    kind: ReportKind
    report_id: int
    """0: the reports of this device have no ids."""
    application: int
    """Usage of its application collection; 0: it is in none."""
    usages: tuple[int, ...]
    """Usages in the order of the values; the last one is that of all further values."""
    offset_bits: int
    """Place in the report, without the byte of its id."""
    value_bits: int
    count: int
    is_constant: bool
    is_variable: bool
    """False: the values are indices of usages (an array), as the keys of a keyboard."""

    def value_of(self, usage: int) -> int | None:
        """Return the number of the first value with that usage; None if it has none."""
        return self.usages.index(usage) if usage in self.usages[: self.count] else None


@dataclass(frozen=True, slots=True)
class ReportDescriptor:
    """Parsed descriptor of one interface."""

    raw: bytes
    applications: tuple[int, ...]
    """Usages of the application collections, in their order."""
    fields: tuple[Field, ...]
    report_bits: dict[tuple[ReportKind, int], int] = field(default_factory=dict)
    """Lengths of the reports, by kind and id."""

    @property
    def is_numbered(self) -> bool:
        """True if the first byte of every report is its id."""
        return any(number for _, number in self.report_bits)

    def report_bytes(self, kind: ReportKind, report_id: int) -> int:
        """Return the length of a report with its id, in bytes; 0 if there is no such report."""
        bits = self.report_bits.get((kind, report_id), 0)
        return (bits + 7) // 8 + self.is_numbered if bits else 0

    @property
    def longest_input_bytes(self) -> int:
        """Length of the longest input report with its id, in bytes."""
        return max(
            (self.report_bytes(kind, number) for kind, number in self.report_bits if kind == "input"),
            default=0,
        )


@dataclass(slots=True)
class _Globals:
    page: int = 0
    size_bits: int = 0
    count: int = 0
    report_id: int = 0


@dataclass(slots=True)
class _Parser:
    state: _Globals = field(default_factory=_Globals)
    stack: list[_Globals] = field(default_factory=list)
    usages: list[int] = field(default_factory=list)
    minimum: int | None = None
    open_collections: list[int] = field(default_factory=list)
    """Usages of the open collections that are applications; 0 for others."""
    applications: list[int] = field(default_factory=list)
    fields: list[Field] = field(default_factory=list)
    bits: dict[tuple[ReportKind, int], int] = field(default_factory=dict)

    def global_item(self, tag: int, value: int) -> None:
        match tag:
            case 0x0:
                self.state.page = value & 0xFFFF
            case 0x7:
                self.state.size_bits = value
            case 0x8:
                if not 0 < value < 256:
                    raise DescriptorError(f"has the report id {value}")
                self.state.report_id = value
            case 0x9:
                self.state.count = value
            case 0xA:
                self.stack.append(replace(self.state))
            case 0xB:
                if not self.stack:
                    raise DescriptorError("restores a state that it has not saved")
                self.state = self.stack.pop()

    def local_item(self, tag: int, value: int, size: int) -> None:
        usage = value if size == 4 else value | self.state.page << 16
        match tag:
            case 0x0:
                self.add_usages(usage, usage)
            case 0x1:
                self.minimum = usage
            case 0x2 if self.minimum is not None:
                self.add_usages(self.minimum, usage)
                self.minimum = None

    def add_usages(self, first: int, last: int) -> None:
        last = min(last, first + MAX_USAGES - len(self.usages) - 1)
        self.usages += range(first, last + 1)

    def main_item(self, tag: int, value: int) -> None:
        if (kind := _KINDS.get(tag)) is not None:
            self.add_field(kind, value)
        elif tag == _COLLECTION:
            usage = (self.usages or [0])[0] if value == _APPLICATION else 0
            self.open_collections.append(usage)
            if value == _APPLICATION:
                self.applications.append(usage)
        elif tag == _END_COLLECTION:
            if not self.open_collections:
                raise DescriptorError("ends a collection that it has not begun")
            self.open_collections.pop()
        self.usages, self.minimum = [], None

    def add_field(self, kind: ReportKind, flags: int) -> None:
        key = (kind, self.state.report_id)
        offset = self.bits.get(key, 0)
        size_bits, count = self.state.size_bits, self.state.count
        if offset + size_bits * count > LIMIT_REPORT_BITS:
            raise DescriptorError(f"has a report of more than {LIMIT_REPORT_BITS // 8} bytes")
        self.bits[key] = offset + size_bits * count
        if size_bits and count:
            self.fields.append(
                Field(
                    kind,
                    self.state.report_id,
                    next((usage for usage in reversed(self.open_collections) if usage), 0),
                    tuple(self.usages),
                    offset,
                    size_bits,
                    count,
                    bool(flags & _CONSTANT),
                    bool(flags & _VARIABLE),
                )
            )


def parse_descriptor(raw: bytes) -> ReportDescriptor:
    """Parse a report descriptor; raises DescriptorError."""
    if not 0 < len(raw) <= LIMIT_BYTES:
        raise DescriptorError(f"has {len(raw)} bytes")
    parser = _Parser()
    for kind, tag, value, size in _items(raw):
        match kind:
            case 0:
                parser.main_item(tag, value)
            case 1:
                parser.global_item(tag, value)
            case 2:
                parser.local_item(tag, value, size)
    if parser.open_collections:
        raise DescriptorError("does not end its collections")
    if not parser.applications:
        raise DescriptorError("has no application collection")
    numbers = {number for _, number in parser.bits}
    if len(numbers) > 1 and 0 in numbers:
        raise DescriptorError("has reports with and without an id")
    return ReportDescriptor(raw, tuple(parser.applications), tuple(parser.fields), parser.bits)


def _items(raw: bytes) -> Iterator[tuple[int, int, int, int]]:
    """Yield type, tag, value and length of the short items; long ones have no meaning yet (6.2.2.3)."""
    at = 0
    while at < len(raw):
        prefix = raw[at]
        if prefix == _LONG_ITEM:
            at += 3 + (raw[at + 1] if at + 1 < len(raw) else 0)
            if at > len(raw):
                raise DescriptorError("is cut")
            continue
        size = (0, 1, 2, 4)[prefix & 3]
        data = raw[at + 1 : at + 1 + size]
        if len(data) < size:
            raise DescriptorError("is cut")
        yield prefix >> 2 & 3, prefix >> 4, int.from_bytes(data, "little"), size
        at += 1 + size
