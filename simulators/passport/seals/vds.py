"""Visible digital seals as an issuing office writes them (ICAO Doc 9303-13; BSI TR-03137-1).

seal = residence_permit(document, passport="L898902C3", issued=date(2026, 3, 1))
data = seal.sign(SealSigner.issue(IssuingState.create()))
"""

from dataclasses import dataclass, replace
from datetime import date
from enum import IntEnum

from simulators.mrz import Document, Format
from simulators.passport.seals import c40
from simulators.passport.seals.signer import SealSigner

_SIGNATURE = 0xFF
_VISA_SECOND_LINE = 28


class HeaderVersion(IntEnum):
    """The two versions of the header, with the byte that identifies each."""

    V3 = 0x02
    V4 = 0x03


@dataclass(frozen=True, slots=True, kw_only=True)
class Seal:
    """Content of a seal. `features` are tags and encoded values."""

    issuer: str
    definition: int
    category: int
    features: tuple[tuple[int, bytes], ...]
    issued: date
    signed: date
    version: HeaderVersion = HeaderVersion.V4
    plain_lengths: bool = False
    """True if lengths above 127 use one byte, as in an old TR-03137, instead of DER."""

    @property
    def message(self) -> bytes:
        """Encode the message zone."""
        return b"".join(bytes([tag]) + self._length(value) + value for tag, value in self.features)

    def header(self, signer: SealSigner) -> bytes:
        """Encode the header with the name of the signer."""
        return b"".join(
            (
                bytes([0xDC, self.version]),
                c40.encode(self.issuer.ljust(3, "<")),
                self._signer(signer),
                _date(self.issued),
                _date(self.signed),
                bytes([self.definition, self.category]),
            )
        )

    def signed_bytes(self, signer: SealSigner) -> bytes:
        """Encode header and message zone."""
        return self.header(signer) + self.message

    def barcode(self, signer: SealSigner, signature: bytes) -> bytes:
        """Encode the whole seal."""
        return self.signed_bytes(signer) + bytes([_SIGNATURE]) + self._length(signature) + signature

    def sign(self, signer: SealSigner, key_of: SealSigner | None = None) -> bytes:
        """Return the whole seal; `key_of` is the actual signer."""
        return self.barcode(signer, (key_of or signer).sign(self.signed_bytes(signer)))

    def altered(self) -> "Seal":
        """Return a copy in which the last byte of the first feature has another lowest bit."""
        (tag, value), *rest = self.features
        return replace(self, features=((tag, value[:-1] + bytes([value[-1] ^ 1])), *rest))

    def with_unknown_profile(self, number: int) -> "Seal":
        """Return a copy with another definition of the features."""
        return replace(self, definition=number)

    def with_feature(self, tag: int, value: bytes) -> "Seal":
        """Return a copy with another value, or one more feature."""
        kept = dict(self.features) | {tag: value}
        return replace(self, features=tuple(kept.items()))

    def without_feature(self, tag: int) -> "Seal":
        """Return a copy without a feature."""
        return replace(self, features=tuple(item for item in self.features if item[0] != tag))

    def _signer(self, signer: SealSigner) -> bytes:
        reference = signer.reference
        if self.version is HeaderVersion.V3:
            return c40.encode(signer.identifier + reference.rjust(5, "0"))
        return c40.encode(f"{signer.identifier}{len(reference):02X}") + c40.encode(reference)

    def _length(self, value: bytes) -> bytes:
        size = len(value)
        if size < 0x80 or self.plain_lengths:
            return bytes([size])
        return bytes([0x81, size]) if size < 0x100 else b"\x82" + size.to_bytes(2, "big")


def visa(
    document: Document,
    *,
    passport: str,
    issued: date,
    stay: tuple[int, int, int] = (90, 0, 0),
    entries: int | None = 0,
    signed: date | None = None,
) -> Seal:
    """Return the seal of a visa: zone without optional data, days, months and years of stay, and more."""
    first, second = document.lines
    zone = c40.encode(first + second[:_VISA_SECOND_LINE])
    features = [(1 if document.format is Format.MRV_A else 2, zone)]
    if entries is not None:
        features.append((3, bytes([entries])))
    features += [(4, bytes(stay)), (5, c40.encode(passport))]
    return _seal(document, 0x5D, 0x01, features, issued, signed)


def residence_permit(document: Document, *, passport: str, issued: date, signed: date | None = None) -> Seal:
    """Return the seal of a residence permit on paper, which has a zone as a TD2."""
    features = [(2, _td2(document)), (3, c40.encode(passport))]
    return _seal(document, 0xFB, 0x06, features, issued, signed)


def emergency_travel_document(document: Document, *, issued: date, signed: date | None = None) -> Seal:
    """Return the seal of an emergency travel document."""
    return _seal(document, 0x5E, 0x03, [(2, _td2(document))], issued, signed)


def arrival_attestation(
    document: Document, *, azr_number: str, issued: date, signed: date | None = None
) -> Seal:
    """Return the seal of an arrival attestation; its header is of version 3."""
    features = [(2, _td2(document)), (3, c40.encode(azr_number))]
    made = _seal(document, 0xFD, 0x02, features, issued, signed)
    return replace(made, version=HeaderVersion.V3)


def social_insurance_card(
    issuer: str,
    *,
    number: str,
    surname: str,
    first_name: str,
    issued: date,
    birth_name: str | None = None,
    signed: date | None = None,
) -> Seal:
    """Return the seal of a social insurance card, with names in their original spelling."""
    features = [(1, c40.encode(number)), (2, surname.encode()), (3, first_name.encode())]
    if birth_name is not None:
        features.append((4, birth_name.encode()))
    return Seal(
        issuer=issuer,
        definition=0xFC,
        category=0x04,
        features=tuple(features),
        issued=issued,
        signed=signed or issued,
        version=HeaderVersion.V3,
    )


def _seal(
    document: Document,
    definition: int,
    category: int,
    features: list[tuple[int, bytes]],
    issued: date,
    signed: date | None,
) -> Seal:
    return Seal(
        issuer=document.issuer,
        definition=definition,
        category=category,
        features=tuple(features),
        issued=issued,
        signed=signed or issued,
    )


def _td2(document: Document) -> bytes:
    if document.format is not Format.TD2:
        raise ValueError(f"this seal requires the zone of a TD2, not of a {document.format}")
    return c40.encode("".join(document.lines))


def _date(day: date) -> bytes:
    """Encode month, day and year as the digits of one number, in three bytes."""
    return int(f"{day:%m%d}{day.year:04}").to_bytes(3, "big")
