"""Keys that sign certificates and security objects, and their algorithm identifiers (Doc 9303-12, 4.1.6)."""

from dataclasses import dataclass
from enum import StrEnum

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from simulators.passport.chip.encoding import der
from simulators.passport.chip.protocols.active_authentication import CURVES, HASHES, ec_public_key_info
from simulators.passport.chip.protocols.security_infos import EcParameters

DIGEST_OID = {
    "sha1": "1.3.14.3.2.26",
    "sha224": "2.16.840.1.101.3.4.2.4",
    "sha256": "2.16.840.1.101.3.4.2.1",
    "sha384": "2.16.840.1.101.3.4.2.2",
    "sha512": "2.16.840.1.101.3.4.2.3",
}
_RSA_OID = {
    "sha1": "1.2.840.113549.1.1.5",
    "sha224": "1.2.840.113549.1.1.14",
    "sha256": "1.2.840.113549.1.1.11",
    "sha384": "1.2.840.113549.1.1.12",
    "sha512": "1.2.840.113549.1.1.13",
}
_ECDSA_OID = {
    "sha1": "1.2.840.10045.4.1",
    "sha224": "1.2.840.10045.4.3.1",
    "sha256": "1.2.840.10045.4.3.2",
    "sha384": "1.2.840.10045.4.3.3",
    "sha512": "1.2.840.10045.4.3.4",
}
_RSASSA_PSS, _MGF1 = "1.2.840.113549.1.1.10", "1.2.840.113549.1.1.8"


class Algorithm(StrEnum):
    """The three signature algorithms of Doc 9303-12."""

    RSA = "rsa"
    RSA_PSS = "rsa-pss"
    ECDSA = "ecdsa"


@dataclass(frozen=True, slots=True)
class SignatureScheme:
    """An algorithm with its parameters. `curve` is for ECDSA only, `rsa_bits` for the others."""

    algorithm: Algorithm = Algorithm.ECDSA
    hash_name: str = "sha256"
    curve: str = "secp256r1"
    parameters: EcParameters = EcParameters.NAMED
    rsa_bits: int = 2048


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key that signs in one scheme."""

    scheme: SignatureScheme
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

    @classmethod
    def generate(cls, scheme: SignatureScheme) -> "SigningKey":
        """Generate a key."""
        if scheme.algorithm is Algorithm.ECDSA:
            return cls(scheme, ec.generate_private_key(CURVES[scheme.curve]()))
        return cls(scheme, rsa.generate_private_key(65537, scheme.rsa_bits))

    @property
    def public_key_info(self) -> bytes:
        """SubjectPublicKeyInfo."""
        if isinstance(self.key, ec.EllipticCurvePrivateKey):
            return ec_public_key_info(self.key, self.scheme.parameters)
        return self.key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    @property
    def algorithm_identifier(self) -> bytes:
        """AlgorithmIdentifier of its signatures."""
        name = self.scheme.hash_name
        match self.scheme.algorithm:
            case Algorithm.ECDSA:
                return der.sequence(der.oid(_ECDSA_OID[name]))
            case Algorithm.RSA:
                return der.sequence(der.oid(_RSA_OID[name]), der.NULL)
            case Algorithm.RSA_PSS:
                digest = digest_identifier(name)
                return der.sequence(
                    der.oid(_RSASSA_PSS),
                    der.sequence(
                        der.context(0, digest),
                        der.context(1, der.sequence(der.oid(_MGF1), digest)),
                        der.context(2, der.integer(self._hash.digest_size)),
                    ),
                )

    def sign(self, data: bytes) -> bytes:
        """Sign `data`."""
        if isinstance(self.key, ec.EllipticCurvePrivateKey):
            return self.key.sign(data, ec.ECDSA(self._hash))
        if self.scheme.algorithm is Algorithm.RSA:
            return self.key.sign(data, padding.PKCS1v15(), self._hash)
        pss = padding.PSS(padding.MGF1(self._hash), self._hash.digest_size)
        return self.key.sign(data, pss, self._hash)

    @property
    def _hash(self) -> hashes.HashAlgorithm:
        return HASHES[self.scheme.hash_name]()


def digest_identifier(hash_name: str) -> bytes:
    """Return the AlgorithmIdentifier of a hash; its parameters are NULL, as with most issuers."""
    return der.sequence(der.oid(DIGEST_OID[hash_name]), der.NULL)
