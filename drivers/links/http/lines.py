"""Lines of a response that arrives in chunks, such as JSON objects one a line."""

from collections.abc import Iterator


class LineTooLongError(Exception):
    """A line exceeds the limit."""


class LineReader:
    """Splits chunks into lines; empty lines are skipped."""

    def __init__(self, limit_bytes: int) -> None:
        """`limit_bytes`: upper limit of a line."""
        self._limit_bytes = limit_bytes
        self._rest = bytearray()

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Take a chunk and yield complete lines, without their ends; raises LineTooLongError."""
        if b"\n" in chunk:
            first, *lines, last = chunk.split(b"\n")
            ended, self._rest = bytes(self._rest) + first, bytearray(last)
            for line in (ended, *lines):
                if line.strip():
                    yield line
        else:
            self._rest += chunk
        if len(self._rest) > self._limit_bytes:
            raise LineTooLongError

    def finish(self) -> Iterator[bytes]:
        """Yield the last line if its end is missing."""
        if self._rest.strip():
            yield bytes(self._rest)
