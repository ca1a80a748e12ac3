"""C40 as seals use it (BSI TR-03137-1, annex B): three characters in two bytes, capitals, digits, space."""

import string

_VALUES = {character: 3 + i for i, character in enumerate(f" {string.digits}{string.ascii_uppercase}")}


def encode(text: str) -> bytes:
    """Return the bytes of a text; `<` is written as space. Raises ValueError for any other character."""
    spaced = text.replace("<", " ")
    if unknown := set(spaced) - _VALUES.keys():
        raise ValueError(f"C40 of seals has no {sorted(unknown)}")
    encoded = bytearray()
    for at in range(0, len(spaced), 3):
        values = [_VALUES[character] for character in spaced[at : at + 3]]
        if len(values) == 1:
            encoded += bytes([0xFE, ord(spaced[at]) + 1])
            continue
        first, second, third = (*values, 0)[:3]
        encoded += (1600 * first + 40 * second + third + 1).to_bytes(2, "big")
    return bytes(encoded)
