"""From the text of a frame to the lines of a document: line ends, padding, lines glued together."""

import re

LINE_END = re.compile(r"[\r\n]+")
# How many lines of which length a document has (Doc 9303-4 to -7), and the two older national layouts.
LAYOUTS = ((44, 44), (36, 36), (30, 30, 30), (9, 30, 30))
_BEGINNINGS = {layout[:count] for layout in LAYOUTS for count in range(len(layout) + 1)}
JOINED_LINES = {sum(layout): layout for layout in LAYOUTS}
SINGLE_LINE = re.compile(r"D1[A-Z]{3}[A-Z0-9<]{25}")
"""The French driving licence before 2013 has one line of 30."""


def decode_text(payload: bytes) -> str:
    """Decode what a reader sent. What is not ASCII becomes U+FFFD: seen, and never valid."""
    return payload.decode("ascii", "replace")


def split_lines(text: str) -> tuple[str, ...]:
    """Split a document's text into its lines: at CR, LF or both, and by length where readers glue them."""
    lines = [line for line in LINE_END.split(text) if line.strip()]
    if len(lines) == 1 and (layout := JOINED_LINES.get(len(lines[0]))):
        return split_joined_lines(lines[0], layout)
    return tuple(lines)


def split_joined_lines(line: str, layout: tuple[int, ...]) -> tuple[str, ...]:
    """Cut one long line into lines of the given lengths."""
    starts = [sum(layout[:i]) for i in range(len(layout))]
    return tuple(line[start : start + length] for start, length in zip(starts, layout, strict=True))


def is_complete(lines: list[str]) -> bool:
    """Whether these lines are all of a document."""
    lengths = tuple(len(line) for line in lines)
    return lengths in LAYOUTS or (len(lines) == 1 and SINGLE_LINE.fullmatch(lines[0]) is not None)


def is_incomplete(lines: list[str]) -> bool:
    """Whether these lines are the beginning of a document."""
    return tuple(len(line) for line in lines) in _BEGINNINGS
