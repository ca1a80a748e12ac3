"""Framing of typed text: lines by their ends or lengths, texts by the pauses around them."""

from collections.abc import Iterator

from drivers.links.framing import INCOMPLETE, DamagedFrame, Frame
from drivers.passport.framings import LIMIT_BYTES, PlainTextFraming
from drivers.passport.read_result import decode_text, is_complete, split_lines
from drivers.passport.wedge.keyboard import KeyboardMark, KeyEventDecoder
from drivers.passport.wedge.keymap import US, KeyLayout


class WedgeFraming:
    """Events of an input device in, text out; a frame's `wire` is the text as well, in ASCII.

    When events were lost, the rest of the text is given up together with its beginning: line 1 of a passport
    has no check digit, so its lines must never be combined with those of another document.
    """

    def __init__(self, gap_s: float, layout: KeyLayout = US) -> None:
        self._keyboard = KeyEventDecoder(gap_s, layout)
        self._text = PlainTextFraming()
        self._lost: bytes | None = None
        """Text with characters missing; None while nothing is missing."""

    @property
    def has_pending(self) -> bool:
        """Return true while a character or a text is unfinished."""
        return self._keyboard.has_pending or self._text.has_pending or self._lost is not None

    def feed(self, chunk: bytes) -> Iterator[Frame]:
        """Add bytes of events and yield the complete documents and other texts."""
        for typed in self._keyboard.feed(chunk):
            match typed:
                case KeyboardMark.PAUSE:
                    yield from self._end()
                case KeyboardMark.LOST:
                    left = b"".join(frame.wire for frame in self._text.on_silence())
                    self._lost = ((self._lost or b"") + left)[:LIMIT_BYTES]
                case str():
                    # Characters outside ASCII cannot be in a zone: they become a question mark, which is
                    # never valid.
                    character = typed.encode("ascii", "replace")
                    if self._lost is None:
                        yield from self._text.feed(character)
                    else:
                        self._lost = (self._lost + character)[:LIMIT_BYTES]

    def on_silence(self) -> Iterator[Frame]:
        """End the last line, which needs no line end, and give up an incomplete text after the gap time."""
        self._keyboard.on_silence()
        yield from self._end()

    def _end(self) -> Iterator[Frame]:
        lost, self._lost = self._lost, None
        left = list(self._text.on_silence())
        if lost is not None:
            yield DamagedFrame(INCOMPLETE, lost)
        elif len(left) > 1 and not any(map(_is_document, left)):
            # One text that stopped in a later line: one failure.
            yield DamagedFrame(INCOMPLETE, b"\r".join(frame.wire for frame in left))
        else:
            yield from left


def _is_document(frame: Frame) -> bool:
    return is_complete(list(split_lines(decode_text(frame.wire))))
