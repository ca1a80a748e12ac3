"""Parser of the ICAO Datastructure for Barcodes.

    RDB1  flag  base32( [deflate]( country(2)  [algorithm  reference(5)  signed on(4)]
                                   61 { messages }  [7E certificate]  [7F r || s] ) )

The flag is A plus 1 for signed and 2 for compressed content. Country, algorithm, reference, date and messages
are signed, as they stand before compression.
"""

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import date, datetime

from drivers.passport.mrz import Mrz
from drivers.passport.mrz import parser as zones
from drivers.passport.seals.encoding import c40
from drivers.passport.seals.encoding.compression import decompress
from drivers.passport.seals.encoding.tlv import objects, take
from drivers.passport.seals.errors import MalformedSealError, UnsupportedSealError
from drivers.passport.seals.idb.messages import (
    GERMAN_DOCUMENTS,
    MESSAGES,
    NATIONAL_IDENTIFIER,
    VALID_FROM,
    VALID_UNTIL,
    ZONES,
    Coding,
    Definition,
)
from drivers.passport.seals.idb.model import Idb, IdbMessage
from drivers.passport.seals.parts import FeatureReading

IDENTIFIERS = ("RDB1", "NDB1")
MAX_CONTENT_BYTES = 16 * 1024
"""Upper bound on the content after decompression, in bytes: a face has 1,000, a certificate 2,000."""
_MESSAGES, _CERTIFICATE, _SIGNATURE = 0x61, 0x7E, 0x7F
_SIGNED, _COMPRESSED = 1, 2
_BASE32 = re.compile("[A-Z2-7]*")
_ISSUER = re.compile("[A-Z]{1,3}")
_ALGORITHMS = {1: "ES256", 2: "ES384", 3: "ES512"}
_SIGNED_HEADER_BYTES, _HEADER_BYTES = 12, 2
_MAX_SIGNATURE_LENGTH = 2 * 66
_MAX_MESSAGES = 64
_NO_DURATION = 0xFF
_VISA_SECOND_LINE = 28
_LINE_LENGTHS = {90: 30, 88: 44, 72: 36}
_VISA_LINE_LENGTHS = {88: 44, 44 + _VISA_SECOND_LINE: 44, 36 + _VISA_SECOND_LINE: 36}


def is_idb(text: str) -> bool:
    """Return true for a text that is, or was meant to be, such a barcode."""
    return text.startswith(IDENTIFIERS)


def parse(text: str, today: date) -> Idb:
    """Parse a barcode; `today` decides the centuries of its zone only.

    Raises MalformedSealError, and UnsupportedSealError for an unknown flag or algorithm.
    """
    identifier, flag = text[:4], ord(text[4:5] or "?") - ord("A")
    if identifier not in IDENTIFIERS:
        raise MalformedSealError("a barcode does not start with its mark")
    if not 0 <= flag <= _SIGNED | _COMPRESSED:
        raise UnsupportedSealError("a barcode has an unknown flag")
    signed, compressed = bool(flag & _SIGNED), bool(flag & _COMPRESSED)
    content = _base32(text[5:])
    if compressed:
        content = decompress(content, MAX_CONTENT_BYTES)
    header_bytes = _SIGNED_HEADER_BYTES if signed else _HEADER_BYTES
    header = take(content, 0, header_bytes)
    issuer = c40.decode(header[:2]).rstrip(" ")
    if not _ISSUER.fullmatch(issuer):
        raise MalformedSealError("a barcode names its issuer in characters that it does not have")
    parts, signed_end = _parts(content, header_bytes)
    if _MESSAGES not in parts:
        raise MalformedSealError("a barcode has no messages")
    signature = parts.get(_SIGNATURE, b"")
    if signed is not bool(signature) or len(signature) % 2 or len(signature) > _MAX_SIGNATURE_LENGTH:
        raise MalformedSealError("a signature is missing, unannounced, or not two numbers of equal length")
    missing: list[str] = []
    messages = tuple(_messages(parts[_MESSAGES], MESSAGES, "", missing))
    read = {message.path: message for message in messages if message.status is FeatureReading.READ}
    return Idb(
        identifier=identifier,
        is_signed=signed,
        is_compressed=compressed,
        issuer=issuer,
        algorithm=_algorithm(header[2]) if signed else None,
        certificate_reference=header[3:8].hex() if signed else None,
        signed_on=_day(_date(header[8:12])) if signed else None,
        document_type=_document_type(issuer, read.get(NATIONAL_IDENTIFIER)),
        messages=messages,
        missing_messages=tuple(missing),
        mrz=_zone(read, today),
        valid_from=_first_day(read, VALID_FROM),
        valid_until=_first_day(read, VALID_UNTIL),
        signed=content[:signed_end],
        signature=signature,
        certificate=parts.get(_CERTIFICATE, b""),
    )


def _base32(text: str) -> bytes:
    bare = text.rstrip("=")
    if not _BASE32.fullmatch(bare):
        raise MalformedSealError("a barcode is no base32")
    try:
        return base64.b32decode(bare + "=" * (-len(bare) % 8))
    except (binascii.Error, ValueError):
        raise MalformedSealError("a barcode is no base32") from None


def _parts(content: bytes, at: int) -> tuple[dict[int, bytes], int]:
    """Return the parts behind the header by tag, and the end of the signed bytes."""
    found: dict[int, bytes] = {}
    signed_end = at
    for tag, value, end in objects(content, at):
        if (
            tag in found
            or tag not in (_MESSAGES, _CERTIFICATE, _SIGNATURE)
            or (tag != _MESSAGES and not found)
        ):
            raise MalformedSealError("a barcode has an unknown part, or one twice, or in another order")
        found[tag] = value
        if tag == _MESSAGES:
            signed_end = end
    return found, signed_end


