"""BER-TLV data objects as smart cards use them (ISO/IEC 7816-4, 5.2.2)."""

from collections.abc import Iterator


def tlv(tag: int, *values: bytes) -> bytes:
    """Encode one data object; its value is all `values` in order. `tag` is a number as written: 0x7F49."""
    value = b"".join(values)
    return _tag(tag) + _length(len(value)) + value


def objects(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield tag and value of the data objects in `data`; raise ValueError for malformed BER-TLV."""
    at = 0
    while at < len(data):
        tag, at = _read_tag(data, at)
        length, at = _read_length(data, at)
        if at + length > len(data):
            raise ValueError(f"{tag:X}: length {length}, but {len(data) - at} bytes follow")
        yield tag, data[at : at + length]
        at += length


def parse_single(data: bytes, tag: int) -> bytes:
    """Return the value of the single data object in `data`; raise ValueError if its tag differs."""
    found = list(objects(data))
    if len(found) != 1 or found[0][0] != tag:
        raise ValueError(f"not one data object {tag:X}")
    return found[0][1]


def _tag(tag: int) -> bytes:
    return tag.to_bytes(max(1, (tag.bit_length() + 7) // 8), "big")


def _length(length: int) -> bytes:
    if length < 0x80:
        return bytes([length])
    size = (length.bit_length() + 7) // 8
    return bytes([0x80 | size]) + length.to_bytes(size, "big")


def _read_tag(data: bytes, at: int) -> tuple[int, int]:
    end = at + 1
    if data[at] & 0x1F == 0x1F:
        while end < len(data) and data[end] & 0x80 and end - at < 3:
            end += 1
        end += 1
    if end > len(data):
        raise ValueError("a tag is truncated")
    return int.from_bytes(data[at:end], "big"), end


def _read_length(data: bytes, at: int) -> tuple[int, int]:
    if at >= len(data):
        raise ValueError("a length is missing")
    first = data[at]
    if first < 0x80:
        return first, at + 1
    size = first & 0x7F
    if not 1 <= size <= 4 or at + 1 + size > len(data):
        raise ValueError("a length is truncated, indefinite or too long")
    return int.from_bytes(data[at + 1 : at + 1 + size], "big"), at + 1 + size
