"""Visible digital seals: header, message zone, signature zone.

Source: ICAO Doc 9303-13; BSI TR-03137-1, version 2.5, chapter 3 and annexes C to H.

    DC  version  issuer(2)  signer and certificate  issued(3)  signed(3)  definition  category
    { tag  length  value }  FF  length  r || s

Version 3 (written 02) has four characters of the signer and five of the certificate in six bytes. Version 4
(written 03) has four of the signer and the length of the reference in four bytes, then the reference.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from drivers.passport.mrz import Mrz
from drivers.passport.mrz import parser as zones
from drivers.passport.seals.encoding import c40
from drivers.passport.seals.encoding.tlv import der_length, take
from drivers.passport.seals.errors import MalformedSealError, UnsupportedSealError
from drivers.passport.seals.features import find_profile
from drivers.passport.seals.model import Feature, FeatureName, Vds

MAGIC = 0xDC
VERSIONS = {0x02: 3, 0x03: 4}
"""Versions of the header, by their code byte."""
_SIGNATURE = 0xFF
_MAX_SIGNATURE_LENGTH = 2 * 66
_ISSUER = re.compile("[A-Z]{1,3}")
_SIGNER = re.compile("[A-Z]{2}[A-Z0-9]{2}")
_REFERENCE = re.compile("[0-9A-Z]*")
# Public samples of the German registry of administrative seals (BSI TR-03171) count in decimal.
_DECIMAL_LENGTHS = frozenset({"DEZV"})

_Length = Callable[[bytes, int], tuple[int, int]]


@dataclass(frozen=True, slots=True)
class _Zones:
    """Offsets of the parts behind the header."""

    items: tuple[tuple[int, bytes], ...]
    signed: int
    """Number of signed bytes."""
    signature: bytes


def parse(data: bytes, today: date) -> Vds:
    """Parse a seal; `today` decides the centuries of its zone only.

    Raises MalformedSealError, and UnsupportedSealError for an unknown version.
    """
    if not data or data[0] != MAGIC:
        raise MalformedSealError("a seal does not start with its mark")
    version = VERSIONS.get(data[1]) if len(data) > 1 else None
    if len(data) > 1 and version is None:
        raise UnsupportedSealError("a seal is of an unknown version")
    issuer = c40.decode(take(data, 2, 2)).rstrip(" ")
    signer, reference, at = _fixed(data) if version == 3 else _variable(data)
    if not (_ISSUER.fullmatch(issuer) and _SIGNER.fullmatch(signer) and _REFERENCE.fullmatch(reference)):
        raise MalformedSealError("a seal names its issuer or signer in characters that neither has")
    issued, signed = _date(take(data, at, 3)), _date(take(data, at + 3, 3))
    definition, category = take(data, at + 6, 2)
    found = _zones(data, at + 8)
    kind = find_profile(definition, category)
    features = kind.read(found.items)
    return Vds(
        version=VERSIONS[data[1]],
        issuer=issuer,
        signer=signer,
        certificate_reference=reference,
        issued_on=issued,
        signed_on=signed,
        feature_definition=definition,
        document_category=category,
        profile=kind.kind,
        features=features,
        missing_features=kind.missing(features),
        mrz=_zone(features, today),
        signed=data[: found.signed],
        signature=found.signature,
    )


def _fixed(data: bytes) -> tuple[str, str, int]:
    """Return signer, reference and their end, in version 3."""
    both = c40.decode(take(data, 4, 6))
    if len(both) != 9:
        raise MalformedSealError("a signer and its certificate have not nine characters")
    return both[:4], both[4:], 10


def _variable(data: bytes) -> tuple[str, str, int]:
    """Return the same in version 4, where two hexadecimal digits are the length of the reference."""
    head = c40.decode(take(data, 4, 4))
    if len(head) != 6:
        raise MalformedSealError("a signer and a length have not six characters")
    signer, digits = head[:4], head[4:]
    try:
        length = int(digits, 10 if signer in _DECIMAL_LENGTHS else 16)
    except ValueError:
        raise MalformedSealError("the length of a certificate reference is no number") from None
    size = c40.size(length)
    reference = c40.decode(take(data, 8, size))
    if len(reference) != length:
        raise MalformedSealError("a certificate reference has not the length that is stated")
    return signer, reference, 8 + size


def _date(packed: bytes) -> date:
    """Parse month, day and year, which are the digits of one number."""
    number = int.from_bytes(packed, "big")
    month, day, year = number // 1_000_000, number // 10_000 % 100, number % 10_000
    try:
        return date(year, month, day)
    except ValueError:
        raise MalformedSealError("a date of a seal is on no calendar") from None


def _zones(data: bytes, at: int) -> _Zones:
    """Separate features and signature.

    Doc 9303-13 has lengths in DER, TR-03137 once had one byte for up to 254; up to 127 both are the same.
    """
    try:
        return _taken_apart(data, at, der_length)
    except MalformedSealError:
        return _taken_apart(data, at, _plain_length)


def _taken_apart(data: bytes, at: int, length_at: _Length) -> _Zones:
    items: dict[int, bytes] = {}
    while True:
        start, tag = at, take(data, at, 1)[0]
        length, at = length_at(data, at + 1)
        value = take(data, at, length)
        at += length
        if tag == _SIGNATURE:
            break
        if tag in items:
            raise MalformedSealError("a seal has the same feature twice")
        items[tag] = value
    if at != len(data):
        raise MalformedSealError("something follows the signature")
    if not items:
        raise MalformedSealError("a seal has no features")
    if not value or len(value) % 2 or len(value) > _MAX_SIGNATURE_LENGTH:
        raise MalformedSealError("a signature is not two numbers of equal length")
    return _Zones(tuple(items.items()), start, value)


def _plain_length(data: bytes, at: int) -> tuple[int, int]:
    return take(data, at, 1)[0], at + 1


def _zone(features: tuple[Feature, ...], today: date) -> Mrz | None:
    for feature in features:
        if feature.name is FeatureName.MRZ and feature.text is not None:
            return zones.parse(feature.text.split("\n"), today)
    return None
