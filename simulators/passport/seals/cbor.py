"""CBOR in its deterministic form (RFC 8949, section 4.2), as health certificates have it. It only writes."""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tag:
    """A value with a tag."""

    number: int
    value: object


def encode(value: object) -> bytes:
    """Encode a value; raises TypeError for a type that is not listed here."""
    match value:
        case None:
            return b"\xf6"
        case bool():
            return b"\xf5" if value else b"\xf4"
        case int():
            return _head(0, value) if value >= 0 else _head(1, -1 - value)
        case float():
            return struct.pack(">Bd", 0xFB, value)
        case bytes():
            return _head(2, len(value)) + value
        case str():
            return _head(3, len(value.encode())) + value.encode()
        case Sequence():
            return _head(4, len(value)) + b"".join(map(encode, value))
        case Mapping():
            # Keys in the order of their encodings (4.2.1).
            items = sorted((encode(key), encode(item)) for key, item in value.items())
            return _head(5, len(items)) + b"".join(key + item for key, item in items)
        case Tag(number=number, value=inner):
            return _head(6, number) + encode(inner)
    raise TypeError(f"no CBOR of {type(value).__name__}")


def _head(major: int, count: int) -> bytes:
    """Encode a major type and its argument in the shortest form (section 3)."""
    if count < 24:
        return bytes([major << 5 | count])
    size = next(size for size in range(4) if count < 256 ** (1 << size))
    return bytes([major << 5 | 24 + size]) + count.to_bytes(1 << size, "big")
