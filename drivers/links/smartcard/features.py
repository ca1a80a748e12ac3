"""Properties of a slot, as PC/SC part 10 has a program request them (2.2 and 2.6.14).

A feature request returns control codes by feature; the control code of FEATURE_GET_TLV_PROPERTIES returns the
properties.
"""

import struct
from collections.abc import Iterator

GET_FEATURE_REQUEST = 3400
"""Number of the control code CM_IOCTL_GET_FEATURE_REQUEST."""
GET_TLV_PROPERTIES = 0x12
MAX_APDU_DATA_SIZE = 0x0A
"""dwMaxAPDUDataSize: 0 for a slot of short APDUs, up to 0x10000 for one of extended ones."""


def control_code(features: bytes, feature: int) -> int | None:
    """Return the control code of a feature, from the answer to a feature request; None without it."""
    for tag, value in _objects(features):
        if tag == feature and len(value) == 4:
            return int(struct.unpack(">I", value)[0])
    return None


def max_apdu_data_bytes(properties: bytes) -> int | None:
    """Return dwMaxAPDUDataSize, in bytes; None where the slot does not state it.

    Unlike control codes, properties are little-endian.
    """
    for tag, value in _objects(properties):
        if tag == MAX_APDU_DATA_SIZE and 1 <= len(value) <= 4:
            return int.from_bytes(value, "little")
    return None


def _objects(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Split a row of objects of one byte of tag and one of length; a cut one ends it."""
    at = 0
    while at + 2 <= len(data):
        tag, size = data[at], data[at + 1]
        value = data[at + 2 : at + 2 + size]
        if len(value) == size:
            yield tag, value
        at += 2 + size
