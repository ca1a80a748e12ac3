"""Encodings in which readers send the bytes of a barcode."""

import base64
from enum import StrEnum


class SymbolEncoding(StrEnum):
    """Encodings in which a reader writes bytes that are not text."""

    BINARY = "binary"
    UTF8 = "utf8"
    """Each byte as the character of ISO 8859-1 with its number."""
    BASE64 = "base64"
    BASE64_URL = "base64-url"
    BASE32 = "base32"
    BASE32_LOWER = "base32-lower"
    HEX = "hex"

    def encode_bytes(self, data: bytes) -> bytes:
        """Return the reader's output for these bytes."""
        match self:
            case SymbolEncoding.BINARY:
                return data
            case SymbolEncoding.UTF8:
                return data.decode("iso-8859-1").encode()
            case SymbolEncoding.BASE64:
                return base64.b64encode(data)
            case SymbolEncoding.BASE64_URL:
                return base64.urlsafe_b64encode(data).rstrip(b"=")
            case SymbolEncoding.BASE32:
                return base64.b32encode(data)
            case SymbolEncoding.BASE32_LOWER:
                return base64.b32encode(data).lower().rstrip(b"=")
            case SymbolEncoding.HEX:
                return data.hex().encode()
