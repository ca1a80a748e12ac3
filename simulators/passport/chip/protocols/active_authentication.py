"""Active Authentication, the chip's side (Doc 9303-11, 6.1): a signature of the terminal's nonce."""

import hashlib
from abc import ABC, abstractmethod
from dataclasses import dataclass
from enum import StrEnum

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from simulators.passport.chip.apdu import Randomness, RefusedError, Status
from simulators.passport.chip.crypto.domain_parameters import curve
from simulators.passport.chip.encoding import der
from simulators.passport.chip.encoding.tlv import tlv
from simulators.passport.chip.protocols.security_infos import (
    EcParameters,
    active_authentication_info,
    public_key_info,
)

CHALLENGE_SIZE = 8
_RSA_ENCRYPTION = "1.2.840.113549.1.1.1"

TRAILERS = {
    "sha1": b"\xbc",
    "sha224": b"\x38\xcc",
    "sha256": b"\x34\xcc",
    "sha384": b"\x36\xcc",
    "sha512": b"\x35\xcc",
}
"""The trailer field of an RSA signature by its hash: option 1 for SHA-1, else option 2 (6.1.2.2)."""

CURVES: dict[str, type[ec.EllipticCurve]] = {
    "secp224r1": ec.SECP224R1,
    "secp256r1": ec.SECP256R1,
    "secp384r1": ec.SECP384R1,
    "secp521r1": ec.SECP521R1,
    "brainpoolP256r1": ec.BrainpoolP256R1,
    "brainpoolP384r1": ec.BrainpoolP384R1,
    "brainpoolP512r1": ec.BrainpoolP512R1,
}
HASHES: dict[str, type[hashes.HashAlgorithm]] = {
    "sha1": hashes.SHA1,
    "sha224": hashes.SHA224,
    "sha256": hashes.SHA256,
    "sha384": hashes.SHA384,
    "sha512": hashes.SHA512,
}


class SignatureFormat(StrEnum):
    """Formats of an ECDSA signature."""

    PLAIN = "plain"
    """r and s, as in the standard."""
    DER = "der"
    """DER, as in some chips in use, among them Portuguese ones."""


class ActiveAuthenticationKey(ABC):
    """A key that signs challenges."""

    @property
    @abstractmethod
    def public_key_info(self) -> bytes:
        """SubjectPublicKeyInfo, the content of DG15."""

    @property
    def infos(self) -> tuple[bytes, ...]:
        """SecurityInfos of the key in DG14; none for RSA keys."""
        return ()

    @abstractmethod
    def sign(self, challenge: bytes, random: Randomness) -> bytes:
        """Sign the terminal's nonce."""


@dataclass(frozen=True, slots=True)
class RsaKey(ActiveAuthenticationKey):
    """ISO/IEC 9796-2 digital signature scheme 1, with partial recovery: the nonce itself is omitted."""

    key: rsa.RSAPrivateKey
    hash_name: str = "sha1"

    @classmethod
    def generate(cls, bits: int = 1024, hash_name: str = "sha1") -> "RsaKey":
        """Generate a key. Without extended length, over 1792 bits do not fit a protected reply (6.1.4)."""
        return cls(rsa.generate_private_key(65537, bits), hash_name)

    @property
    def public_key_info(self) -> bytes:  # noqa: D102 - as the base says
        return self.key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    @property
    def negative_public_key_info(self) -> bytes:
        """The same with the modulus as a negative number: without the zero byte in front of it."""
        numbers = self.key.public_key().public_numbers()
        modulus = tlv(0x02, numbers.n.to_bytes(self.key.key_size // 8, "big"))
        return der.sequence(
            der.sequence(der.oid(_RSA_ENCRYPTION), der.NULL),
            der.bit_string(der.sequence(modulus, der.integer(numbers.e))),
        )

    def sign(self, challenge: bytes, random: Randomness) -> bytes:  # noqa: D102 - as the base says
        size = self.key.key_size // 8
        trailer = TRAILERS[self.hash_name]
        digest = hashlib.new(self.hash_name)
        recoverable = random(size - 1 - digest.digest_size - len(trailer))
        digest.update(recoverable + challenge)
        # 6A: the message is recovered in part, without padding.
        representative = b"\x6a" + recoverable + digest.digest() + trailer
        numbers = self.key.private_numbers()
        signed = pow(int.from_bytes(representative, "big"), numbers.d, numbers.public_numbers.n)
        return signed.to_bytes(size, "big")


@dataclass(frozen=True, slots=True)
class EcKey(ActiveAuthenticationKey):
    """ECDSA; the hash is announced in DG14."""

    key: ec.EllipticCurvePrivateKey
    hash_name: str = "sha256"
    parameters: EcParameters = EcParameters.EXPLICIT
    format: SignatureFormat = SignatureFormat.PLAIN

    @classmethod
    def generate(
        cls,
        curve_name: str = "brainpoolP256r1",
        hash_name: str = "sha256",
        parameters: EcParameters = EcParameters.EXPLICIT,
        format: SignatureFormat = SignatureFormat.PLAIN,  # noqa: A002 - the standard's word
    ) -> "EcKey":
        """Generate a key."""
        return cls(ec.generate_private_key(CURVES[curve_name]()), hash_name, parameters, format)

    @property
    def public_key_info(self) -> bytes:  # noqa: D102 - as the base says
        return ec_public_key_info(self.key, self.parameters)

    @property
    def infos(self) -> tuple[bytes, ...]:  # noqa: D102 - as the base says
        return (active_authentication_info(self.hash_name),)

    def sign(self, challenge: bytes, random: Randomness) -> bytes:  # noqa: D102, ARG002 - as the base says
        signature = self.key.sign(challenge, ec.ECDSA(HASHES[self.hash_name]()))
        if self.format is SignatureFormat.DER:
            return signature
        size = (self.key.key_size + 7) // 8
        return b"".join(number.to_bytes(size, "big") for number in decode_dss_signature(signature))


def ec_public_key_info(key: ec.EllipticCurvePrivateKey, parameters: EcParameters) -> bytes:
    """Encode the SubjectPublicKeyInfo of a key of the library, with the curve in this style."""
    by_library_name = {kind().name: name for name, kind in CURVES.items()}
    point = key.public_key().public_bytes(
        serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
    )
    return public_key_info(curve(by_library_name[key.curve.name]), point, parameters)


def sign_challenge(key: ActiveAuthenticationKey | None, data: bytes, random: Randomness) -> bytes:
    """Handle INTERNAL AUTHENTICATE: return the signature.

    Raises RefusedError with 6D00 without a key, 6700 for another size.
    """
    if key is None:
        raise RefusedError(Status.INS_NOT_SUPPORTED)
    if len(data) != CHALLENGE_SIZE:
        raise RefusedError(Status.WRONG_LENGTH)
    return key.sign(data, random)
