"""Anonymizer of the driver `ocr-scanner`: rows as text, answers to commands, and JSON of one model.

Answers are kept only when they answer a command that was sent: such an answer describes the scanner itself.
"""

import re
from collections.abc import Sequence
from typing import Any

from drivers.anonymize.anonymizer import Anonymized, join_chunks, replace_chunks
from drivers.anonymize.est100_json import anonymize_messages
from drivers.anonymize.mrz_serial import CHIP, keep_known
from drivers.anonymize.pseudonyms import CannotAnonymize, Pseudonymizer
from drivers.anonymize.text import anonymize_text
from drivers.links.recording.recording import Entry
from drivers.passport.scanners.setup import STATUS

_COMMANDS = {
    "honeywell": re.compile(rb"\x16M\r(?P<command>[A-Z0-9]{6,32})!|\x16[TU]\r"),
    "newland": re.compile(rb"~\x010000[#@](?P<command>[A-Z0-9]{6,32});\x03"),
}
_ANSWERS = {
    "honeywell": re.compile(rb"(?P<command>[A-Z0-9]{6,32})(?P<text>)" + STATUS + rb"[!.,;]"),
    "newland": re.compile(
        rb"\x02\x010000[#@](?P<command>[A-Z]{6}[0-9]*)(?P<text>[\x20-\x7e]{0,128})" + STATUS + rb";\x03"
    ),
}
_QUESTION = b"QRY"
_NAMEPLATE = re.compile(
    rb"(?:Product Name|Boot Revision|Software Part Number|Software Revision|Serial Number|Supported IF): "
    rb"[ -~]{0,64}"
)
"""Nameplate of Honeywell scanners, the answer to REVINF, one value a line."""


def ocr_scanner(settings: Any, entries: Sequence[Entry], pseudonymizer: Pseudonymizer) -> Anonymized:
    """Anonymizer of OCR scanners."""
    if settings.chip is not None:
        raise CannotAnonymize(CHIP)
    received, requests = (
        join_chunks(entries, "in", settings.gap_s),
        join_chunks(entries, "out", settings.gap_s),
    )
    commands = _COMMANDS.get(settings.model)
    asked = keep_known(requests.data, commands or re.compile(rb"(?!)"))
    sent = set() if commands is None else {found["command"] for found in commands.finditer(requests.data)}
    pieces = [piece for _, piece in received.segments()]
    match settings.model:
        case "honeywell" | "newland":
            new = b"".join(_rows(piece, settings.model, sent, pseudonymizer) for piece in pieces)
        case "zebra" | "code":
            new = b"".join(anonymize_text(piece, pseudonymizer) for piece in pieces)
        case _:  # est-100pr
            new = b"".join(anonymize_messages(piece, pseudonymizer) for piece in pieces)
    return Anonymized(replace_chunks(entries, in_=new, out=asked))


def _rows(piece: bytes, model: str, sent: set[bytes | None], pseudonymizer: Pseudonymizer) -> bytes:
    """Replace the rows between answers."""

    def nameplate(line: bytes) -> bool:
        return b"REVINF" in sent and _NAMEPLATE.fullmatch(line) is not None

    new, end = [], 0
    for found in _ANSWERS[model].finditer(piece):
        question = found["command"] in sent and (not found["text"] or found["command"].startswith(_QUESTION))
        if question:
            new += [anonymize_text(piece[end : found.start()], pseudonymizer, nameplate), found[0]]
            end = found.end()
    return b"".join([*new, anonymize_text(piece[end:], pseudonymizer, nameplate)])
