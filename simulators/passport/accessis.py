"""Access-IS OCR313, OCR315 and OCR640 swipe readers on a serial line.

Wire format, as the vendor's samples read it (AccessHIDInterface; the OCR315 serial demo): machine readable
zone ``1C 02 line1 CR line2 CR [line3 CR] 03 1D``, magnetic stripe ``0E 02 type ... 03 0F``, barcode ``1E 02
id ... 03 1F``. No length, no check byte; the outer pair of bytes identifies the source.
"""

from collections.abc import Sequence

from simulators.passport.reader import MrzReader

STX, ETX = b"\x02", b"\x03"
OCR = (b"\x1c", b"\x1d")
STRIPE = (b"\x0e", b"\x0f")
BARCODE = (b"\x1e", b"\x1f")


def ocr_frame(lines: Sequence[str]) -> bytes:
    """Return the frame of a machine readable zone. Without lines: a read in which none was found."""
    start, end = OCR
    return start + STX + b"".join(line.encode("ascii") + b"\r" for line in lines) + ETX + end


def stripe_frame(kind: int, tracks: bytes) -> bytes:
    """Return the frame of a magnetic stripe; `kind` is the reader's type byte, `tracks` the data."""
    start, end = STRIPE
    return start + STX + bytes([kind]) + tracks + ETX + end


def barcode_frame(symbology: int, text: bytes) -> bytes:
    """Return the frame of a barcode; `symbology` is the reader's identification byte of it."""
    start, end = BARCODE
    return start + STX + bytes([symbology]) + text + ETX + end


class AccessIs(MrzReader):
    """A one-way Access-IS reader."""

    def frame(self, lines: Sequence[str]) -> bytes:
        """See `ocr_frame`."""
        return ocr_frame(lines)

    async def swipe_stripe(self, tracks: bytes, *, kind: int = 0x31) -> bool:
        """Swipe a card with a magnetic stripe."""
        return await self.send(stripe_frame(kind, tracks))

    async def scan_barcode(self, text: bytes, *, symbology: int = 0x31) -> bool:
        """Scan a barcode."""
        return await self.send(barcode_frame(symbology, text))
