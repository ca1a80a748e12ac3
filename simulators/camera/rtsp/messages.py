"""Requests and responses of RTSP 1.0 (RFC 2326)."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

REASONS = {
    200: "OK",
    400: "Bad Request",
    401: "Unauthorized",
    404: "Not Found",
    454: "Session Not Found",
    455: "Method Not Valid in This State",
    461: "Unsupported Transport",
    501: "Not Implemented",
}
LONGEST_HEAD = 64


@dataclass(frozen=True, slots=True)
class Request:
    """A client's request."""

    method: str
    url: str
    headers: Mapping[str, str]
    """By their names in lower case."""

    @property
    def path(self) -> str:
        """Path of the URL, without a slash at its end."""
        return urlsplit(self.url).path.rstrip("/")


async def next_request(reader: asyncio.StreamReader) -> Request | None:
    """Return the next one, skipping interleaved data; None at the end, or for an invalid one.

    Raises IncompleteReadError, an EOFError, if the client disconnects in the middle.
    """
    while (first := await reader.read(1)) == b"$":
        size = int.from_bytes((await reader.readexactly(3))[1:])
        await reader.readexactly(size)
    if not first:
        return None
    line = first + await reader.readline()
    method, _, rest = line.decode("latin-1").strip().partition(" ")
    url, _, version = rest.partition(" ")
    if version != "RTSP/1.0":
        return None
    headers: dict[str, str] = {}
    for _ in range(LONGEST_HEAD):
        name, colon, value = (await reader.readline()).decode("latin-1").partition(":")
        if not colon:
            break
        headers[name.strip().lower()] = value.strip()
    length = headers.get("content-length", "0")
    if length.isdecimal():
        await reader.readexactly(int(length))
    return Request(method, url, headers)


def response(status: int, sequence: str, headers: Mapping[str, str], body: str = "") -> bytes:
    """Return an answer to the request of that CSeq."""
    status_line = {"CSeq": sequence, "Server": "borderpost-simulated", **headers}
    if body:
        status_line |= {"Content-Type": "application/sdp", "Content-Length": str(len(body.encode()))}
    head = [
        f"RTSP/1.0 {status} {REASONS[status]}",
        *(f"{name}: {value}" for name, value in status_line.items()),
    ]
    return "\r\n".join([*head, "", body]).encode()
