"""Signatures over certificates and security objects: RSA PKCS#1 v1.5, RSA-PSS and ECDSA.

Source: ICAO Doc 9303-12, section 4; RFC 4055 (RSA-PSS parameters), RFC 5758 and RFC 8017.
"""

import hashlib
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa, utils

from drivers.passport.emrtd.crypto import ecdsa
from drivers.passport.emrtd.crypto.public_keys import EcKey, PublicKey, RsaKey
from drivers.passport.emrtd.encoding import der, tlv
from drivers.passport.emrtd.errors import MalformedError, UnsupportedError

_HASHES: dict[str, hashes.HashAlgorithm] = {
    "1.3.14.3.2.26": hashes.SHA1(),  # noqa: S303  (documents of before 2011 are signed so)
    "2.16.840.1.101.3.4.2.1": hashes.SHA256(),
    "2.16.840.1.101.3.4.2.2": hashes.SHA384(),
    "2.16.840.1.101.3.4.2.3": hashes.SHA512(),
    "2.16.840.1.101.3.4.2.4": hashes.SHA224(),
}
_SHA1, _SHA256, _SHA384, _SHA512, _SHA224 = _HASHES.values()
_RSA_WITH: dict[str, hashes.HashAlgorithm | None] = {
    "1.2.840.113549.1.1.1": None,  # the hash is stated elsewhere
    "1.2.840.113549.1.1.5": _SHA1,
    "1.2.840.113549.1.1.11": _SHA256,
    "1.2.840.113549.1.1.12": _SHA384,
    "1.2.840.113549.1.1.13": _SHA512,
    "1.2.840.113549.1.1.14": _SHA224,
}
_ECDSA_WITH: dict[str, hashes.HashAlgorithm | None] = {
    "1.2.840.10045.2.1": None,  # some signers write the kind of key here
    "1.2.840.10045.4.1": _SHA1,
    "1.2.840.10045.4.3.1": _SHA224,
    "1.2.840.10045.4.3.2": _SHA256,
    "1.2.840.10045.4.3.3": _SHA384,
    "1.2.840.10045.4.3.4": _SHA512,
}
_PSS, _MGF1 = "1.2.840.113549.1.1.10", "1.2.840.113549.1.1.8"
_PSS_SALT = 20


def hash_algorithm(oid: str) -> hashes.HashAlgorithm:
    """Find a hash function by its object identifier; raises UnsupportedError."""
    if oid not in _HASHES:
        raise UnsupportedError(f"the hash function {oid} is unknown")
    return _HASHES[oid]


def digest(algorithm: hashes.HashAlgorithm, data: bytes) -> bytes:
    """Hash some bytes."""
    return hashlib.new(algorithm.name, data, usedforsecurity=False).digest()


@dataclass(frozen=True, slots=True)
class Algorithm:
    """AlgorithmIdentifier of a signature; its parameters are parsed when a signature is verified."""

    oid: str
    parameters: bytes

    @classmethod
    def parse(cls, encoded: bytes) -> "Algorithm":
        """Read it; raises MalformedError."""
        identifier, *rest = der.sequence(encoded, least=1)
        parameters = tlv.encode(rest[0].tag, rest[0].value) if rest else b""
        return cls(der.oid(der.expect(identifier, der.OID)), parameters)


def verify(
    key: PublicKey,
    algorithm: Algorithm,
    data: bytes,
    signature: bytes,
    stated: hashes.HashAlgorithm | None = None,
) -> bool:
    """Return true when a signature over `data` is the key's.

    `stated` is the hash function for algorithms that do not name one. Raises UnsupportedError for an unknown
    algorithm and MalformedError for invalid parameters.
    """
    if isinstance(key, EcKey) and algorithm.oid in _ECDSA_WITH:
        hashed = digest(_either(_ECDSA_WITH[algorithm.oid], stated), data)
        pair = ecdsa.pair_from_der(signature)
        return pair is not None and ecdsa.verify(key, hashed, *pair)
    if isinstance(key, RsaKey) and algorithm.oid in _RSA_WITH:
        function = _either(_RSA_WITH[algorithm.oid], stated)
        return _verify_rsa(key, padding.PKCS1v15(), function, data, signature)
    if isinstance(key, RsaKey) and algorithm.oid == _PSS:
        function, mask, salt = _pss_parameters(algorithm.parameters)
        return _verify_rsa(key, padding.PSS(padding.MGF1(mask), salt), function, data, signature)
    raise UnsupportedError(f"the signature algorithm {algorithm.oid} is unknown, or not one for this key")


def _either(own: hashes.HashAlgorithm | None, stated: hashes.HashAlgorithm | None) -> hashes.HashAlgorithm:
    if (function := own or stated) is None:
        raise UnsupportedError("a signature algorithm names no hash function")
    return function


def _verify_rsa(
    key: RsaKey,
    scheme: padding.AsymmetricPadding,
    function: hashes.HashAlgorithm,
    data: bytes,
    signature: bytes,
) -> bool:
    try:
        public = rsa.RSAPublicNumbers(key.exponent, key.modulus).public_key()
        public.verify(signature, digest(function, data), scheme, utils.Prehashed(function))
    except InvalidSignature:
        return False
    except (UnsupportedAlgorithm, ValueError):
        raise UnsupportedError("this RSA key or scheme is not supported") from None
    return True


def _pss_parameters(encoded: bytes) -> tuple[hashes.HashAlgorithm, hashes.HashAlgorithm, int]:
    """Parse RSASSA-PSS-params; absent fields have the defaults of RFC 4055: SHA-1 and a salt of 20."""
    items = der.sequence(encoded) if encoded else ()
    function = mask = _SHA1
    if (value := tlv.optional(items, 0xA0)) is not None:
        function = hash_algorithm(Algorithm.parse(value).oid)
    if (value := tlv.optional(items, 0xA1)) is not None:
        generation = Algorithm.parse(value)
        if generation.oid != _MGF1:
            raise UnsupportedError("a mask generation function is unknown")
        mask = hash_algorithm(Algorithm.parse(generation.parameters).oid)
    salt = _PSS_SALT
    if (value := tlv.optional(items, 0xA2)) is not None:
        salt = der.small_integer(tlv.parse_value(value, der.INTEGER))
    if salt > 512:
        raise MalformedError("a salt is longer than any signature")
    return function, mask, salt
