"""Parsers of bytes from outside: twice the bytes cost at most 2.3 times the processor time.

A parser is fed hostile streams of n and 2n bytes, in the chunks in which its link reads. n is the smallest
power of two that takes MEASURABLE_S, so that a quadratic parser fails quickly.
"""

import time
from collections.abc import Callable, Iterator

import pytest

from drivers.camera.multipart import MultipartReader

MEASURABLE_S = 0.02
MAX_RATIO = 2.3
MAX_BYTES = 1 << 18
CHUNKS = {"chunks": 4096, "whole": 1 << 30}


def drain(found: object) -> None:
    if isinstance(found, Iterator):
        for _ in found:
            pass


def fed(make: Callable[[], object], chunk_bytes: int) -> Callable[[bytes], None]:
    """Return a function that feeds a new parser in chunks."""

    def parse(stream: bytes) -> None:
        feed = getattr(make(), "feed")  # noqa: B009
        for at in range(0, len(stream), chunk_bytes):
            try:
                drain(feed(stream[at : at + chunk_bytes]))
            except ValueError:
                return

    return parse


def repeat(unit: bytes, head: bytes = b"", tail: bytes = b"") -> Callable[[int], bytes]:
    return lambda size: head + unit * (size // len(unit)) + tail


READERS: dict[str, tuple[Callable[[], object], dict[str, Callable[[int], bytes]]]] = {
    "multipart": (
        lambda: MultipartReader("b", 8 << 20),
        {
            "tiny": repeat(b"--b\r\n\r\nx\r\n"),
            "counted": repeat(b"--b\r\nContent-Length: 1\r\n\r\nx\r\n"),
            "counted_without_end": repeat(b"x", b"--b\r\nContent-Length: 99999999\r\n\r\n"),
            "unterminated": repeat(b"x", b"--b\r\n\r\n"),
            "nearly_delimiters": repeat(b"\r\n--c", b"--b\r\n\r\n"),
            "dashes": repeat(b"-", b"--b\r\n\r\n"),
            "line_ends": repeat(b"\r\n", b"--b\r\n"),
            "jpeg_starts": repeat(b"\xff\xd8\xff", b"--b\r\n\r\n\xff\xd8"),
            "jpeg_segments": repeat(b"\xff\xe0\x00\x02", b"--b\r\n\r\n\xff\xd8"),
            "headers": repeat(b"--b\r\nA: b\r\nC: d\r\n\r\n\r\n"),
        },
    ),
}


def cases() -> Iterator[object]:
    for name, (make, shapes) in READERS.items():
        for how, chunk_bytes in CHUNKS.items():
            for shape, stream in shapes.items():
                yield pytest.param(fed(make, chunk_bytes), stream, id=f"{name}-{shape}-{how}")


def cpu_s(parse: Callable[[bytes], None], stream: bytes, times: int = 3) -> float:
    best = float("inf")
    for _ in range(times):
        began = time.process_time()
        parse(stream)
        best = min(best, time.process_time() - began)
    return best


@pytest.mark.parametrize(("parse", "stream"), list(cases()))
def test_doubling_costs_double(parse: Callable[[bytes], None], stream: Callable[[int], bytes]) -> None:
    size = 4096
    while (once := cpu_s(parse, stream(size), 1)) < MEASURABLE_S and size < MAX_BYTES:
        size *= 2
    if once < MEASURABLE_S:
        return  # 256 KiB in less than 20 ms: nothing is quadratic here
    ratios = []
    for _ in range(3):
        ratios.append(cpu_s(parse, stream(2 * size)) / cpu_s(parse, stream(size)))
        if ratios[-1] <= MAX_RATIO:
            return
    raise AssertionError(
        f"{size} bytes take {once:.3f} s; twice as many take {min(ratios):.1f} times as long"
    )
