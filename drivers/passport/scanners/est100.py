"""EST-100PR-NZ: a reader that reads continuously and sends JSON with the printed zone and chip data.

Source: its sheet "RS232 active output protocol" (in Chinese): 256000 baud 8O1, ``STX name : JSON-object ETX
CR LF`` in UTF-8. `CameraData` has the printed zone or a QR code, `PCSign` marks the start and end of a chip
read, `EidlinkResult` has the chip data in `travelIdentityBean`. The copy at hand is cut off within that
object; its field for the zone is known from the chip reader's own development kit (MachineReadCode), so any
field whose text is a zone is taken.

Only the zone is taken from the chip: no observation has a field for the portrait and the names in national
letters, and no signature is sent that could prove them.
"""

import re
import uuid
from collections.abc import Iterator
from typing import Any

from drivers.driver import BadFrame
from drivers.links.framing import OTHER_CONTENT, CompleteFrame, Delimited, Frame
from drivers.links.http import json_decode as json_body
from drivers.observation import Check, CheckGroup, Observation, Outcome
from drivers.passport.mrz import DigitResult, Mrz
from drivers.passport.observations import ReadTrigger
from drivers.passport.read_result import (
    document_read,
    is_complete,
    not_a_document_frame,
    parse_mrz,
    split_lines,
)

BAUD, PARITY = 256000, "O"
# A portrait of a chip in base64 has some 30 kB; no frame comes near this.
LIMIT_BYTES = 1 << 19
_ROW = re.compile(r"[A-Z0-9<]+")


class Est100Framing(Delimited):
    """Frames between STX and ETX; CR LF follows, and a frame without it is complete after a silence."""

    def __init__(self) -> None:
        super().__init__(re.compile(rb"\x02"), start_bytes=1, limit_bytes=LIMIT_BYTES)
        self._silent = False

    def frame_end(self, start: bytes, buffer: bytearray, search_from: int, stop: int) -> int:  # noqa: ARG002
        """Return the offset after the LF, or after the part of CR LF that is present."""
        etx = buffer.find(b"\x03", search_from, stop)
        if etx < 0:
            return -1
        after = bytes(buffer[etx + 1 : etx + 3])
        if after in (b"", b"\r") and not self._silent:
            return -1
        return etx + 1 + (2 if after == b"\r\n" else after == b"\r")

    def check_frame(self, start: bytes, wire: bytes) -> Frame:
        """Accept every frame: there is no check byte."""
        return CompleteFrame(wire[len(start) : wire.index(b"\x03")], wire)

    def on_silence(self) -> Iterator[Frame]:
        """Take a frame whose CR LF is missing, give up the rest."""
        self._silent = True
        yield from self.feed(b"")
        self._silent = False
        yield from super().on_silence()


def is_message(payload: bytes) -> bool:
    """Return True if the content of a frame looks like a name and a JSON object."""
    name, colon, body = payload.partition(b":")
    return bool(colon) and name.strip().isalnum() and body.lstrip().startswith(b"{")


class Est100Messages:
    """Parser of the messages of one reader; keeps the printed zone until the zone of the chip has come."""

    def __init__(self) -> None:
        self._printed: Mrz | None = None
        self._transaction = ""

    def parse_message(self, frame: CompleteFrame) -> Iterator[Observation | BadFrame]:
        """Parse one message."""
        name, _, body = frame.payload.partition(b":")
        content = _object(body)
        # Only the printed zone is kept of the wire bytes: the rest may be a portrait or a home address.
        wire = frame.wire if name == b"CameraData" else name[:32]
        match name, content:
            case b"CameraData", {"type": "PassPort", "data": str(text)} if text.strip():
                yield self._of_print(text, wire)
            case b"EidlinkResult", {"travelIdentityBean": dict(bean)}:
                yield from self._of_chip(bean, wire)
            case (b"CameraData", {"type": "PassPort"}) | (b"CameraData" | b"EidlinkResult" | b"PCSign", None):
                self.clear()
                yield not_a_document_frame(wire)
            case b"PCSign", _:
                return
            case _:
                yield BadFrame(OTHER_CONTENT, wire)

    def clear(self) -> None:
        """Discard the printed zone after lost bytes: the next message may belong to another document."""
        self._printed = None

    def _of_print(self, text: str, wire: bytes) -> Observation:
        lines = split_lines(text)
        self._printed = parse_mrz(lines)
        self._transaction = str(uuid.uuid4())
        read = document_read(lines, self._printed, ReadTrigger.INSERT, wire)
        return read.model_copy(update={"transaction": self._transaction})

    def _of_chip(self, bean: dict[str, Any], wire: bytes) -> Iterator[Observation | BadFrame]:
        """Report the chip's zone when no printed zone was read before, or another one."""
        printed, self._printed = self._printed, None
        lines = next(filter(None, map(_zone_text, bean.values())), None)
        if lines is None:
            yield BadFrame(OTHER_CONTENT, wire)
        elif printed is None:
            yield document_read(lines, parse_mrz(lines), ReadTrigger.INSERT, wire)
        elif sorted(lines) != sorted(printed.lines):
            read = document_read(lines, parse_mrz(lines), ReadTrigger.INSERT, wire, [_differs(printed)])
            yield read.model_copy(update={"transaction": self._transaction})


def _object(body: bytes) -> dict[str, Any] | None:
    """Parse the JSON object of a message; None when it is none."""
    try:
        content = json_body.decode(body)
    except ValueError:
        return None
    return content if isinstance(content, dict) else None


def _zone_text(value: object) -> tuple[str, ...] | None:
    """Return the lines of a field that holds a zone."""
    if not isinstance(value, str):
        return None
    lines = split_lines(value)
    sound = is_complete(list(lines)) and all(map(_ROW.fullmatch, lines))
    return lines if sound and parse_mrz(lines) else None


def _differs(printed: Mrz) -> Check:
    """Build the check that the chip holds another zone than the page."""
    unread = any(digit.result is DigitResult.UNREADABLE for digit in printed.digits)
    return Check(
        id="combined.mrz_vs_dg1",
        group=CheckGroup.COMBINED,
        outcome=Outcome.UNDETERMINED if unread else Outcome.FAILED,
        reason="printed_unreadable" if unread else "differs_from_chip",
        text="The printed zone was not read completely."
        if unread
        else "The printed zone differs from the one in the chip.",
    )
