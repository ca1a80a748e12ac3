"""Newland scanners (NLS-HR, FM and EM series, IDE237): unified commands, rows as plain text.

Sources: Newland, user guides of the *NLS-HR42* and *NLS-HR52*, "Programming with Serial Commands": a command
is ``~ SOH 0000 # tag data ; ETX`` (`#`: forgotten without power, `@`: kept), its answer ``STX SOH 0000 # tag
data``, then ACK, NAK or ENQ, then ``; ETX``. SCNMOD, SCNTRG and SCNTCE were seen in public programs for the
IDE237 and others, the QRY questions in one for the FM430.
"""

import re

from drivers.driver import Identity
from drivers.passport.scanners.rows import ReplyPatterns
from drivers.passport.scanners.setup import STATUS, CommandExchange, CommandSet

ANSWERS = ReplyPatterns(
    pattern=re.compile(rb"\x02\x010000[@#](?P<reply>[^\x02\x03]{0,512}" + STATUS + rb");\x03"),
    end_pattern=re.compile(STATUS + rb";\x03"),
    prefix_pattern=re.compile(rb"\x02(?:\x01[^\x02\x03]{0,520})?\Z"),
    longest_bytes=522,
)


class NewlandCommandSet(CommandSet):
    """A Newland scanner."""

    # 2: continuous scanning; 0: wait for a trigger, for which triggers by command must be permitted.
    presentation_setup = ("SCNMOD2",)
    triggered_setup = ("SCNMOD0", "SCNTCE1")
    trigger, release = b"~\x010000#SCNTRG1;\x03", b"~\x010000#SCNTRG0;\x03"
    trigger_names = ("SCNTRG1", "SCNTRG0")

    def encode_command(self, command: str) -> bytes:
        """Encode a command."""
        return b"~\x010000#" + command.encode("ascii") + b";\x03"

    def reply_pattern(self, command: str) -> re.Pattern[bytes]:
        """Build the pattern of an answer, in which the text follows the echo."""
        return re.compile(
            rb"\x02\x010000[@#]"
            + command.encode("ascii")
            + rb"(?P<text>[^\x02\x03]{0,512}?)(?P<status>"
            + STATUS
            + rb");\x03"
        )

    async def identity(self, exchange: CommandExchange) -> Identity | None:
        """Request the identity; an unknown request leaves its field empty."""
        product = await exchange("QRYPDN")
        if product is None:
            return None
        serial, firmware = await exchange("QRYPSN"), await exchange("QRYFWV")
        return Identity(
            manufacturer="Newland",
            model=product.text or "Newland scanner",
            serial_number=serial.text if serial and serial.text else None,
            firmware=firmware.text if firmware and firmware.text else None,
        )
