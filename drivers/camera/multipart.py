"""Parser of endless multipart streams of cameras: bytes in, parts out, wherever the bytes are cut.

RFC 2046, section 5.1, as written by cameras: with or without Content-Length, with one line end instead of
two, with a boundary that already contains its dashes. A part with a length ends there. A part without one
ends at the end of its own content, so that it is not late by one part, or else at the next boundary.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from drivers.camera.imaging.jpeg import EOI, SOI, JpegInfo, JpegParser

HEADERS_LIMIT_BYTES = 16 * 1024
HEADERS_END_BYTES = 4
MAX_PROLOG_BYTES = 1024
"""Upper bound on the declaration and the comments before the first element of a document in XML."""
_BOUNDARY = re.compile(r'boundary="?([^";,\s]+)', re.IGNORECASE)
_HEADERS_END = re.compile(rb"\r?\n\r?\n")
_XML_END = re.compile(rb"</(?:[\w.-]+:)?([\w.-]+)\s*>\s*\Z")
# An atomic group: with backtracking, the ways to divide nested comments would double with each.
_XML_BEGIN = re.compile(rb"\A\s*(?>(?:<\?[^>]*\?>\s*|<!--.*?-->\s*)*)<(?:[\w.-]+:)?([\w.-]+)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class BodyPart:
    """One part that is whole, according to its length or its boundary."""

    headers: Mapping[str, str]
    """By name in lower case."""
    content: bytes

    @property
    def media_type(self) -> str:
        """Return the media type in lower case, without its parameters."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


@dataclass(frozen=True, slots=True)
class MalformedPart:
    """Bytes outside of a part, or a part that is too long: skipped up to the next boundary."""

    fault: str
    content: bytes


def parse_boundary(content_type: str) -> str | None:
    """Return the boundary of a Content-Type; None for a stream that is not multipart."""
    found = _BOUNDARY.search(content_type)
    if not content_type.lower().startswith("multipart/") or found is None:
        return None
    return found[1].lstrip("-") or None


