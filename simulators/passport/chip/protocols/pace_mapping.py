"""PACE's mapping of the nonce to a generator known only to holders of the password (Doc 9303-11, 4.4.3.3).

Integrated Mapping onto a curve follows appendix B of the same part, after Brier, Coron, Icart, Madore,
Randriam and Tibouchi, *Efficient Indifferentiable Hashing into Ordinary Elliptic Curves* (2010).
"""

from typing import Any

from simulators.passport.chip.crypto.ciphers import Cipher
from simulators.passport.chip.crypto.curves import Curve, Group, ModpGroup, Point
from simulators.passport.chip.crypto.key_agreement import KeyPair, with_generator

_SPARE_BITS = 64
"""Bits in addition to those of the prime, so that a residue is nearly uniform."""

_CONSTANTS = {
    128: ("a668892a7c41e3ca739f40b057d85904", "a4e136ac725f738b01c1f60217c188ad"),
    256: (
        "d463d65234124ef7897054986dca0a174e28df758cbaa03f240616414d5a1676",
        "54bd7255f0aaf831bec3423fcf39d69b6cbf066677d0faae5aadd99df8e53517",
    ),
}


def map_generic(group: Group, nonce: bytes, own: KeyPair, theirs: bytes) -> Group:
    """Return the nonce times the generator, plus the agreed element of two ephemeral keys.

    Raises ValueError for a bad key.
    """
    arithmetic: Any = group
    masked = own.shared_element(theirs)
    # A nonce is as long as a block, whatever the order: it may be greater than a 160 bit order.
    raised = arithmetic.times(arithmetic.generator, int.from_bytes(nonce, "big"))
    return with_generator(group, arithmetic.combine(raised, masked))


def map_integrated(group: Group, cipher: Cipher, nonce: bytes, theirs: bytes) -> Group:
    """Return a pseudo-random element of both nonces; raise ValueError for a nonce of wrong size."""
    if len(theirs) != cipher.key_size:
        raise ValueError(f"a nonce of {cipher.key_size} bytes is required")
    value = _pseudo_random(group.p, cipher, nonce, theirs)
    if isinstance(group, ModpGroup):
        generator = pow(value, (group.p - 1) // group.order, group.p)
        if generator == 1:
            raise ValueError("the nonces map to 1")
        return with_generator(group, generator)
    return with_generator(group, _point(group, value))


def nonce_size(cipher: Cipher) -> int:
    """Return the bytes of the chip's nonce for the Integrated Mapping: blocks of at least the key's size."""
    return -(-cipher.key_size // 16) * 16


def _pseudo_random(p: int, cipher: Cipher, nonce: bytes, theirs: bytes) -> int:
    length = 8 * nonce_size(cipher)
    next_key, output = (bytes.fromhex(constant) for constant in _CONSTANTS[length])
    key, produced = cipher.encrypt(theirs, nonce), b""
    for _ in range(-(-(p.bit_length() + _SPARE_BITS) // length)):
        key = key[: cipher.key_size]
        produced += cipher.encrypt(key, output)
        key = cipher.encrypt(key, next_key)
    return int.from_bytes(produced, "big") % p


def _point(curve: Curve, t: int) -> Point:
    p, a, b = curve.p, curve.a, curve.b
    alpha = -t * t % p
    first = -b * pow(a, -1, p) * (1 + pow(alpha + alpha * alpha, -1, p)) % p
    square = (first * first * first + a * first + b) % p
    # One of the two candidates has a square root; p is 3 modulo 4, so computing the root shows which.
    inverse_root = pow(square, p - 1 - (p + 1) // 4, p)
    if inverse_root * inverse_root * square % p == 1:
        return first, inverse_root * square % p
    return alpha * first % p, inverse_root * pow(t, 3, p) * square % p