def _algorithm(code: int) -> str:
    if code not in _ALGORITHMS:
        raise UnsupportedSealError("a barcode has an unknown signature algorithm")
    return _ALGORITHMS[code]


def _messages(
    data: bytes, definitions: Mapping[int, Definition], around: str, missing: list[str]
) -> Iterator[IdbMessage]:
    """Yield the messages in `data` and, behind each, the fields in it."""
    tags: set[int] = set()
    for count, (tag, value, _) in enumerate(objects(data)):
        if tag in tags or count == _MAX_MESSAGES:
            raise MalformedSealError("a barcode has the same message twice, or too many")
        tags.add(tag)
        yield from _message(f"{around}{tag}", value, definitions.get(tag), missing)
    missing.extend(
        f"{around}{tag}" for tag, known in definitions.items() if known.required and tag not in tags
    )


def _message(path: str, value: bytes, known: Definition | None, missing: list[str]) -> Iterator[IdbMessage]:
    if known is None:
        yield IdbMessage(path=path, status=FeatureReading.RAW, value_hex=value.hex())
        return
    malformed = IdbMessage(path=path, name=known.name, status=FeatureReading.MALFORMED, value_hex=value.hex())
    if not known.least <= len(value) <= known.most:
        yield malformed
        return
    if known.coding is Coding.MESSAGES:
        lacking: list[str] = []
        try:
            inside = tuple(_messages(value, known.children, f"{path}.", lacking))
        except MalformedSealError:
            yield malformed
            return
        missing.extend(lacking)
        yield IdbMessage(path=path, name=known.name, status=FeatureReading.READ)
        yield from inside
        return
    try:
        text, number = _field(known.coding, value)
    except MalformedSealError:
        yield malformed
        return
    yield IdbMessage(
        path=path,
        name=known.name,
        status=FeatureReading.READ,
        text=text,
        number=number,
        value_hex=value.hex(),
    )


def _field(coding: Coding, value: bytes) -> tuple[str | None, int | None]:
    """Decode one field into text or number; raises MalformedSealError."""
    match coding:
        case Coding.C40:
            return c40.decode(value).rstrip(" "), None
        case Coding.MRZ:
            return _lines(c40.decode(value), _LINE_LENGTHS), None
        case Coding.VISA_ZONE:
            return _lines(c40.decode(value), _VISA_LINE_LENGTHS), None
        case Coding.UTF8:
            try:
                return value.decode("utf-8"), None
            except UnicodeDecodeError:
                raise MalformedSealError("a field is no UTF-8") from None
        case Coding.NUMBER:
            return None, int.from_bytes(value, "big")
        case Coding.DATE:
            return _date(value), None
        case Coding.TIME:
            return _time(value), None
        case Coding.DURATION:
            if len(value) != len("DMY"):
                return None, int.from_bytes(value, "big")
            days, months, years = value
            return (None if _NO_DURATION in value else f"P{years}Y{months}M{days}D"), None
        case _:
            return None, None


def _lines(text: str, lengths: Mapping[int, int]) -> str:
    width = lengths.get(len(text))
    if width is None:
        raise MalformedSealError("a zone has not as many characters as its lines")
    zone = text.replace(" ", "<")
    lines = [zone[start : start + width].ljust(width, "<") for start in range(0, len(zone), width)]
    return "\n".join(lines)


def _date(value: bytes) -> str:
    """Parse a date whose unknown digits are masked, the highest bit for the first digit of MMDDYYYY."""
    mask, number = value[0], int.from_bytes(value[1:], "big")
    digits = f"{number:08d}"
    if len(digits) > 8:
        raise MalformedSealError("a date of a barcode has too many digits")
    shown = "".join("x" if mask & 0x80 >> at else digit for at, digit in enumerate(digits))
    text = f"{shown[4:]}-{shown[:2]}-{shown[2:4]}"
    if not mask:
        _day(text, required=True)
    return text


def _day(text: str, *, required: bool = False) -> date | None:
    """Return a date whose digits are all known, else None; raises MalformedSealError for no such day."""
    with suppress(ValueError):
        return date.fromisoformat(text)
    if required:
        raise MalformedSealError("a date of a barcode is on no calendar")
    return None


def _time(value: bytes) -> str:
    digits = f"{int.from_bytes(value, 'big'):014d}"
    try:
        return datetime.strptime(digits, "%m%d%Y%H%M%S").isoformat()  # noqa: DTZ007  (no zone is stated)
    except ValueError:
        raise MalformedSealError("a time of a barcode does not exist") from None


def _document_type(issuer: str, identifier: IdbMessage | None) -> str | None:
    number = identifier.number if identifier else None
    if issuer != "D" or number is None or not 1 <= number <= len(GERMAN_DOCUMENTS):
        return None
    return GERMAN_DOCUMENTS[number - 1]


def _zone(read: Mapping[str, IdbMessage], today: date) -> Mrz | None:
    texts = (read[path].text for path in ZONES if path in read)
    text = next(filter(None, texts), None)
    return zones.parse(text.split("\n"), today) if text else None


def _first_day(read: Mapping[str, IdbMessage], paths: tuple[str, ...]) -> date | None:
    days = (_day(read[path].text or "") for path in paths if path in read)
    return next((day for day in days if day is not None), None)
