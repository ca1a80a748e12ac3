"""Decompression of the content of a barcode (RFC 1950), with a bound on its size."""

import zlib

from drivers.passport.seals.errors import MalformedSealError


def decompress(data: bytes, limit_bytes: int) -> bytes:
    """Decompress content; raises MalformedSealError when it is cut, too long, or followed by other bytes."""
    unpacker = zlib.decompressobj()
    try:
        content = unpacker.decompress(data, limit_bytes)
    except zlib.error:
        raise MalformedSealError("the content of a barcode cannot be decompressed") from None
    if not unpacker.eof or unpacker.unused_data:
        raise MalformedSealError("the compressed content of a barcode is cut, too long, or followed by more")
    return content
