"""Honeywell area imagers, such as the Xenon 1900 with OCR.

Wire format of the user guides' chapter on serial commands: ``SYN M CR`` before menu commands, which end in
``!`` (volatile) or ``.``; several are separated by ``;``, or by ``,`` when they share a tag. The answer is
the commands in capitals, ACK, NAK or ENQ before each sign between or after them, no prefix. ``SYN T CR``
pulls the trigger, ``SYN U CR`` releases it; neither is answered. A read is the rows with a carriage return
between them and nothing after (92 characters for a TD1, 89 for a TD3, as a public program counts them).

Where no source was available, we chose: OCR is off at the factory, and PAPTPR is the presentation mode.
"""

import re
from collections.abc import Mapping
from typing import ClassVar

from simulators.links.serial_line import SerialLine
from simulators.passport.scanners.imager import NAME_LENGTH, CommandedImager, Status
from simulators.passport.text import LineEnd

_COMMAND = re.compile(rb"\x16M\r([^!.\x16]*)([!.])|\x16([TU])\r", re.DOTALL)
MANUAL, PRESENTATION = "HHF", "TPR"


class Honeywell(CommandedImager):
    """A Xenon with OCR."""

    factory_settings: ClassVar[Mapping[str, str]] = {
        "ALLENA": "1",
        "OCRENA": "0",
        "OCRATS": "0",
        "PAPHHF": "",
        "PAPTPR": "",
        "REVINF": "",
    }
    values: ClassVar[Mapping[str, str]] = {"ALLENA": "01", "OCRENA": "0123", "OCRATS": "0123456789"}

    def __init__(
        self,
        line: SerialLine,
        *,
        line_end: LineEnd = LineEnd.CR,
        suffix: bytes | None = b"",
        serial_number: str = "SIM0001",
    ) -> None:
        self.mode = MANUAL
        self.serial_number = serial_number
        super().__init__(line, line_end=line_end, suffix=suffix)

    def _power_up(self) -> None:
        super()._power_up()
        self.mode = MANUAL

    @property
    def is_presentation_mode(self) -> bool:
        """See `CommandedImager`."""
        return self.mode == PRESENTATION

    @property
    def reads_documents(self) -> bool:
        """True if OCR is on and a template selected."""
        return self.settings["OCRENA"] != "0" and self.settings["OCRATS"] != "0"

    def parse_commands(self) -> None:
        """See `CommandedImager`."""
        while found := _COMMAND.search(self._partial):
            self._partial = self._partial[found.end() :]
            if found[3] == b"T":
                self.pull_trigger()
            elif found[3] == b"U":
                self.release_trigger()
            else:
                self.line.call_soon(self.send(self._answer(found[1].decode("latin-1").upper(), found[2])))

    def _answer(self, commands: str, end: bytes) -> bytes:
        """Execute commands that came together, and answer each."""
        answer, tag = b"", ""
        for command, sign in re.findall(r"([^,;]*)([,;]|\Z)", commands):
            if not command:
                continue
            whole = command if sign != "," and not tag else tag + command
            tag = whole[:3] if sign == "," else ""
            answer += self._execute(whole, command.encode("latin-1"), (sign or end.decode()).encode())
        return answer

    def _execute(self, whole: str, echo: bytes, sign: bytes) -> bytes:
        name = whole[:NAME_LENGTH]
        if whole == "REVINF" and name not in self.refused:
            self.commands_received.append(whole)
            return self._nameplate() + echo + Status.ACK.value + sign
        if whole in ("PAPHHF", "PAPTPR") and name not in self.refused:
            self.commands_received.append(whole)
            self.mode = whole[3:]
            return echo + Status.ACK.value + sign
        status = self._set(whole)
        return b"" if status is Status.SILENCE else echo + status.value + sign

    def _nameplate(self) -> bytes:
        return (
            "Product Name: Xenon SIM\r\nBoot Revision: : 1\r\nSoftware Part Number: SIM000001AAA\r\n"
            f"Software Revision: $ProjectRevision: 1207 \r\nSerial Number: {self.serial_number}\r\n"
            "Supported IF: Standard\r\n"
        ).encode("ascii")
