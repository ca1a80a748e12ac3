"""The multipart streams of cameras, which never end: bytes in, parts out, wherever the bytes are cut.

RFC 2046, section 5.1, as cameras write it: with or without Content-Length, with one line end for two, with a
boundary that already holds its dashes. A part that tells its length ends there; one that does not ends where
its own content does, so that it is not late by one part, or else at the next boundary.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from drivers.camera.imaging.jpeg import EOI, SOI, JpegInfo, parse_jpeg

HEADERS_LIMIT_BYTES = 16 * 1024
_BOUNDARY = re.compile(r'boundary="?([^";,\s]+)', re.IGNORECASE)
_HEADERS_END = re.compile(rb"\r?\n\r?\n")
_XML_END = re.compile(rb"</(?:[\w.-]+:)?([\w.-]+)\s*>\s*\Z")
# What a comment has taken it keeps: else one could go on through the next, and the ways to divide them double
# with each.
_XML_BEGIN = re.compile(rb"\A\s*(?>(?:<\?[^>]*\?>\s*|<!--.*?-->\s*)*)<(?:[\w.-]+:)?([\w.-]+)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class BodyPart:
    """One part that is whole, as far as its length or its boundary tell."""

    headers: Mapping[str, str]
    """By name in lower case."""
    content: bytes

    @property
    def media_type(self) -> str:
        """Without its parameters, in lower case."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


@dataclass(frozen=True, slots=True)
class MalformedPart:
    """Bytes that are no part, or one that is too long: passed over up to the next boundary."""

    fault: str
    content: bytes


def parse_boundary(content_type: str) -> str | None:
    """The boundary that a Content-Type names; None for a stream that is no multipart."""
    found = _BOUNDARY.search(content_type)
    if not content_type.lower().startswith("multipart/") or found is None:
        return None
    return found[1].lstrip("-") or None


