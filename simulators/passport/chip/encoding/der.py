"""The ASN.1 values of security infos, certificates and signatures, in DER (X.690).

It only writes, and it is all the ASN.1 of the simulated chip: a library shared with the driver that reads the
structures would hide its own mistakes.
"""

from datetime import UTC, datetime

from simulators.passport.chip.encoding.tlv import tlv

NULL = b"\x05\x00"
TRUE = b"\x01\x01\xff"

_LAST_UTC_YEAR = 2049  # RFC 5280, 4.1.2.5: from 2050 on, GeneralizedTime


def sequence(*values: bytes) -> bytes:
    """Encode SEQUENCE and SEQUENCE OF."""
    return tlv(0x30, *values)


def set_of(*values: bytes) -> bytes:
    """Encode SET OF; DER sorts its elements."""
    return tlv(0x31, *sorted(values))


def integer(value: int) -> bytes:
    """Encode INTEGER, of a value that is not negative."""
    return tlv(0x02, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def oid(dotted: str) -> bytes:
    """Encode OBJECT IDENTIFIER, from dotted notation."""
    return tlv(0x06, oid_value(dotted))


def oid_value(dotted: str) -> bytes:
    """Encode the content of an OBJECT IDENTIFIER; protocols of Doc 9303-11 send it without tag and length."""
    first, second, *rest = (int(arc) for arc in dotted.split("."))
    encoded = bytearray()
    for arc in (40 * first + second, *rest):
        septets = [arc & 0x7F]
        while arc := arc >> 7:
            septets.append(arc & 0x7F | 0x80)
        encoded += bytes(reversed(septets))
    return bytes(encoded)


def octet_string(value: bytes) -> bytes:
    """Encode OCTET STRING."""
    return tlv(0x04, value)


def bit_string(value: bytes, unused: int = 0) -> bytes:
    """Encode BIT STRING, of whole bytes except `unused` bits at the end."""
    return tlv(0x03, bytes([unused]), value)


def named_bits(*numbers: int) -> bytes:
    """Encode BIT STRING of a list of named bits, such as a key usage, without trailing zeros."""
    last = max(numbers)
    value = sum(1 << (last - number) for number in numbers) << (7 - last % 8)
    return bit_string(value.to_bytes(last // 8 + 1, "big"), 7 - last % 8)


def utf8(text: str) -> bytes:
    """Encode UTF8String."""
    return tlv(0x0C, text.encode())


def printable(text: str) -> bytes:
    """Encode PrintableString."""
    return tlv(0x13, text.encode("ascii"))


def ia5_value(text: str) -> bytes:
    """Encode the characters of an IA5String for implicit tagging."""
    return text.encode("ascii")


def generalized_time(moment: datetime) -> bytes:
    """Encode GeneralizedTime in UTC, whole seconds."""
    return tlv(0x18, f"{moment.astimezone(UTC):%Y%m%d%H%M%SZ}".encode())


def time(moment: datetime) -> bytes:
    """Encode Time of RFC 5280: UTCTime to 2049, GeneralizedTime after."""
    if moment.astimezone(UTC).year > _LAST_UTC_YEAR:
        return generalized_time(moment)
    return tlv(0x17, f"{moment.astimezone(UTC):%y%m%d%H%M%SZ}".encode())


def context(number: int, *values: bytes) -> bytes:
    """Encode [number], constructed: explicit around a value, or implicit in place of a SEQUENCE or SET."""
    return tlv(0xA0 | number, *values)


def context_primitive(number: int, value: bytes) -> bytes:
    """Encode [number] IMPLICIT in place of a primitive type."""
    return tlv(0x80 | number, value)
