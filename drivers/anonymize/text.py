"""Lines of text without personal data: zones become pseudonymous zones, all other text is masked."""

import re
from collections.abc import Callable, Sequence

from drivers.anonymize.mrz import pseudonymize_mrz
from drivers.anonymize.pseudonyms import Pseudonymizer, mask
from drivers.passport.read_result import today

LINE = re.compile(rb"[\x21-\x5e\x60-\x7e](?:[\x20-\x5e\x60-\x7e]*[\x21-\x5e\x60-\x7e])?")
"""A line: printable, without surrounding spaces or `_`, with which some readers pad."""
MAX_LINES = 3

Keep = Callable[[bytes], bool]


def keep_none(line: bytes) -> bool:  # noqa: ARG001
    """Keep no line: no line is known to be free of personal data."""
    return False


def anonymize_text(text: bytes, pseudonymizer: Pseudonymizer, keep: Keep = keep_none) -> bytes:
    """Return as many bytes: lines that `keep` accepts are kept, bytes between lines are masked."""
    found = list(LINE.finditer(text))
    lines = anonymize_lines([line[0] for line in found], pseudonymizer, keep)
    new, end = bytearray(), 0
    for match, line in zip(found, lines, strict=True):
        new += mask(text[end : match.start()]) + line
        end = match.end()
    return bytes(new + mask(text[end:]))


def anonymize_lines(
    lines: Sequence[bytes], pseudonymizer: Pseudonymizer, keep: Keep = keep_none
) -> list[bytes]:
    """Replace successive lines; those that form a zone together are replaced together."""
    new: list[bytes] = []
    while len(new) < len(lines):
        rest = lines[len(new) : len(new) + MAX_LINES]
        if keep(rest[0]):
            new.append(rest[0])
        else:
            new.extend(_zone(rest, pseudonymizer) or [_masked_line(rest[0], pseudonymizer)])
    return new


def _zone(rest: Sequence[bytes], pseudonymizer: Pseudonymizer) -> list[bytes] | None:
    """Return the longest zone that begins here. Zones have capitals only: small letters mean a stuck key."""
    for count in range(len(rest), 0, -1):
        text = [line.decode("ascii") for line in rest[:count]]
        upper = [line.upper() for line in text]
        other = pseudonymize_mrz(upper, today(), pseudonymizer)
        if other is not None:
            return [_restore_case(old, line).encode() for old, line in zip(text, other, strict=True)]
    return None


def _restore_case(old: str, new: str) -> str:
    """Return the new line with small letters in the places where the old one has them."""
    return (
        new
        if old.isupper()
        else "".join(n.lower() if o.islower() else n for o, n in zip(old, new, strict=True))
    )


def _masked_line(line: bytes, pseudonymizer: Pseudonymizer) -> bytes:
    pseudonymizer.add_marks_from(line.decode("ascii"))
    return mask(line)
