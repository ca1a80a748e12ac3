"""Verification of ECDSA signatures (NIST FIPS 186-4, section 6.4), on every curve that documents use."""

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils

from drivers.passport.emrtd.crypto.public_keys import EcKey
from drivers.passport.emrtd.encoding import der
from drivers.passport.emrtd.errors import MalformedError

# The three brainpool curves that are missing here are verified with our own arithmetic.
_OPENSSL: dict[str, type[ec.EllipticCurve]] = {
    "secp192r1": ec.SECP192R1,
    "secp224r1": ec.SECP224R1,
    "secp256r1": ec.SECP256R1,
    "secp384r1": ec.SECP384R1,
    "secp521r1": ec.SECP521R1,
    "brainpoolP256r1": ec.BrainpoolP256R1,
    "brainpoolP384r1": ec.BrainpoolP384R1,
    "brainpoolP512r1": ec.BrainpoolP512R1,
}
_HASHES = {
    algorithm.digest_size: algorithm
    for algorithm in (hashes.SHA1(), hashes.SHA224(), hashes.SHA256(), hashes.SHA384(), hashes.SHA512())  # noqa: S303
}


def verify(key: EcKey, digest: bytes, r: int, s: int) -> bool:
    """Return true when a signature over a digest is the key's."""
    order = key.curve.order
    if not (0 < r < order and 0 < s < order):
        return False
    if key.curve.name not in _OPENSSL or len(digest) not in _HASHES:
        return verify_in_python(key, digest, r, s)
    try:
        numbers = ec.EllipticCurvePublicNumbers(*key.point, _OPENSSL[key.curve.name]())
        scheme = ec.ECDSA(utils.Prehashed(_HASHES[len(digest)]))
        numbers.public_key().verify(utils.encode_dss_signature(r, s), digest, scheme)
    except InvalidSignature:
        return False
    except (UnsupportedAlgorithm, ValueError):
        # A build of OpenSSL without this curve.
        return verify_in_python(key, digest, r, s)
    return True


def verify_in_python(key: EcKey, digest: bytes, r: int, s: int) -> bool:
    """Verify with the arithmetic of `elliptic`; `r` and `s` are within the order."""
    order = key.curve.order
    number = int.from_bytes(digest, "big") >> max(0, 8 * len(digest) - order.bit_length())
    inverse = pow(s, -1, order)
    try:
        x, _ = key.curve.combine(number * inverse, key.curve.generator, r * inverse, key.point)
    except MalformedError:
        return False
    return x % order == r


def pair_from_der(signature: bytes) -> tuple[int, int] | None:
    """Parse r and s of a DER signature; None when it is malformed."""
    try:
        items = der.sequence(signature, least=2)
        r, s = (der.integer(der.expect(item, der.INTEGER)) for item in items[:2])
    except MalformedError:
        return None
    return r, s
