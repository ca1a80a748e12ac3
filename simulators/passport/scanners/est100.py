r"""EST-100PR-NZ: a reader that reads by itself, page and chip, and sends JSON.

Wire format, as the maker's sheet has it: 256000 baud, eight bits, odd parity, one stop bit; ``STX``, a
name, a colon, a JSON object, ``ETX CR LF``, all of it UTF-8. `CameraData` for what is printed (type
`PassPort`, rows parted by ``\n``) and for QR codes, `PCSign` when a read starts and ends, `EidlinkResult`
for the chip.

The sheet at hand is cut off after the first field of the chip's data, and says nothing of the order of
messages. We chose: page first, then start, chip, end; the fields of the maker's chip kit, the zone in
`MachineReadCode`.
"""

import json
from collections.abc import Sequence
from typing import Any

from simulators.links.serial_line import SerialLine
from simulators.mrz import Document
from simulators.passport.reader import MrzReader, lines_of


def message(name: str, content: dict[str, Any]) -> bytes:
    """One message."""
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    return b"\x02" + f"{name}:{text}".encode() + b"\x03\r\n"


def camera_frame(lines: Sequence[str]) -> bytes:
    """The printed zone. Without lines: a page on which none was found."""
    return message("CameraData", {"data": "\n".join(lines), "type": "PassPort"})


def qr_frame(text: str) -> bytes:
    """A QR code."""
    return message("CameraData", {"QRType": "QR CODE", "data": text, "type": "QRCode"})


def sign_frame(stage: str) -> bytes:
    """A read starts (`readStart`) or ends (`readEnd`)."""
    return message("PCSign", {"stage": stage, "type": "PassPort"})


def chip_frame(lines: Sequence[str], portrait: str = "") -> bytes:
    """What the chip gave; names in national letters and a portrait are in it too."""
    bean = {
        "PersonalNumber": "",
        "name": "中文名 Ωmega",
        "enName": lines[0][5:].replace("<", " ").strip() if lines else "",
        "MachineReadCode": "".join(lines),
        "picture": portrait,
    }
    return message("EidlinkResult", {"reqId": "FF0000000001", "signpacket": "", "travelIdentityBean": bean})


class Est100(MrzReader):
    """A reader with a chip reader. `reads_chips`: whether what is presented has a chip that it can read."""

    def __init__(self, line: SerialLine, *, reads_chips: bool = True) -> None:
        super().__init__(line)
        self.reads_chips = reads_chips
        self.chip: tuple[str, ...] | None = None
        """What the chip holds, where that is not what is printed."""
        self.portrait = "iVBORw0KGgo" * 40

    def frame(self, lines: Sequence[str]) -> bytes:
        """Everything about one document."""
        page = camera_frame(lines)
        if not self.reads_chips or not lines:
            return page
        chip = chip_frame(lines if self.chip is None else self.chip, self.portrait)
        return page + sign_frame("readStart") + chip + sign_frame("readEnd")

    async def present_with_chip(self, page: Document | Sequence[str], chip: Document | Sequence[str]) -> bool:
        """Present a document whose chip holds another zone than is printed."""
        self.chip = lines_of(chip)
        try:
            return await self.present(page)
        finally:
            self.chip = None
