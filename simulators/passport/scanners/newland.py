"""Newland scanners, such as the IDE237.

Wire format of the user guides' chapters on serial commands: ``~ SOH 0000``, ``@`` (stored) or ``#``
(volatile), commands, ``; ETX``. Several commands are separated by ``;``, or by ``,`` when they share a tag.
The answer begins with ``STX SOH 0000`` and repeats the commands, ACK, NAK or ENQ before each sign. A query's
answer follows its name: ``QRYPSN`` gives ``QRYPSN`` and the number. Capitals only.

A read is the rows as text with a carriage return after each. Where no source was available, we chose: it
reads zones at the factory settings, SCNMOD is 0 (trigger) then, and SCNTCE must be 1 before SCNTRG1 works.
"""

import re
from collections.abc import Mapping
from typing import ClassVar

from simulators.links.serial_line import SerialLine
from simulators.passport.scanners.imager import NAME_LENGTH, CommandedImager, Status
from simulators.passport.text import LineEnd

_COMMAND = re.compile(rb"~\x010000([@#])([^\x03]*);\x03", re.DOTALL)


class Newland(CommandedImager):
    """An IDE237."""

    factory_settings: ClassVar[Mapping[str, str]] = {
        "SCNMOD": "0", "SCNTCE": "0", "SCNTRG": "0", "QRYPDN": "", "QRYPSN": "", "QRYFWV": "",
    }  # fmt: skip
    values: ClassVar[Mapping[str, str]] = {"SCNMOD": "0123", "SCNTCE": "01", "SCNTRG": "01"}

    def __init__(
        self,
        line: SerialLine,
        *,
        line_end: LineEnd = LineEnd.CR,
        suffix: bytes | None = None,
        serial_number: str = "SIM0001",
    ) -> None:
        super().__init__(line, line_end=line_end, suffix=suffix)
        self.nameplate = {"QRYPDN": "NLS-IDE237 SIM", "QRYPSN": serial_number, "QRYFWV": "1.02.SIM"}

    @property
    def is_presentation_mode(self) -> bool:
        """True if it is in the mode that senses a document, or in the continuous mode."""
        return self.settings["SCNMOD"] in "23"

    def parse_commands(self) -> None:
        """See `CommandedImager`."""
        while found := _COMMAND.search(self._partial):
            self._partial = self._partial[found.end() :]
            answer = self._answer(found[2].decode("latin-1"))
            if answer:
                self.line.call_soon(self.send(b"\x02\x010000" + found[1] + answer + b"\x03"))

    def _answer(self, commands: str) -> bytes:
        answer, tag = b"", ""
        for command, sign in re.findall(r"([^,;]+)([,;]|\Z)", commands):
            whole = tag + command
            tag = whole[:3] if sign == "," else ""
            answer += self._execute(whole, command.encode("latin-1"), (sign or ";").encode())
        return answer

    def _execute(self, whole: str, echo: bytes, sign: bytes) -> bytes:
        name = whole[:NAME_LENGTH]
        if whole in self.nameplate and name not in self.refused:
            self.commands_received.append(whole)
            return echo + self.nameplate[whole].encode("ascii") + Status.ACK.value + sign
        if name == "SCNTRG" and self.settings["SCNTCE"] != "1":
            self.commands_received.append(whole)
            return echo + Status.NAK.value + sign
        status = self._set(whole)
        if status is Status.SILENCE:
            return b""
        if status is Status.ACK and name == "SCNTRG":
            self.pull_trigger() if whole.endswith("1") else self.release_trigger()
        return b"".join((echo, status.value, sign))
