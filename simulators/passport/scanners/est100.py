r"""EST-100PR-NZ: a reader that reads page and chip automatically and sends JSON.

Wire format of the maker's sheet: 256000 baud, eight bits, odd parity, one stop bit; ``STX``, a name, a colon,
a JSON object, ``ETX CR LF``, all of it UTF-8. `CameraData` for printed text (type `PassPort`, rows separated
by ``\n``) and for QR codes, `PCSign` when a read starts and ends, `EidlinkResult` for the chip.

The available sheet ends after the first field of the chip's data, and does not give the order of messages. We
chose: page first, then start, chip, end; the fields of the maker's chip kit, the zone in `MachineReadCode`.
"""

import json
from collections.abc import Sequence
from typing import Any

from simulators.links.serial_line import SerialLine
from simulators.mrz import Document
from simulators.passport.reader import MrzReader, lines_of


def message(name: str, content: dict[str, Any]) -> bytes:
    """Return one message."""
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    return b"\x02" + f"{name}:{text}".encode() + b"\x03\r\n"


def camera_frame(lines: Sequence[str]) -> bytes:
    """Return the message of the printed zone. Without lines: a page on which none was found."""
    return message("CameraData", {"data": "\n".join(lines), "type": "PassPort"})


def qr_frame(text: str) -> bytes:
    """Return the message of a QR code."""
    return message("CameraData", {"QRType": "QR CODE", "data": text, "type": "QRCode"})


def sign_frame(stage: str) -> bytes:
    """Return the message that a read starts (`readStart`) or ends (`readEnd`)."""
    return message("PCSign", {"stage": stage, "type": "PassPort"})


def chip_frame(lines: Sequence[str], portrait: str = "") -> bytes:
    """Return the message of the chip's data, with names in national letters and a portrait."""
    bean = {
        "PersonalNumber": "",
        "name": "中文名 Ωmega",
        "enName": lines[0][5:].replace("<", " ").strip() if lines else "",
        "MachineReadCode": "".join(lines),
        "picture": portrait,
    }
    return message("EidlinkResult", {"reqId": "FF0000000001", "signpacket": "", "travelIdentityBean": bean})


class Est100(MrzReader):
    """A reader with a chip reader. `reads_chips`: whether documents have a readable chip."""

    def __init__(self, line: SerialLine, *, reads_chips: bool = True) -> None:
        super().__init__(line)
        self.reads_chips = reads_chips
        self.chip: tuple[str, ...] | None = None
        """Zone in the chip if it differs from the printed one."""
        self.portrait = "iVBORw0KGgo" * 40

    def frame(self, lines: Sequence[str]) -> bytes:
        """Return all messages of one document."""
        page = camera_frame(lines)
        if not self.reads_chips or not lines:
            return page
        chip = chip_frame(lines if self.chip is None else self.chip, self.portrait)
        return page + sign_frame("readStart") + chip + sign_frame("readEnd")

    async def present_with_chip(self, page: Document | Sequence[str], chip: Document | Sequence[str]) -> bool:
        """Present a document whose chip has another zone than the printed one."""
        self.chip = lines_of(chip)
        try:
            return await self.present(page)
        finally:
            self.chip = None
