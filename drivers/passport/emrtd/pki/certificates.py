"""Certificates and revocation lists of document signers and their states.

Source: ICAO Doc 9303-12, section 7.1; RFC 5280. asn1crypto parses them, because documents contain forms that
stricter parsers refuse (explicit curves, negative serial numbers, odd names).
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

from asn1crypto import crl as asn1_crl
from asn1crypto import x509

from drivers.passport.emrtd.crypto.public_keys import PublicKey, parse_public_key
from drivers.passport.emrtd.crypto.signatures import Algorithm, verify
from drivers.passport.emrtd.encoding import tlv
from drivers.passport.emrtd.errors import MalformedError
from drivers.passport.emrtd.pki.names import subject_text

MAX_CERTIFICATE_BYTES = 64 * 1024
"""Upper bound on a certificate, in bytes."""
# Errors that asn1crypto is known to raise on malformed bytes.
_ASN1_FAULTS = (
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    OverflowError,
    RecursionError,
    ArithmeticError,
)
_EXTENSIONS = {
    "basic_constraints": "the basic constraints",
    "key_usage": "the key usage",
    "key_identifier": "the subject key identifier",
    "authority_key_identifier": "the authority key identifier",
    "extended_key_usage": "the extended key usage",
}


@contextmanager
def parse_errors(what: str) -> Iterator[None]:
    """Convert errors of asn1crypto into MalformedError, without the values that its messages quote."""
    try:
        yield
    except _ASN1_FAULTS:
        raise MalformedError(f"{what} is malformed") from None


@dataclass(frozen=True, slots=True)
class Certificate:
    """An X.509 certificate, with the fields that passive authentication needs."""

    subject: bytes = field(repr=False)
    """Names are compared in the normal form of RFC 5280, section 7.1, hashed."""
    issuer: bytes = field(repr=False)
    serial_number: int = field(repr=False)
    country: str | None
    not_before: datetime
    not_after: datetime
    key_info: bytes = field(repr=False)
    key_id: bytes | None = field(repr=False)
    authority_key_id: bytes | None = field(repr=False)
    may_sign_certificates: bool
    algorithm: Algorithm
    signed_bytes: bytes = field(repr=False)
    signature: bytes = field(repr=False)
    sha256: str
    subject_text: str | None = field(default=None, repr=False)
    """Subject for a technician, such as `C=UT, CN=CSCA`."""
    purposes: frozenset[str] | None = frozenset()
    """Extended key usages, as object identifiers; empty without any, None where they cannot be read."""
    defects: tuple[str, ...] = ()
    """Parts that are malformed and were not used, a noun phrase each: no verdict depends on them."""

    @classmethod
    def parse(cls, der: bytes) -> "Certificate":
        """Read a certificate in DER; raises MalformedError."""
        _bounded(der)
        with parse_errors("a certificate"):
            parsed = x509.Certificate.load(der, strict=True)
            return cls._from_asn1(parsed, der)

    @classmethod
    def _from_asn1(cls, parsed: Any, der: bytes) -> "Certificate":
        body = parsed["tbs_certificate"]
        validity = body["validity"]
        tolerant = _TolerantReader()
        extensions = tolerant.extensions(body["extensions"])
        constraints, usage = extensions.get("basic_constraints"), extensions.get("key_usage")
        identifier, authority_id = (
            extensions.get("key_identifier"),
            extensions.get("authority_key_identifier"),
        )
        purposes = frozenset(each.dotted for each in extensions.get("extended_key_usage", ()))
        is_unreadable = _EXTENSIONS["extended_key_usage"] in tolerant.defects
        authority = bool(constraints is not None and constraints["ca"].native)
        subject, issuer = body["subject"], body["issuer"]
        return cls(
            subject=tolerant.name_digest(subject, "subject"),
            issuer=tolerant.name_digest(issuer, "issuer"),
            serial_number=parsed.serial_number,
            country=_country(subject) or _country(issuer),
            not_before=_utc(validity["not_before"].native),
            not_after=_utc(validity["not_after"].native),
            key_info=body["subject_public_key_info"].dump(),
            key_id=None if identifier is None else identifier.native,
            authority_key_id=None if authority_id is None else authority_id["key_identifier"].native,
            may_sign_certificates=authority and (usage is None or "key_cert_sign" in usage.native),
            algorithm=Algorithm.parse(parsed["signature_algorithm"].dump()),
            signed_bytes=body.dump(),
            signature=parsed.signature,
            sha256=hashlib.sha256(der).hexdigest(),
            subject_text=subject_text(der),
            purposes=None if is_unreadable else purposes,
            defects=tuple(tolerant.defects),
        )

    def public_key(self) -> PublicKey:
        """Read the key; raises MalformedError or UnsupportedError."""
        return parse_public_key(self.key_info)

    def is_valid_on(self, day: date) -> bool:
        """Return true when that day is within the validity; both ends count."""
        return self.not_before.date() <= day <= self.not_after.date()

    def names_as_issuer(self, authority: "Certificate") -> bool:
        """Return true when this certificate names that authority as its issuer.

        By key identifier when both have one, because a state keeps its name when it changes keys.
        """
        if self.authority_key_id is not None and authority.key_id is not None:
            return self.authority_key_id == authority.key_id
        return self.issuer == authority.subject

    def signed_by(self, authority: "Certificate") -> bool:
        """Verify the signature; raises MalformedError or UnsupportedError."""
        return verify(authority.public_key(), self.algorithm, self.signed_bytes, self.signature)


@dataclass(frozen=True, slots=True)
class RevocationList:
    """A certificate revocation list of a state."""

    issuer: bytes = field(repr=False)
    authority_key_id: bytes | None = field(repr=False)
    issued_at: datetime
    next_update: datetime | None
    revoked_serials: frozenset[int] = field(repr=False)
    algorithm: Algorithm
    signed_bytes: bytes = field(repr=False)
    signature: bytes = field(repr=False)
    defects: tuple[str, ...] = ()
    """As in `Certificate`."""

    @classmethod
    def parse(cls, der: bytes) -> "RevocationList":
        """Read a list in DER; raises MalformedError."""
        _bounded(der, 16 * 1024 * 1024)
        with parse_errors("a revocation list"):
            parsed = asn1_crl.CertificateList.load(der, strict=True)
            body = parsed["tbs_cert_list"]
            tolerant = _TolerantReader()
            authority_id = tolerant.extensions(body["crl_extensions"]).get("authority_key_identifier")
            entries = body["revoked_certificates"]
            next_update = body["next_update"].native
            return cls(
                issuer=tolerant.name_digest(body["issuer"], "issuer"),
                authority_key_id=None if authority_id is None else authority_id["key_identifier"].native,
                issued_at=_utc(body["this_update"].native),
                next_update=_utc(next_update) if next_update else None,
                revoked_serials=frozenset(
                    entry["user_certificate"].native for entry in (entries if entries.native else ())
                ),
                algorithm=Algorithm.parse(parsed["signature_algorithm"].dump()),
                signed_bytes=body.dump(),
                signature=parsed.signature,
                defects=tuple(tolerant.defects),
            )

    def signed_by(self, authority: Certificate) -> bool:
        """Verify the signature; raises MalformedError or UnsupportedError."""
        return verify(authority.public_key(), self.algorithm, self.signed_bytes, self.signature)

    def is_of(self, authority: Certificate) -> bool:
        """Return true when the list names that authority as its issuer."""
        if self.authority_key_id is not None and authority.key_id is not None:
            return self.authority_key_id == authority.key_id
        return self.issuer == authority.subject

    def is_current_on(self, day: date) -> bool:
        """Return true when the next list is not yet due."""
        return self.next_update is None or day <= self.next_update.date()


class _TolerantReader:
    """Reader of the parts that only help to find an issuer; malformed ones are noted and count as absent.

    Lithuania's state certificates have a subject key identifier that is no OCTET STRING, for example.
    asn1crypto's own properties parse all known extensions at once and raise for any of them.
    """

    def __init__(self) -> None:
        self.defects: list[str] = []

    def extensions(self, values: Any) -> dict[str, Any]:
        """Parse the extensions that are used, by name."""
        found: dict[str, Any] = {}
        for extension in values:
            name = "an extension"
            try:
                name = extension["extn_id"].native
                if name in _EXTENSIONS:
                    parsed = extension["extn_value"].parsed
                    _ = parsed.native  # parsed to the end: asn1crypto parses on access
                    found[name] = parsed
            except _ASN1_FAULTS:
                self.defects.append(_EXTENSIONS.get(name, "an extension"))
        return found

    def name_digest(self, name: Any, which: str) -> bytes:
        """Return the digest of a name, of its bytes when it has no normal form."""
        try:
            return name_digest(name)
        except _ASN1_FAULTS:
            self.defects.append(f"the name of the {which}")
            return hashlib.sha256(name.dump()).digest()


def name_digest(name: Any) -> bytes:
    """Return a digest of a distinguished name that equal names share."""
    return hashlib.sha256(name.hashable.encode("utf-8", "surrogatepass")).digest()


def _bounded(der: bytes, limit: int = MAX_CERTIFICATE_BYTES) -> None:
    if len(der) > limit:
        raise MalformedError("a certificate or list is too long")
    tlv.check_nesting(der)


def _country(name: Any) -> str | None:
    try:
        value = name.native.get("country_name")
    except _ASN1_FAULTS:
        return None  # noted with the name
    return value if isinstance(value, str) and 2 <= len(value.strip()) <= 3 else None


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)
