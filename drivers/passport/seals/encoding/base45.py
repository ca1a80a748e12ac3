"""Base45: two bytes in three characters of a QR code's alphanumeric mode (RFC 9285)."""

from drivers.passport.seals.errors import MalformedSealError

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"
_VALUES = {character: value for value, character in enumerate(_ALPHABET)}


def decode(text: str) -> bytes:
    """Decode text; raises MalformedSealError for other characters, lengths and values."""
    try:
        values = [_VALUES[character] for character in text]
    except KeyError:
        raise MalformedSealError("a barcode has a character that base45 has not") from None
    if len(values) % 3 == 1:
        raise MalformedSealError("a text in base45 is cut")
    decoded = bytearray()
    for at in range(0, len(values), 3):
        group = values[at : at + 3]
        number = sum(value * 45**place for place, value in enumerate(group))
        size = len(group) - 1
        if number >= 256**size:
            raise MalformedSealError("a text in base45 has a value that no bytes have")
        decoded += number.to_bytes(size, "big")
    return bytes(decoded)