class MultipartReader:
    """Splits one stream into its parts."""

    def __init__(self, boundary: str, limit_bytes: int) -> None:
        """`boundary`: result of `parse_boundary`; `limit_bytes`: upper limit of a part."""
        token = re.escape(boundary.encode())
        # A delimiter is on a line of its own, so the two bytes before it belong to it.
        self._delimiter = re.compile(rb"(?:\A|\r?\n)-{2,}" + token + rb"(?:--)?[ \t]*(?:\r?\n|\Z)")
        self._longest = len(boundary) + 64
        self._limit_bytes = limit_bytes
        self._rest = bytearray()
        self._headers: dict[str, str] | None = None
        """Headers of the part that is being read; None before a boundary."""
        self._content_end = _ContentEnd()
        self._inside = False
        """True between a boundary and the end of the headers."""
        self._search_from = 0
        """No delimiter, and no end of headers, begins before this offset."""
        self.is_part_started = 0
        """Number of parts that have begun."""

    def feed(self, chunk: bytes) -> list[BodyPart | MalformedPart]:
        """Take a chunk and return complete parts."""
        self._rest += chunk
        found: list[BodyPart | MalformedPart] = []
        while self._step(found):
            pass
        return found

    def finish(self) -> list[BodyPart | MalformedPart]:
        """End the stream and return the parts that are incomplete."""
        if self._headers is None:
            return []
        found: list[BodyPart | MalformedPart] = []
        last = self._delimiter.search(self._rest)  # also one whose line end is missing
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
        """Find the next delimiter and discard the bytes before it."""
        delimiter = self._next_delimiter()
        if delimiter is None:
            surplus = len(self._rest) - self._longest
            if surplus > 0:
                del self._rest[:surplus]
                self._search_from = 0
            return False
        self._drop(delimiter.end())
        self._inside = True
        return True

    def _head(self, found: list[BodyPart | MalformedPart]) -> bool:
        while self._rest.startswith((b"\r", b"\n")):  # some cameras write the line end of the boundary twice
            self._drop(1)
        end = _HEADERS_END.search(self._rest, self._search_from)
        if end is None:
            self._search_from = max(0, len(self._rest) - HEADERS_END_BYTES + 1)
            if len(self._rest) > HEADERS_LIMIT_BYTES:
                found.append(MalformedPart("headers_too_long", bytes(self._rest[:64])))
                self._inside = False
                self._search_from = 0
                return True
            return False
        self._headers = _parsed(bytes(self._rest[: end.start()]))
        self._content_end = _ContentEnd()
        self._inside = False
        self.is_part_started += 1
        self._drop(end.end())
        return True

    def _content(self, found: list[BodyPart | MalformedPart]) -> bool:
        assert self._headers is not None
        length = self._headers.get("content-length", "")
        if length.isascii() and length.isdigit():
            # A longer number is never meant, and Python refuses some thousand digits.
            return self._of_length(int(length) if len(length) < 20 else self._limit_bytes + 1, found)
        delimiter = self._next_delimiter()
        if delimiter is not None:
            self._close(bytes(self._rest[: delimiter.start()]), found)
            self._drop(delimiter.end())
            self._inside = True
            return True
        if (size := self._content_end.find(self._rest)) is not None:
            self._close(bytes(self._rest[:size]), found)
            self._drop(size)
            return True
        return self._too_long(len(self._rest), found)

    def _of_length(self, length: int, found: list[BodyPart | MalformedPart]) -> bool:
        if self._too_long(length, found):
            return True
        delimiter = self._next_delimiter()
        # Some cameras count the line end before the next boundary.
        if delimiter is not None and delimiter.start() < length - 2:
            found.append(MalformedPart("cut", bytes(self._rest[: delimiter.start()])))
            self._headers = None
            self._drop(delimiter.end())
            self._inside = True
            return True
        if len(self._rest) < length:
            return False
        self._close(bytes(self._rest[:length]), found)
        # The counted line end belongs to the delimiter.
        self._drop(length if delimiter is None else min(length, delimiter.start()))
        return True

    def _too_long(self, size: int, found: list[BodyPart | MalformedPart]) -> bool:
        """Discard a part that is too long, and return True then."""
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
        self._search_from = 0

    def _next_delimiter(self) -> re.Match[bytes] | None:
        """Return the next complete delimiter; a possible beginning of one is searched again."""
        found = self._delimiter.search(self._rest, self._search_from)
        if found is not None and found.end() == len(self._rest) and not self._rest.endswith(b"\n"):
            found = None  # its line end is still missing
        if found is None:
            self._search_from = max(0, len(self._rest) - self._longest)
        return found


def _parsed(text: bytes) -> dict[str, str]:
    headers = {}
    for line in text.decode("latin-1").splitlines():
        name, colon, value = line.partition(":")
        if colon:
            headers[name.strip().lower()] = value.strip()
    return headers


class _ContentEnd:
    """End of content without a stated length, by its type; no byte of it is parsed twice."""

    def __init__(self) -> None:
        self._jpeg = JpegParser()
        self._root: bytes | None = None
        """Name of the first element of a document in XML; empty: there is none."""

    def find(self, content: bytearray) -> int | None:
        """Return the end; None while unknown. The content is the same as last time, or longer."""
        tail = bytes(content[-64:]).rstrip()
        if content.startswith(SOI):
            if tail.endswith(EOI):
                picture = self._jpeg.parse(content)
                return picture.size_bytes if isinstance(picture, JpegInfo) else None
            return None
        if not tail.endswith(b">"):
            return None
        if self._root is None:
            begin = _XML_BEGIN.match(content, 0, MAX_PROLOG_BYTES)
            if begin is None and len(content) < MAX_PROLOG_BYTES:
                return None
            self._root = b"" if begin is None else begin[1]
        end = _XML_END.search(content, max(0, len(content) - 256))
        # The first element has ended, and no other of that name is open: cameras never nest it in itself.
        return len(content) if end and end[1] == self._root else None
