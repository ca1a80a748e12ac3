"""CMS SignedData around security objects and master lists.

Source: RFC 5652, section 5; ICAO Doc 9303-10, section 4.6.2; ICAO Doc 9303-12, section 9.
"""

from dataclasses import dataclass, field
from typing import Any

from asn1crypto import cms, core

from drivers.passport.emrtd.crypto.ciphers import is_equal
from drivers.passport.emrtd.crypto.signatures import Algorithm, digest, hash_algorithm, verify
from drivers.passport.emrtd.encoding import der, tlv
from drivers.passport.emrtd.errors import MalformedError
from drivers.passport.emrtd.pki.certificates import Certificate, name_digest, parse_errors
from drivers.passport.emrtd.pki.names import subject_text

_MAX_CERTIFICATES = 16
_CONTENT_TYPE, _MESSAGE_DIGEST = "1.2.840.113549.1.9.3", "1.2.840.113549.1.9.4"


@dataclass(frozen=True, slots=True)
class SignedData:
    """Signed content with its first signer, which is the only one that documents have."""

    content_type: str
    content: bytes = field(repr=False)
    certificates: tuple[Certificate, ...]
    unreadable_certificates: tuple[str, ...]
    """Subjects of the certificates that are malformed, `unnamed` where there is none."""
    signer_issuer: bytes | None = field(repr=False)
    signer_serial: int | None = field(repr=False)
    signer_key_id: bytes | None = field(repr=False)
    hash_oid: str
    algorithm: Algorithm
    signed_attributes: bytes | None = field(repr=False)
    attributes: tuple[tuple[str, bytes], ...] = field(repr=False)
    signature: bytes = field(repr=False)

    @classmethod
    def parse(cls, encoded: bytes) -> "SignedData":
        """Read a ContentInfo with SignedData in it; raises MalformedError."""
        tlv.check_nesting(encoded)
        with parse_errors("signed data"):
            info = cms.ContentInfo.load(encoded, strict=True)
            if info["content_type"].native != "signed_data":
                raise MalformedError("a CMS object is no signed data")
            return cls._from_asn1(info["content"])

    @classmethod
    def _from_asn1(cls, data: cms.SignedData) -> "SignedData":
        if len(data["signer_infos"]) == 0:
            raise MalformedError(
                "signed data has no signer, as in a mere bundle of certificates (PKCS #7): "
                "export them into PEM files"
            )
        signer = data["signer_infos"][0]
        sid = signer["sid"]
        by_name = sid.name == "issuer_and_serial_number"
        attributes = signer["signed_attrs"]
        raw = None if isinstance(attributes, core.Void) else attributes.untag().dump()
        certificates, unreadable = _certificates(data["certificates"])
        return cls(
            content_type=data["encap_content_info"]["content_type"].dotted,
            content=bytes(data["encap_content_info"]["content"]),
            certificates=certificates,
            unreadable_certificates=unreadable,
            signer_issuer=name_digest(sid.chosen["issuer"]) if by_name else None,
            signer_serial=sid.chosen["serial_number"].native if by_name else None,
            signer_key_id=None if by_name else sid.chosen.native,
            hash_oid=signer["digest_algorithm"]["algorithm"].dotted,
            algorithm=Algorithm.parse(signer["signature_algorithm"].dump()),
            signed_attributes=raw,
            attributes=_attributes(raw) if raw else (),
            signature=signer["signature"].native,
        )

    def is_signer(self, certificate: Certificate) -> bool:
        """Return true when the signer info names that certificate."""
        if self.signer_key_id is not None:
            return certificate.key_id == self.signer_key_id
        return (certificate.issuer, certificate.serial_number) == (self.signer_issuer, self.signer_serial)

    def signed_by(self, certificate: Certificate) -> bool:
        """Verify content and signature (RFC 5652, sections 5.4 and 5.6).

        Raises UnsupportedError for unknown algorithms and MalformedError for an invalid key.
        """
        function = hash_algorithm(self.hash_oid)
        signed = self.content
        if self.signed_attributes is not None:
            stated = dict(self.attributes)
            hashed = tlv.encode(0x04, digest(function, self.content))
            if not is_equal(stated.get(_MESSAGE_DIGEST, b""), hashed):
                return False
            if stated.get(_CONTENT_TYPE) != _encoded_oid(self.content_type):
                return False
            signed = self.signed_attributes
        return verify(certificate.public_key(), self.algorithm, signed, self.signature, function)


def _certificates(choices: Any) -> tuple[tuple[Certificate, ...], tuple[str, ...]]:
    """Parse the certificates; a malformed one is left out, because the signer's may be another."""
    found: list[Certificate] = []
    unreadable: list[str] = []
    chosen = [choice.chosen for choice in choices if choice.name == "certificate"] if choices else []
    for item in chosen[:_MAX_CERTIFICATES]:
        encoded = item.dump()
        try:
            found.append(Certificate.parse(encoded))
        except MalformedError:
            unreadable.append(subject_text(encoded) or "unnamed")
    return tuple(found), tuple(unreadable)


def _attributes(encoded: bytes) -> tuple[tuple[str, bytes], ...]:
    """Read each attribute's identifier and its first value."""
    found: list[tuple[str, bytes]] = []
    for item in tlv.children(tlv.parse_value(encoded, der.SET), most=64):
        identifier, values = der.elements(der.expect(item, der.SEQUENCE), 2)[:2]
        oid = der.oid(der.expect(identifier, der.OID))
        if oid in dict(found):
            raise MalformedError("a signed attribute appears twice")
        value = tlv.parse_first(der.expect(values, der.SET))
        found.append((oid, tlv.encode(value.tag, value.value)))
    return tuple(found)


def _encoded_oid(dotted: str) -> bytes:
    return tlv.encode(der.OID, der.encode_oid(dotted))
