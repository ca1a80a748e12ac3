"""NEXT Biometrics NB-1010-U: a thermal sensor with requests and answers over two bulk endpoints.

Messages both ways: ``80``, a code, a sequence number u16, the length of the whole message u32, little-endian.
Source: protocol sheet, section 2; field layout as in the recording `nb1010`.
"""

import struct
from enum import IntEnum

import numpy as np

from simulators.faults import Fault
from simulators.fingerprint.faults import ZeroImage
from simulators.fingerprint.fingers import Sensor
from simulators.fingerprint.usb_scanner import UsbScanner
from simulators.usb.device import EndpointDescription, Setup, Stall, UsbDeviceDescription

INTERRUPT_IN, BULK_OUT, BULK_IN = 0x81, 0x02, 0x83
SENSOR = Sensor(256, 180, 385)
MARK = 0x80


class Code(IntEnum):
    """Codes of messages: three requests and their answers."""

    POLL = 0x38
    LEVEL = 0x37
    PREPARE = 0x0D
    CAPTURE = 0x12
    DONE = 0x20
    ROWS = 0x21


_HEAD = struct.Struct("<BBHI")
ROWS_AT_ONCE = 2
LEVEL_TOUCHED, LEVEL_UNTOUCHED = 0xF7, 0x04
"""Levels of the sensor; readers detect a finger above 0x30."""
ROW_S = 0.002


class Nb1010(UsbScanner):
    """One scanner. It has no serial number. `row_s`: time for two rows, in seconds."""

    def __init__(self, *, row_s: float = ROW_S) -> None:
        super().__init__(
            UsbDeviceDescription(
                0x298D,
                0x1010,
                0x0001,
                "NEXT Biometrics",
                "NB-1010-U",
                None,
                (0, 0, 0),
                (
                    EndpointDescription(INTERRUPT_IN, "interrupt", 64, interval=5),
                    EndpointDescription(BULK_OUT, "bulk", 64),
                    EndpointDescription(BULK_IN, "bulk", 64),
                ),
            ),
            SENSOR,
        )
        self.row_s = row_s
        self._empty_images = 0

    def inject_scanner_fault(self, fault: Fault) -> None:
        """See `UsbScanner.inject_scanner_fault`. In an image without bytes all rows are empty."""
        if isinstance(fault, ZeroImage):
            self._empty_images += fault.images
        else:
            super().inject_scanner_fault(fault)

    def clear_faults(self) -> None:
        """See `UsbScanner.clear_faults`."""
        self._empty_images = 0
        super().clear_faults()

    def control(self, setup: Setup, data: bytes = b"") -> bytes:  # noqa: ARG002 - all refused
        """Refuse: the device has no control requests of its own."""
        raise Stall

    def on_out(self, endpoint: int, data: bytes) -> None:  # noqa: ARG002 - there is one
        """Answer a message; ignore invalid ones."""
        if len(data) < _HEAD.size:
            return
        mark, code, number, length = _HEAD.unpack_from(data)
        if mark != MARK or length != len(data):
            return
        match code:
            case Code.POLL:
                level = LEVEL_TOUCHED if self.platen.is_touched else LEVEL_UNTOUCHED
                self._answer(Code.LEVEL, number, bytes(4) + bytes([level, 0, 0, 0]))
            case Code.PREPARE:
                self._answer(Code.DONE, number, bytes(8))
            case Code.CAPTURE:
                self._answer(Code.DONE, number, bytes(4) + bytes([3, 0, 0, 0]))
                self._send_rows(0)

    def _answer(self, code: int, number: int, body: bytes) -> None:
        self.queue_in(BULK_IN, _HEAD.pack(MARK, code, number, _HEAD.size + len(body)) + body)

    def _send_rows(self, row: int) -> None:
        if row == 0:
            self.images += 1
            self._image = self.platen.sense()
            self._empty = bool(self._empty_images)
            self._empty_images -= self._empty
        last = row + ROWS_AT_ONCE >= SENSOR.height
        pixels = np.ascontiguousarray(self._image[row : row + ROWS_AT_ONCE]).tobytes()
        where = struct.pack("<IIIIB", 0, 0 if last else 1, row + 1, SENSOR.width, 1)
        if self._empty:
            self.queue_in(BULK_IN, b"")
        else:
            self._answer(Code.ROWS, 0, where + pixels + bytes(3))
        if not last:
            self.call_later(self.row_s, lambda: self._send_rows(row + ROWS_AT_ONCE))
