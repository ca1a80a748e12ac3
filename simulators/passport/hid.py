"""Readers in HID mode: a scanner of USB HID POS, and an Access-IS, on any line that carries their reports.

Sources: USB-IF, *HID Point of Sale Usage Tables* 1.02, and the layout of Honeywell's and Newland's scanners
(62 or 64 bytes: id 2, byte count, AIM identifier, 56 bytes of data, two bytes of the maker, a flag that more
follows). Access-IS, as the vendor's HID sample reads it: byte 0 of a report is the length of the text, with
bit 7 as the flag "clear to send"; the host sends such a report too, and the reader is silent until it has. No
descriptor of an Access-IS is public: this one is our own, with the lengths of the sample.
"""

import asyncio
from collections.abc import Iterator, Sequence
from enum import StrEnum
from random import Random

from simulators.errors import SimulatorError
from simulators.faults import Fault, NoDocument, Noise, SevenBits, Transmission, Unplug, WrongRate
from simulators.links.serial_line import SerialLine
from simulators.links.uhid import HidIdentity, HostEvents, create_event, input_event
from simulators.passport.accessis import barcode_frame, ocr_frame
from simulators.passport.reader import MrzReader

POS_DESCRIPTOR = bytes.fromhex(
    "058c 0902 a101 0912 a102 8502 1500 26ff00 7508 9501 0501 093b 8102"  # byte count
    "058c 9503 09fb 09fc 09fd 8102 9538 09fe 820201"  # AIM identifier, 56 bytes of decoded data
    "9502 0666ff 0904 8102"  # two bytes of the maker
    "058c 7501 9501 2501 09ff 8102 9507 8103 c0 c0"  # the flag, and padding
)
ACCESSIS_DESCRIPTOR = bytes.fromhex(
    "0600ff 0901 a101 1500 26ff00 7508 9540 0902 8102 9508 0903 9102 c0"  # 64 bytes in, 8 bytes out
)
POS_ID = 2
POS_TEXT_BYTES = 56
ACCESSIS_REPORT_BYTES = 64
CLEAR_TO_SEND = 0x80
OCR, QR = b"]o0", b"]Q1"
"""AIM identifiers of printed text and of a QR code."""


class HidFormat(StrEnum):
    """Layouts of the reports."""

    POS = "pos"
    ACCESSIS = "accessis"


IDENTITIES = {
    HidFormat.POS: HidIdentity(0x0C2E, 0x0B87, "Honeywell 1950 SIM", "SIM0001", POS_DESCRIPTOR),
    HidFormat.ACCESSIS: HidIdentity(0x0DB5, 0x013E, "Access-IS OCR315 SIM", "SIM0001", ACCESSIS_DESCRIPTOR),
}


