"""Events of Linux's uhid: the wire of simulated HID devices, and the chunks of recordings of hidraw. Pure.

Source: Linux, `include/uapi/linux/uhid.h`. Events are in native order and as short as uhid accepts them. On
/dev/uhid a program is the device and the kernel its host; on a pseudo-terminal the link is the host, and
requests the description of the device by OPEN. An output report is a SET_REPORT, whose data come last.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

OPEN, CREATE2, INPUT2, SET_REPORT = 4, 11, 12, 13
OUTPUT_REPORT = 1
"""`UHID_OUTPUT_REPORT`."""
LIMIT_BYTES = 4096
"""Longest report and longest descriptor (`UHID_DATA_MAX`, `HID_MAX_DESCRIPTOR_SIZE`)."""
_TYPE = struct.Struct("=I")
_CREATE = struct.Struct("=I128s64s64sHHIIII")
"""Type, name, place, serial number, length of the descriptor, bus, vendor, product, version, country."""
_INPUT = struct.Struct("=IH")
_SET_REPORT = struct.Struct("=IIBBH")
_HEADS = {CREATE2: _CREATE, INPUT2: _INPUT, SET_REPORT: _SET_REPORT}
_SIZE_FIELD = {CREATE2: 4, INPUT2: 1, SET_REPORT: 4}


@dataclass(frozen=True, slots=True)
class HidInfo:
    """Identity and descriptor of one interface."""

    vendor_id: int
    product_id: int
    name: str
    """Maker and product, as stated by the device."""
    serial_number: str
    descriptor: bytes
    bus: int = 3
    """3: USB (`BUS_USB`)."""


OPEN_EVENT = _TYPE.pack(OPEN)


def create_event(info: HidInfo) -> bytes:
    """Return the event that describes a device."""
    return (
        _CREATE.pack(
            CREATE2,
            info.name.encode()[:127],
            b"",
            info.serial_number.encode()[:63],
            len(info.descriptor),
            info.bus,
            info.vendor_id,
            info.product_id,
            0,
            0,
        )
        + info.descriptor
    )


def input_event(report: bytes) -> bytes:
    """Return the event of an input report, which begins with its id where reports have ids."""
    return _INPUT.pack(INPUT2, len(report)) + report


def output_event(report: bytes) -> bytes:
    """Return the event of an output report as written to hidraw: its first byte is its id, or 0."""
    return _SET_REPORT.pack(SET_REPORT, 0, report[0], OUTPUT_REPORT, len(report)) + report


def parse_create(event: bytes) -> HidInfo | None:
    """Return the device that an event describes; None for any other event."""
    if len(event) < _CREATE.size or not event.startswith(_TYPE.pack(CREATE2)):
        return None
    _, name, _, serial_number, size, bus, vendor, product, _, _ = _CREATE.unpack_from(event)
    return HidInfo(
        vendor, product, _text(name), _text(serial_number), event[_CREATE.size : _CREATE.size + size], bus
    )


def parse_input(event: bytes) -> bytes | None:
    """Return the report of an input event; None for any other event."""
    if len(event) < _INPUT.size or not event.startswith(_TYPE.pack(INPUT2)):
        return None
    return event[_INPUT.size : _INPUT.size + _INPUT.unpack_from(event)[1]]


INPUT_HEAD_BYTES, SET_REPORT_HEAD_BYTES = _INPUT.size, _SET_REPORT.size
"""Lengths of these events without their reports."""


class EventStream:
    """Events in a stream of bytes, which on a pseudo-terminal may come in any pieces.

    After a type that no device sends, the stream has no known boundary any more: `is_lost`.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self.is_lost = False

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Add bytes and yield the complete events."""
        self._buffer += chunk
        while not self.is_lost and (size := self._size()) is not None and size <= len(self._buffer):
            event = bytes(self._buffer[:size])
            del self._buffer[:size]
            yield event

    def _size(self) -> int | None:
        """Return the length of the first event in bytes; None while it is unknown."""
        if len(self._buffer) < _TYPE.size:
            return None
        (kind,) = _TYPE.unpack_from(self._buffer)
        if kind == OPEN:
            return _TYPE.size
        if kind not in _HEADS:
            self.is_lost = True
            return None
        head = _HEADS[kind]
        if len(self._buffer) < head.size:
            return None
        size = int(head.unpack_from(self._buffer)[_SIZE_FIELD[kind]])
        if size > LIMIT_BYTES:
            self.is_lost = True
            return None
        return head.size + size


def _text(field: bytes) -> str:
    return field.partition(b"\0")[0].decode("utf-8", "replace")
