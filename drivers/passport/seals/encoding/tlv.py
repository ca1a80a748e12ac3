"""Tags of one byte with lengths in DER, as seals have them (ICAO Doc 9303-13, section 4)."""

from collections.abc import Iterator

from drivers.passport.seals.errors import MalformedSealError


def take(data: bytes, at: int, size: int) -> bytes:
    """Return so many bytes at an offset; raises MalformedSealError when there are fewer."""
    if at + size > len(data):
        raise MalformedSealError("a seal is cut")
    return data[at : at + size]


def der_length(data: bytes, at: int) -> tuple[int, int]:
    """Parse a length; return it with the offset after it. Raises MalformedSealError."""
    first = take(data, at, 1)[0]
    if first < 0x80:
        return first, at + 1
    count = first & 0x7F
    if count not in (1, 2):
        raise MalformedSealError("a length has more bytes than any seal")
    length = int.from_bytes(take(data, at + 1, count), "big")
    if length < 0x80 or length.bit_length() <= 8 * (count - 1):
        raise MalformedSealError("a length has more bytes than it needs")
    return length, at + 1 + count


def objects(data: bytes, at: int = 0) -> Iterator[tuple[int, bytes, int]]:
    """Yield tag, value and end of each object up to the end of the data; raises MalformedSealError."""
    while at < len(data):
        tag = data[at]
        length, start = der_length(data, at + 1)
        value = take(data, start, length)
        at = start + length
        yield tag, value, at
