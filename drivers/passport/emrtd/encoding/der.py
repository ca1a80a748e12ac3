"""DER types of keys and security infos (ITU-T X.690, section 8), over `tlv`."""

from drivers.passport.emrtd.encoding import tlv
from drivers.passport.emrtd.errors import MalformedError

INTEGER, BIT_STRING, OCTET_STRING, OID, SEQUENCE, SET = 0x02, 0x03, 0x04, 0x06, 0x30, 0x31
_MAX_INTEGER_LENGTH = 1025  # an 8192-bit modulus and its sign
_MAX_OID_LENGTH = 64


def integer(value: bytes) -> int:
    """Parse the contents of an INTEGER that must not be negative; raises MalformedError."""
    if not value or len(value) > _MAX_INTEGER_LENGTH or value[0] & 0x80:
        raise MalformedError("an integer is empty, negative or too long")
    return int.from_bytes(value, "big")


def unsigned_integer(value: bytes) -> tuple[int, bool]:
    """Parse the contents of an INTEGER that is meant to be positive; also return whether it is written so.

    Some issuers leave out the zero byte in front of a number whose first bit is set, so that it reads as
    negative. Raises MalformedError.
    """
    if not value or len(value) > _MAX_INTEGER_LENGTH:
        raise MalformedError("an integer is empty or too long")
    return int.from_bytes(value, "big"), not value[0] & 0x80


def small_integer(value: bytes) -> int:
    """Read an INTEGER that is a version or an identifier: at most 64 bits; raises MalformedError."""
    if len(value) > 9:
        raise MalformedError("an identifier is too long")
    return integer(value)


def bit_string(value: bytes) -> bytes:
    """Read a BIT STRING of whole octets; raises MalformedError."""
    if not value or value[0] != 0:
        raise MalformedError("a bit string is not made of whole octets")
    return value[1:]


def oid(value: bytes) -> str:
    """Read an OBJECT IDENTIFIER into its dotted form; raises MalformedError."""
    if not value or len(value) > _MAX_OID_LENGTH or value[-1] & 0x80:
        raise MalformedError("an object identifier is cut or too long")
    arcs: list[int] = []
    arc = 0
    for octet in value:
        arc = arc << 7 | octet & 0x7F
        if not octet & 0x80:
            arcs.append(arc)
            arc = 0
    root = min(arcs[0] // 40, 2)
    return ".".join(map(str, (root, arcs[0] - 40 * root, *arcs[1:])))


def encode_oid(dotted: str) -> bytes:
    """Write the contents of an OBJECT IDENTIFIER."""
    root, second, *rest = map(int, dotted.split("."))
    octets = bytearray()
    for arc in (40 * root + second, *rest):
        groups = [arc & 0x7F]
        while arc := arc >> 7:
            groups.append(0x80 | arc & 0x7F)
        octets += bytes(reversed(groups))
    return bytes(octets)


def sequence(value: bytes, least: int = 0) -> tuple[tlv.Tlv, ...]:
    """Read the elements of a SEQUENCE given with its head; raises MalformedError when some are missing."""
    return elements(tlv.parse_value(value, SEQUENCE), least)


def elements(contents: bytes, least: int) -> tuple[tlv.Tlv, ...]:
    """Read at least so many elements out of the contents of a SEQUENCE; raises MalformedError."""
    found = tlv.children(contents)
    if len(found) < least:
        raise MalformedError("a sequence has too few elements")
    return found


def expect(item: tlv.Tlv, tag: int) -> bytes:
    """Return the value of an element that must have that tag; raises MalformedError."""
    if item.tag != tag:
        raise MalformedError(f"an element has tag {item.tag:X} and not {tag:X}")
    return item.value
