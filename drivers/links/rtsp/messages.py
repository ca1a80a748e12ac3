"""Parser of one RTSP 1.0 connection (RFC 2326): bytes in, messages and interleaved packets out. No I/O."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

MAX_HEAD_BYTES = 16 * 1024
MAX_BODY_BYTES = 64 * 1024
"""Upper bound on a body; a description of a session has one or two kilobytes."""
_HEAD_END = re.compile(rb"\r?\n\r?\n")
_STATUS_LINE = re.compile(r"RTSP/1\.\d (?P<status>\d{3})(?: .*)?")
_REQUEST_LINE = re.compile(r"(?P<method>[A-Z_]{1,32}) \S+ RTSP/1\.\d")
_DOLLAR = 0x24


class RtspSyntaxError(Exception):
    """Bytes that are not RTSP, or a message that exceeds a limit."""


@dataclass(frozen=True, slots=True)
class _Message:
    headers: tuple[tuple[str, str], ...]
    """Names in lower case, and values; a name may occur several times."""
    body: bytes

    def header(self, name: str) -> str:
        """Return the first value of a header; "" where it is missing."""
        return next((value for key, value in self.headers if key == name), "")

    def header_values(self, name: str) -> list[str]:
        """Return all values of a header."""
        return [value for key, value in self.headers if key == name]


@dataclass(frozen=True, slots=True)
class Response(_Message):
    """Response of the server."""

    status: int


@dataclass(frozen=True, slots=True)
class ServerRequest(_Message):
    """Request of the server (RFC 2326, section 10: OPTIONS, ANNOUNCE, REDIRECT and others)."""

    method: str


@dataclass(frozen=True, slots=True)
class InterleavedPacket:
    """Packet of a channel (RFC 2326, section 10.12)."""

    channel: int
    content: bytes


RtspItem = Response | ServerRequest | InterleavedPacket


class RtspParser:
    """Splits one connection into its messages and packets, in time proportional to its bytes."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._head_searched = 0
        """No head ends before this offset."""
        self._message_bytes = 0
        """Length of the message whose body is still incomplete."""

    def feed(self, chunk: bytes) -> Iterator[RtspItem]:
        """Take a chunk and yield what is complete; raises RtspSyntaxError.

        Exhaust it before the next call.
        """
        self._rest += chunk
        while self._rest:
            if self._rest[0] == _DOLLAR:
                if len(self._rest) < 4:
                    return
                end = 4 + int.from_bytes(self._rest[2:4])
                if len(self._rest) < end:
                    return
                packet = InterleavedPacket(self._rest[1], bytes(self._rest[4:end]))
                del self._rest[:end]
                yield packet
            elif self._rest[0] in b"\r\n":  # some cameras write a line end after a body
                end = 1
                while end < len(self._rest) and self._rest[end] in b"\r\n":
                    end += 1
                del self._rest[:end]
            else:
                message = self._message()
                if message is None:
                    return
                yield message

    def _message(self) -> Response | ServerRequest | None:
        """Remove the next message and return it; None while it is incomplete. Raises RtspSyntaxError."""
        if len(self._rest) < self._message_bytes:
            return None
        end = _HEAD_END.search(self._rest, self._head_searched, MAX_HEAD_BYTES + 4)
        if end is None:
            self._head_searched = max(0, len(self._rest) - 3)
            if len(self._rest) > MAX_HEAD_BYTES:
                raise RtspSyntaxError("a head that is too long")
            return None
        self._head_searched = end.start()
        first, *lines = self._rest[: end.start()].decode("latin-1").splitlines()
        headers = tuple(_header(line) for line in lines if ":" in line)
        length = next((value for name, value in headers if name == "content-length"), "0")
        if not (length.isascii() and length.isdigit()) or len(length) > 9 or int(length) > MAX_BODY_BYTES:
            raise RtspSyntaxError("a body that is too long")
        body_end = end.end() + int(length)
        if len(self._rest) < body_end:
            self._message_bytes = body_end
            return None
        body = bytes(self._rest[end.end() : body_end])
        del self._rest[:body_end]
        self._head_searched = self._message_bytes = 0
        if (found := _STATUS_LINE.fullmatch(first)) is not None:
            return Response(headers, body, int(found["status"]))
        if (found := _REQUEST_LINE.fullmatch(first)) is not None:
            return ServerRequest(headers, body, found["method"])
        raise RtspSyntaxError("neither a response nor a request")


def _header(line: str) -> tuple[str, str]:
    name, _, value = line.partition(":")
    return name.strip().lower(), value.strip()


def request_bytes(method: str, url: str, sequence: int, headers: dict[str, str]) -> bytes:
    """Return a request without a body."""
    lines = [f"{method} {url} RTSP/1.0", f"CSeq: {sequence}", "User-Agent: borderpost"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1", "replace")


def refusal_bytes(request: ServerRequest) -> bytes:
    """Return the response to a request of the server: none of them is needed."""
    return f"RTSP/1.0 501 Not Implemented\r\nCSeq: {request.header('cseq')}\r\n\r\n".encode("latin-1")
