"""Events of Linux's uhid on a line: a HID device without a kernel that has hidraw.

Source: Linux, `include/uapi/linux/uhid.h`: packed structures in native order, as short as uhid accepts them.
On a line the host requests the description of the device by OPEN, as no kernel keeps it; an output report is
a SET_REPORT, whose data are at the end.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

OPEN, CREATE2, INPUT2, SET_REPORT = 4, 11, 12, 13
BUS_USB = 0x03
_SET_REPORT = struct.Struct("=IIBBH")


@dataclass(frozen=True, slots=True)
class HidIdentity:
    """Identity of one interface, and its report descriptor."""

    vendor_id: int
    product_id: int
    name: str
    serial_number: str
    descriptor: bytes


def create_event(identity: HidIdentity) -> bytes:
    """Return UHID_CREATE2: the device and its report descriptor."""
    head = struct.pack(
        "=I128s64s64sHHIIII",
        CREATE2,
        identity.name.encode(),
        b"",
        identity.serial_number.encode(),
        len(identity.descriptor),
        BUS_USB,
        identity.vendor_id,
        identity.product_id,
        0,
        0,
    )
    return head + identity.descriptor


def input_event(report: bytes) -> bytes:
    """Return UHID_INPUT2: one input report."""
    return struct.pack("=IH", INPUT2, len(report)) + report


class HostEvents:
    """Events of the host on a line: None for OPEN, else an output report with its id or 0 in front."""

    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, data: bytes) -> Iterator[bytes | None]:
        """Add bytes and yield what they complete; unknown ones are discarded with all that waits."""
        self._buffer += data
        while len(self._buffer) >= 4:
            (kind,) = struct.unpack_from("=I", self._buffer)
            if kind == OPEN:
                self._buffer = self._buffer[4:]
                yield None
                continue
            if kind != SET_REPORT:
                self._buffer = b""
                return
            if len(self._buffer) < _SET_REPORT.size:
                return
            size = _SET_REPORT.unpack_from(self._buffer)[4]
            end = _SET_REPORT.size + size
            if len(self._buffer) < end:
                return
            report, self._buffer = self._buffer[_SET_REPORT.size : end], self._buffer[end:]
            yield report
