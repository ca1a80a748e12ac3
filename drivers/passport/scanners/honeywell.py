"""Honeywell area imagers (Xenon, Granit, N66xx): menu commands, and rows with one separator.

Sources: Honeywell, user guides of the *Xenon XP 1950g* and *Voyager 1250g*, "Serial Programming Commands": a
command is ``SYN M CR tag data !``, its answer the command with ACK, NAK or ENQ before the final sign, without
the prefix; triggers ``SYN T CR`` and ``SYN U CR`` have no answer. *OCR Programming User's Guide*: the
template for passports reads visas, TD1 and TD2 as well. ALLENA, OCRENA, OCRATS and reads of 92 bytes for a
TD1 and 89 for a TD3, which are rows with one separator and no terminator, were seen in a public program for a
Xenon; PAPHHF (manual trigger) and the text that answers REVINF in others.

Not confirmed by a source at hand: PAPTPR, which sets the scanner to continuous scanning.
"""

import re
from collections.abc import Iterator

from drivers.driver import Identity
from drivers.passport.scanners.rows import ReplyPatterns
from drivers.passport.scanners.setup import STATUS, CommandExchange, CommandSet

ANSWERS = ReplyPatterns(
    pattern=re.compile(rb"(?P<reply>[A-Za-z0-9_]{6,64}" + STATUS + rb")[!.,;]"),
    end_pattern=re.compile(STATUS + rb"[!.,;]"),
    prefix_pattern=re.compile(rb"[A-Za-z0-9_]{6,64}" + STATUS + rb"\Z"),
    longest_bytes=65,
)
_VERSION = re.compile(r"[\w.]+")


class HoneywellCommandSet(CommandSet):
    """A Honeywell scanner."""

    # No barcodes, OCR on, its template for machine readable zones.
    setup = ("ALLENA0", "OCRENA1", "OCRATS2")
    presentation_setup = ("PAPTPR",)
    triggered_setup = ("PAPHHF",)
    trigger, release = b"\x16T\r", b"\x16U\r"

    def encode_command(self, command: str) -> bytes:
        """Encode a command."""
        return b"\x16M\r" + command.encode("ascii") + b"!"

    def reply_pattern(self, command: str) -> re.Pattern[bytes]:
        """Build the pattern of an answer, in which the text precedes the echo."""
        return re.compile(command.encode("ascii") + rb"(?P<status>" + STATUS + rb")[!.]", re.IGNORECASE)

    async def identity(self, exchange: CommandExchange) -> Identity | None:
        """Request the identity."""
        reply = await exchange("REVINF")
        if reply is None:
            return None
        values = dict(_values(reply.text))
        serial = values.get("Serial Number", "").split()
        # The number stands at the end of a line such as `Software Revision: $ProjectRevision: 16345 $`.
        versions = _VERSION.findall(values.get("Software Revision", ""))
        return Identity(
            manufacturer="Honeywell",
            model=values.get("Product Name") or "Honeywell scanner",
            serial_number=serial[0] if len(serial) == 1 else None,
            firmware=versions[-1] if versions else None,
        )


def _values(text: str) -> Iterator[tuple[str, str]]:
    """Yield names and values of a nameplate, the last line first: of equal names, the first line counts."""
    for line in reversed(text.replace("\r", "\n").split("\n")):
        name, _, value = line.partition(":")
        yield name, value.strip()