class MultipartReader:
    """Cuts one stream into its parts."""

    def __init__(self, boundary: str, limit_bytes: int) -> None:
        """`boundary` as `boundary_of` gives it; `limit_bytes`: no part is longer."""
        token = re.escape(boundary.encode())
        # A delimiter stands in a line of its own, so the two bytes before it belong to it.
        self._delimiter = re.compile(rb"(?:\A|\r?\n)-{2,}" + token + rb"(?:--)?[ \t]*(?:\r?\n|\Z)")
        self._longest = len(boundary) + 64
        self._limit_bytes = limit_bytes
        self._rest = bytearray()
        self._headers: dict[str, str] | None = None
        """Of the part whose content is being read; None before a boundary."""
        self._inside = False
        """After a boundary, before the end of the headers."""
        self._looked = 0
        """Up to here no delimiter begins."""
        self.is_part_started = 0
        """How many parts have begun."""

    def feed(self, chunk: bytes) -> list[BodyPart | MalformedPart]:
        """Take bytes as they came, and give back what is whole now."""
        self._rest += chunk
        found: list[BodyPart | MalformedPart] = []
        while self._step(found):
            pass
        return found

    def finish(self) -> list[BodyPart | MalformedPart]:
        """The stream has ended: what was begun and is not whole."""
        if self._headers is None:
            return []
        found: list[BodyPart | MalformedPart] = []
        last = self._delimiter.search(self._rest)  # also one whose line end never came
        if last is not None and "content-length" not in self._headers:
            self._close(bytes(self._rest[: last.start()]), found)
        else:
            found.append(MalformedPart("cut", bytes(self._rest)))
        self._headers = None
        self._rest.clear()
        return found

    def _step(self, found: list[BodyPart | MalformedPart]) -> bool:
        if self._headers is not None:
            return self._content(found)
        return self._head(found) if self._inside else self._boundary()

    def _boundary(self) -> bool:
        """Look for the next delimiter; what stands before it is nothing."""
        delimiter = self._next_delimiter()
        if delimiter is None:
            surplus = len(self._rest) - self._longest
            if surplus > 0:
                del self._rest[:surplus]
                self._looked = 0
            return False
        self._drop(delimiter.end())
        self._inside = True
        return True

    def _head(self, found: list[BodyPart | MalformedPart]) -> bool:
        while self._rest.startswith((b"\r", b"\n")):  # some write the line end of the boundary twice
            del self._rest[:1]
        end = _HEADERS_END.search(self._rest)
        if end is None:
            if len(self._rest) > HEADERS_LIMIT_BYTES:
                found.append(MalformedPart("headers_too_long", bytes(self._rest[:64])))
                self._inside = False
                return True
            return False
        self._headers = _parsed(bytes(self._rest[: end.start()]))
        self._inside = False
        self.is_part_started += 1
        self._drop(end.end())
        return True

    def _content(self, found: list[BodyPart | MalformedPart]) -> bool:
        assert self._headers is not None
        length = self._headers.get("content-length", "")
        if length.isascii() and length.isdigit():
            # No number that long is meant, and Python reads none of some thousand digits.
            return self._of_length(int(length) if len(length) < 20 else self._limit_bytes + 1, found)
        delimiter = self._next_delimiter()
        if delimiter is not None:
            self._close(bytes(self._rest[: delimiter.start()]), found)
            self._drop(delimiter.end())
            self._inside = True
            return True
        if (size := _ends_itself(self._rest)) is not None:
            self._close(bytes(self._rest[:size]), found)
            self._drop(size)
            return True
        return self._too_long(len(self._rest), found)

    def _of_length(self, length: int, found: list[BodyPart | MalformedPart]) -> bool:
        if self._too_long(length, found):
            return True
        delimiter = self._next_delimiter()
        # Some count the line end before the next boundary.
        if delimiter is not None and delimiter.start() < length - 2:
            found.append(MalformedPart("cut", bytes(self._rest[: delimiter.start()])))
            self._headers = None
            self._drop(delimiter.end())
            self._inside = True
            return True
        if len(self._rest) < length:
            return False
        self._close(bytes(self._rest[:length]), found)
        # The line end that was counted belongs to the delimiter.
        self._drop(length if delimiter is None else min(length, delimiter.start()))
        return True

    def _too_long(self, size: int, found: list[BodyPart | MalformedPart]) -> bool:
        """Whether a part is too long; it is given up then."""
        if size <= self._limit_bytes:
            return False
        found.append(MalformedPart("too_long", bytes(self._rest[:64])))
        self._headers = None
        return True

    def _close(self, content: bytes, found: list[BodyPart | MalformedPart]) -> None:
        assert self._headers is not None
        found.append(BodyPart(self._headers, content))
        self._headers = None

    def _drop(self, size: int) -> None:
        del self._rest[:size]
        self._looked = 0

    def _next_delimiter(self) -> re.Match[bytes] | None:
        """The next delimiter that has come whole; what may be the beginning of one is looked at again."""
        found = self._delimiter.search(self._rest, self._looked)
        if found is not None and found.end() == len(self._rest) and not self._rest.endswith(b"\n"):
            found = None  # its line end is still to come
        if found is None:
            self._looked = max(0, len(self._rest) - self._longest)
        return found


def _parsed(text: bytes) -> dict[str, str]:
    headers = {}
    for line in text.decode("latin-1").splitlines():
        name, colon, value = line.partition(":")
        if colon:
            headers[name.strip().lower()] = value.strip()
    return headers


def _ends_itself(content: bytearray) -> int | None:
    """Where content without a stated length ends, by what it is; None while nobody can tell."""
    tail = bytes(content[-64:]).rstrip()
    if content.startswith(SOI):
        if tail.endswith(EOI):
            picture = parse_jpeg(bytes(content))
            return picture.size_bytes if isinstance(picture, JpegInfo) else None
        return None
    if tail.endswith(b">"):
        begin, end = _XML_BEGIN.match(content), _XML_END.search(content, max(0, len(content) - 256))
        # The element it began with has ended, and no other of that name is open: cameras nest none in itself.
        return len(content) if begin and end and begin[1] == end[1] else None
    return None
