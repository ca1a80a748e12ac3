"""The document security object: hashes of all data groups, signed by the issuer.

Source: ICAO Doc 9303-10, section 4.6.2.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from cryptography.hazmat.primitives import hashes

from drivers.passport.emrtd.crypto.ciphers import is_equal
from drivers.passport.emrtd.crypto.signatures import digest, hash_algorithm
from drivers.passport.emrtd.encoding import der, tlv
from drivers.passport.emrtd.errors import MalformedError
from drivers.passport.emrtd.pki.certificates import Certificate
from drivers.passport.emrtd.pki.signed_data import SignedData

_SOD_TAG = 0x77
# The standard's own type, and those under which Belgium, France, the Netherlands and China signed theirs.
CONTENT_TYPES = frozenset({"2.23.136.1.1.1", "1.3.27.1.1.1", "1.2.528.1.1006.1.20.1", "1.2.840.113549.1.7.1"})


@dataclass(frozen=True, slots=True)
class SecurityObject:
    """Parsed EF.SOD."""

    signed_data: SignedData
    function: hashes.HashAlgorithm = field(repr=False)
    hashes: Mapping[int, bytes] = field(repr=False)

    @classmethod
    def parse(cls, content: bytes) -> "SecurityObject":
        """Parse EF.SOD; raises MalformedError, or UnsupportedError for an unknown hash function."""
        signed = SignedData.parse(tlv.parse_whole(content, _SOD_TAG))
        if signed.content_type not in CONTENT_TYPES:
            raise MalformedError("the security object has the wrong content type")
        _, algorithm, values, *_ = der.sequence(signed.content, least=3)
        identifier, *_ = der.elements(der.expect(algorithm, der.SEQUENCE), 1)
        function = hash_algorithm(der.oid(der.expect(identifier, der.OID)))
        found: dict[int, bytes] = {}
        for item in tlv.children(der.expect(values, der.SEQUENCE), most=16):
            number, value = der.elements(der.expect(item, der.SEQUENCE), 2)[:2]
            group = der.small_integer(der.expect(number, der.INTEGER))
            if group in found or not 1 <= group <= 16:
                raise MalformedError("the security object lists an invalid data group, or one twice")
            found[group] = der.expect(value, der.OCTET_STRING)
        return cls(signed, function, found)

    def hash_matches(self, group: int, content: bytes) -> bool:
        """Return true when a data group has the hash that was signed."""
        return group in self.hashes and is_equal(self.hashes[group], digest(self.function, content))

    def signer(self, others: tuple[Certificate, ...]) -> Certificate | None:
        """Find the signer's certificate: inside, or among others when the issuer omitted it.

        A single certificate inside is taken even when the signer info names it differently, as with some
        issuers; the signature decides.
        """
        inside = self.signed_data.certificates
        for certificate in (*inside, *others):
            if self.signed_data.is_signer(certificate):
                return certificate
        alone = len(inside) == 1 and not self.signed_data.unreadable_certificates
        return inside[0] if alone else None