class HidReader(MrzReader):
    """A reader in HID mode. Faults apply to the text of a read, before it is divided into reports.

    `is_uhid`: the line carries events of uhid; otherwise reports as they are. Bytes of a report that its text
    does not fill are those of the report before it, as with many scanners.
    """

    def __init__(
        self,
        line: SerialLine,
        hid_format: HidFormat,
        identity: HidIdentity | None = None,
        *,
        is_uhid: bool = True,
    ) -> None:
        super().__init__(line)
        self.hid_format = hid_format
        self.identity = identity or IDENTITIES[hid_format]
        self.output_reports: list[bytes] = []
        """Output reports of the host, each with its id or 0 in front."""
        self.is_switched_on = hid_format is HidFormat.POS
        self._host = HostEvents() if is_uhid else None
        self._last = bytes(POS_TEXT_BYTES if hid_format is HidFormat.POS else ACCESSIS_REPORT_BYTES - 1)
        self._symbology = OCR

    def frame(self, lines: Sequence[str]) -> bytes:
        """Return the text of a read: lines, in the frame of Access-IS where it is one."""
        if self.hid_format is HidFormat.ACCESSIS:
            return ocr_frame(lines)
        return b"".join(line.encode("ascii") + b"\r" for line in lines)

    def on_received(self, data: bytes) -> None:
        """Handle the opening, which is answered with the description, and output reports."""
        for report in self._host.feed(data) if self._host is not None else (data,):
            if report is None:
                self.line.call_soon(self.line.send(create_event(self.identity)))
            else:
                self.output_reports.append(report)
                self.is_switched_on = self.is_switched_on or report[1:2] >= bytes([CLEAR_TO_SEND])

    async def inject(self, fault: Fault) -> None:
        """Inject a fault; those of a serial line's bits are refused."""
        match fault:
            case WrongRate() | SevenBits():
                raise SimulatorError(f"{type(self).__name__}: {fault.fault}: USB has no rate and no parity")
            case Noise():
                self.counters.faults += 1
                await self._send_reports([self._noise(fault.data)])
            case NoDocument():
                self.counters.faults += 1
                await self.send(self.frame(()))
            case _:
                if isinstance(fault, Unplug):
                    self._lose_power()
                await super().inject(fault)

    async def transmit(self, lines: tuple[str, ...]) -> bool:
        """Send the lines with the faults that are due."""
        faults = self.faults.take()
        for fault in faults:
            lines = fault.lines(lines)
        whole = self.frame(lines)
        sent = Transmission(whole)
        for fault in faults:
            sent = fault.frame(sent)
        await asyncio.sleep(sent.delay_s)
        if sent.is_suppressed:
            return False
        is_cut = whole.startswith(sent.data) and len(sent.data) < len(whole)
        received = await self._send_text(sent.data, sent.chunk, sent.every_s, continues=is_cut)
        if sent.then_unplug:
            await self.line.wait_drained()
            self._lose_power()
            self.line.unplug(sent.unplug_for_s)
        self.counters.documents_sent += received
        return received

    async def send(self, data: bytes, *, chunk: int | None = None, every_s: float = 0.0) -> bool:
        """Send a text in reports, unless the reader is silent."""
        return await self._send_text(data, chunk, every_s, continues=False)

    async def scan_barcode(self, text: bytes, symbology: bytes = QR) -> bool:
        """Scan a barcode."""
        if self.hid_format is HidFormat.ACCESSIS:
            return await self.send(barcode_frame(0x31, text))
        self._symbology = symbology
        try:
            return await self.send(text)
        finally:
            self._symbology = OCR

    async def send_report(self, report: bytes) -> bool:
        """Send one report, whatever its content."""
        return await self._send_reports([report])

    def reports_of(self, text: bytes, chunk: int | None = None, *, continues: bool = False) -> list[bytes]:
        """Return the reports of a text; `continues`: the reader stops before the end of it."""
        return list(self._divided(text, min(chunk or 255, len(self._last)), continues))

    def _divided(self, text: bytes, size: int, continues: bool) -> Iterator[bytes]:
        for at in range(0, max(len(text), 1), size):
            part = text[at : at + size]
            # What an earlier report left behind stays in the buffer.
            self._last = part + self._last[len(part) :]
            if self.hid_format is HidFormat.ACCESSIS:
                yield bytes([len(part)]) + self._last
            else:
                more = continues or at + size < len(text)
                yield bytes([POS_ID, len(part)]) + self._symbology + self._last + bytes([0x6A, 0, more])

    def _noise(self, data: bytes) -> bytes:
        """Return a report of the right length with an impossible text length."""
        report = self.reports_of(b"")[0]
        head = 2 if self.hid_format is HidFormat.POS else 1
        filled = (data * (len(report) // len(data) + 1))[: len(report) - head]
        return report[: head - 1] + bytes([0x7F - Random(len(data)).randrange(8)]) + filled

    async def _send_text(self, text: bytes, chunk: int | None, every_s: float, *, continues: bool) -> bool:
        if not self.is_switched_on:
            return False
        return await self._send_reports(self.reports_of(text, chunk, continues=continues), every_s)

    async def _send_reports(self, reports: Sequence[bytes], every_s: float = 0.0) -> bool:
        received = True
        for number, report in enumerate(reports):
            if number and every_s:
                await asyncio.sleep(every_s)
            event = input_event(report) if self._host is not None else report
            received = await super().send(event) and received
        return received

    def _lose_power(self) -> None:
        self.is_switched_on = self.hid_format is HidFormat.POS
