"""Lines of text without their people: zones become zones of somebody invented, all else is masked."""

import re
from collections.abc import Callable, Sequence

from drivers.anonymize.mrz import pseudonymize_mrz
from drivers.anonymize.pseudonyms import Pseudonymizer, mask
from drivers.clock import today

LINE = re.compile(rb"[\x21-\x5e\x60-\x7e](?:[\x20-\x5e\x60-\x7e]*[\x21-\x5e\x60-\x7e])?")
"""A line: printable, without spaces around it or `_`, with which some readers pad."""
MOST_LINES = 3

Keep = Callable[[bytes], bool]


def keep_none(line: bytes) -> bool:  # noqa: ARG001
    """No line is known to name nobody."""
    return False


def anonymize_text(text: bytes, pseudonymizer: Pseudonymizer, keep: Keep = keep_none) -> bytes:
    """As many bytes: lines that `keep` knows stay, between lines is what `masked` leaves of it."""
    found = list(LINE.finditer(text))
    lines = anonymize_lines([line[0] for line in found], pseudonymizer, keep)
    new, end = b"", 0
    for match, line in zip(found, lines, strict=True):
        new += mask(text[end : match.start()]) + line
        end = match.end()
    return new + mask(text[end:])


def anonymize_lines(
    lines: Sequence[bytes], pseudonymizer: Pseudonymizer, keep: Keep = keep_none
) -> list[bytes]:
    """Lines that follow each other: those that are a zone together are replaced together."""
    new: list[bytes] = []
    while len(new) < len(lines):
        rest = lines[len(new) : len(new) + MOST_LINES]
        if keep(rest[0]):
            new.append(rest[0])
        else:
            new.extend(_zone(rest, pseudonymizer) or [_masked_line(rest[0], pseudonymizer)])
    return new


def _zone(rest: Sequence[bytes], inventor: Pseudonymizer) -> list[bytes] | None:
    """The longest zone that begins here. Zones have capitals only: small ones are a key that seems stuck."""
    for count in range(len(rest), 0, -1):
        text = [line.decode("ascii") for line in rest[:count]]
        upper = [line.upper() for line in text]
        other = pseudonymize_mrz(upper, today(), inventor)
        if other is not None:
            return [_as_before(old, line).encode() for old, line in zip(text, other, strict=True)]
    return None


def _as_before(old: str, new: str) -> str:
    """The new line with small letters where the old one has some."""
    return (
        new
        if old.isupper()
        else "".join(n.lower() if o.islower() else n for o, n in zip(old, new, strict=True))
    )


def _masked_line(line: bytes, inventor: Pseudonymizer) -> bytes:
    inventor.add_marks_from(line.decode("ascii"))
    return mask(line)
