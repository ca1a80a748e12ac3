"""Barcodes of the ICAO Datastructure as an issuing office writes them.

Source: ICAO technical report *Datastructure for Barcode*: header, messages, certificate and signature, all in
base32, behind a mark and a flag. The signature covers header and messages.

    content = travel_authorization(Holder.of(document, today), number="DTA12345", valid=(start, end))
    SealIssuer(state, curve="secp256r1").issue(content)
"""

import base64
import zlib
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum

from simulators.mrz import Document, Format
from simulators.passport.seals import c40
from simulators.passport.seals.holder import Holder
from simulators.passport.seals.signer import SealSigner

_MESSAGES, _CERTIFICATE, _SIGNATURE = 0x61, 0x7E, 0x7F
_SIGNED, _COMPRESSED = 1, 2
_ALGORITHMS = {"ES256": 1, "ES384": 2, "ES512": 3}
_MAX_NAME_LENGTH = 39
_ZONES = {Format.TD1: 7, Format.TD3: 8}
"""Message of a zone by its format; that of a TD2 is in the message of an emergency travel document."""


class Edition(StrEnum):
    """Mark of an edition of the report."""

    FIRST = "NDB1"
    PRESENT = "RDB1"


@dataclass(frozen=True, slots=True)
class Message:
    """A message or a field: its tag, and its bytes or the fields in it."""

    tag: int
    content: "bytes | tuple[Message, ...]"

    @property
    def value(self) -> bytes:
        """Return the encoded content."""
        if isinstance(self.content, bytes):
            return self.content
        return b"".join(message.encoded for message in self.content)

    @property
    def encoded(self) -> bytes:
        """Return tag, length in DER, and content."""
        return _object(self.tag, self.value)

    def altered(self) -> "Message":
        """Return a copy in which the last byte of the first field has another lowest bit."""
        if isinstance(self.content, bytes):
            return Message(self.tag, self.content[:-1] + bytes([self.content[-1] ^ 1]))
        first, *rest = self.content
        return Message(self.tag, (first.altered(), *rest))


@dataclass(frozen=True, slots=True, kw_only=True)
class Idb:
    """Content of a barcode."""

    issuer: str
    messages: tuple[Message, ...]
    signed_on: date
    edition: Edition = Edition.PRESENT
    is_signed: bool = True
    is_compressed: bool = False
    has_certificate: bool = False
    """True if the barcode brings the certificate of its signer."""

    def signed_bytes(self, signer: SealSigner) -> bytes:
        """Encode header and messages."""
        header = c40.encode(self.issuer.ljust(3, "<"))
        if self.is_signed:
            algorithm, reference = bytes([_ALGORITHMS[signer.algorithm]]), signer.fingerprint("sha1")[-5:]
            header += algorithm + reference + encode_date(self.signed_on.isoformat())
        return header + _object(_MESSAGES, b"".join(message.encoded for message in self.messages))

    def barcode(self, signer: SealSigner, signature: bytes) -> bytes:
        """Encode the whole barcode, which is text."""
        content = self.signed_bytes(signer)
        if self.has_certificate:
            content += _object(_CERTIFICATE, signer.certificate.der)
        if self.is_signed:
            content += _object(_SIGNATURE, signature)
        if self.is_compressed:
            content = zlib.compress(content)
        flag = chr(ord("A") + _SIGNED * self.is_signed + _COMPRESSED * self.is_compressed)
        return f"{self.edition}{flag}{base64.b32encode(content).decode('ascii').rstrip('=')}".encode("ascii")

    def altered(self) -> "Idb":
        """Return a copy with another first field."""
        first, *rest = self.messages
        return replace(self, messages=(first.altered(), *rest))

    def with_unknown_profile(self, number: int) -> "Idb":
        """Return a copy with one message of that tag, which no list has."""
        return replace(self, messages=(Message(number, b"?"),))


def travel_authorization(
    holder: Holder, *, number: str, valid: tuple[date, date], issuer: str = "UTO", signed_on: date
) -> Idb:
    """Return a digital travel authorization (message 6) for a stay of 90 days and one entry."""
    start, end = valid
    fields = (
        Message(1, c40.encode(number)),
        Message(2, c40.encode(holder.zone_name[:_MAX_NAME_LENGTH])),
        Message(3, c40.encode(holder.document_number)),
        Message(4, encode_date(holder.birth)),
        Message(5, c40.encode(holder.nationality)),
        Message(6, holder.sex.encode("ascii")),
        Message(7, c40.encode("HARBOUR CITY")),
        Message(8, encode_date(start.isoformat())),
        Message(9, encode_date(end.isoformat())),
        Message(10, c40.encode("090")),
        Message(11, b"\x01"),
        Message(12, c40.encode("TOURISM")),
    )
    return Idb(issuer=issuer, messages=(Message(6, fields),), signed_on=signed_on)


def proof_of_vaccination(
    holder: Holder, *, number: str, given_on: date, issuer: str = "UTO", signed_on: date
) -> Idb:
    """Return a proof of one vaccination against yellow fever (message 4)."""
    dose = (
        Message(51, encode_date(given_on.isoformat())),
        Message(52, c40.encode("01")),
        Message(54, c40.encode(issuer)),
        Message(55, c40.encode("HARBOUR CLINIC")),
        Message(56, c40.encode("VC35679")),
    )
    event = (
        Message(31, c40.encode("XM0N24")),
        Message(32, c40.encode("UTOVAX")),
        Message(35, c40.encode("1D47")),
        Message(36, dose),
    )
    fields = (
        Message(1, c40.encode(number)),
        Message(4, c40.encode(holder.zone_name[:_MAX_NAME_LENGTH])),
        Message(5, encode_date(holder.birth)),
        Message(6, holder.sex.encode("ascii")),
        Message(9, event),
    )
    return Idb(issuer=issuer, messages=(Message(4, fields),), signed_on=signed_on)


def document_zone(document: Document, *, signed_on: date) -> Idb:
    """Return the barcode of a document that repeats its zone: TD1, TD2 or TD3."""
    zone = c40.encode("".join(document.lines))
    if document.format is Format.TD2:
        return Idb(issuer=document.issuer, messages=(Message(2, (Message(2, zone),)),), signed_on=signed_on)
    if document.format not in _ZONES:
        raise ValueError(f"no message has the zone of a {document.format}")
    message = Message(_ZONES[document.format], zone)
    return Idb(issuer=document.issuer, messages=(message,), signed_on=signed_on)


def encode_date(day: str) -> bytes:
    """Encode a date YYYY-MM-DD with x for unknown digits: a mask of those, then MMDDYYYY as a number."""
    digits = day[5:7] + day[8:10] + day[:4]
    mask = sum(0x80 >> place for place, digit in enumerate(digits) if digit == "x")
    return bytes([mask]) + int(digits.replace("x", "0")).to_bytes(3, "big")


def _object(tag: int, value: bytes) -> bytes:
    size = len(value)
    if size < 0x80:
        return bytes([tag, size]) + value
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + value
