r"""Messages of the EST-100PR without personal data: names of the vendor are kept, texts are replaced.

A message is ``STX name : JSON-object ETX``. The rows of a zone in a text are separated by ``\n``, as JSON
writes it.
"""

import re

from drivers.anonymize.pseudonyms import Pseudonymizer, mask
from drivers.anonymize.text import anonymize_lines

_MESSAGE = re.compile(rb"\x02(?P<name>CameraData|PCSign|EidlinkResult):(?P<body>[^\x02\x03]*)(?P<end>\x03?)")
_TOKEN = re.compile(
    rb'"(?P<text>(?:[^"\\]|\\.)*)"(?P<colon>\s*:)?|(?P<word>true|false|null)|[{}\[\],]', re.DOTALL
)
_FIELDS = frozenset(
    b"data type QRType stage reqId signpacket travelIdentityBean"
    b" PersonalNumber name enName MachineReadCode picture".split()
)
_WORDS = frozenset((b"PassPort", b"QRCode", b"QR CODE", b"readStart", b"readEnd"))
_ROW_END = re.compile(rb"(\\[nr])+")
_ESCAPE = re.compile(rb"\\u[0-9a-fA-F]{4}|\\.", re.DOTALL)


def anonymize_messages(piece: bytes, pseudonymizer: Pseudonymizer) -> bytes:
    """Return as many bytes; everything between messages is masked."""
    new, end = bytearray(), 0
    for found in _MESSAGE.finditer(piece):
        body = _rewrite_body(found["body"], pseudonymizer)
        new += mask(piece[end : found.start()]) + b"\x02" + found["name"] + b":" + body + found["end"]
        end = found.end()
    return bytes(new + mask(piece[end:]))


def _rewrite_body(body: bytes, pseudonymizer: Pseudonymizer) -> bytes:
    """Rewrite a JSON object, or the beginning of one; numbers are masked too."""
    new, end = bytearray(), 0
    for found in _TOKEN.finditer(body):
        new += _mask_between_tokens(body[end : found.start()])
        end = found.end()
        text = found["text"]
        if text is None:
            new += found[0]
        elif found["colon"] is not None:
            new += b'"' + (text if text in _FIELDS else mask(text)) + b'"' + found["colon"]
        else:
            new += b'"' + (text if text in _WORDS else _rewrite_text(text, pseudonymizer)) + b'"'
    return bytes(new + _rewrite_rest(body[end:], pseudonymizer))


def _mask_between_tokens(between: bytes) -> bytes:
    """Mask bytes between tokens: digits become 1, because no number begins with 0."""
    return mask(between).replace(b"0", b"1")


def _rewrite_rest(rest: bytes, pseudonymizer: Pseudonymizer) -> bytes:
    """Rewrite a text that does not end."""
    return (
        rest[:1] + _rewrite_text(rest[1:], pseudonymizer) if rest[:1] == b'"' else _mask_between_tokens(rest)
    )


def _rewrite_text(text: bytes, pseudonymizer: Pseudonymizer) -> bytes:
    """Replace the rows of a zone, or mask another text; escapes remain escapes, of neutral characters."""
    ends = list(_ROW_END.finditer(text))
    starts = [0, *(end.end() for end in ends)]
    rows = [
        text[start:end] for start, end in zip(starts, [*(e.start() for e in ends), len(text)], strict=True)
    ]
    whole = [row for row in rows if row]
    if all(re.fullmatch(rb"[\x21\x23-\x5b\x5d-\x7e]+", row) for row in whole):
        lines = iter(anonymize_lines(whole, pseudonymizer))
        new = [next(lines) if row else b"" for row in rows]
    else:
        new = [_mask_row(row) for row in rows]
    return b"".join(row + end for row, end in zip(new, [*(e[0] for e in ends), b""], strict=True))


def _mask_row(row: bytes) -> bytes:
    """Mask a row; characters that are not ASCII become letters, so that the text stays valid."""
    new, end = bytearray(), 0
    for found in _ESCAPE.finditer(row):
        new += _letters(row[end : found.start()]) + (
            b"\\u0058" if found[0][1:2] == b"u" else b"\\n" * (len(found[0]) // 2)
        )
        end = found.end()
    return bytes(new + _letters(row[end:]))


def _letters(text: bytes) -> bytes:
    return (
        mask(text.translate(bytes(0x58 if c >= 0x80 else c for c in range(256))))
        .replace(b"\0", b" ")
        .replace(b'"', b".")
    )
