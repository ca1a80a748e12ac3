"""Key agreement over the chip's domain parameters, and the mappings of PACE.

Source: ICAO Doc 9303-11, section 4.4.3.3 (generic and integrated mapping), appendix B (point encoding) and
section 9.6 (key agreement).
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from math import ceil

from drivers.passport.emrtd.crypto import curves, groups
from drivers.passport.emrtd.crypto.ciphers import Suite
from drivers.passport.emrtd.crypto.elliptic import Curve, Point
from drivers.passport.emrtd.crypto.groups import Group
from drivers.passport.emrtd.errors import MalformedError, UnsupportedError

Randomness = Callable[[int], bytes]
"""Source of so many random bytes; `secrets.token_bytes`, or a worked example's numbers in a test."""

_TRIES = 128
# Constants of the pseudo-random function (9303-11, section 4.4.3.3.2), for 128-bit and for longer keys.
_C0_128, _C1_128 = (
    bytes.fromhex("A668892A7C41E3CA739F40B057D85904"),
    bytes.fromhex("A4E136AC725F738B01C1F60217C188AD"),
)
_C0_256, _C1_256 = (
    bytes.fromhex("D463D65234124EF7897054986DCA0A174E28DF758CBAA03F240616414D5A1676"),
    bytes.fromhex("54BD7255F0AAF831BEC3423FCF39D69B6CBF066677D0FAAE5AADD99DF8E53517"),
)


class KeyAgreement(ABC):
    """Domain parameters in which two sides agree on a secret."""

    token_tag: int
    """Tag of a public key inside the data that PACE tokens authenticate (9303-11, section 9.4)."""

    @abstractmethod
    def private_key(self, random: Randomness) -> int:
        """Draw a private key."""

    @abstractmethod
    def public_key(self, private: int) -> bytes:
        """Return the public key that belongs to a private one."""

    @abstractmethod
    def shared_secret(self, private: int, public: bytes) -> bytes:
        """Agree on a secret; raises MalformedError for an invalid public key."""

    @abstractmethod
    def map_generic(self, nonce: bytes, private: int, public: bytes) -> "KeyAgreement":
        """Move the generator by a nonce and an agreed secret."""

    @abstractmethod
    def map_integrated(self, suite: Suite, nonce: bytes, terminal_nonce: bytes) -> "KeyAgreement":
        """Compute the generator from two nonces."""


@dataclass(frozen=True, slots=True)
class EcKeyAgreement(KeyAgreement):
    """ECDH over a standardized curve."""

    curve: Curve
    generator: Point = field(repr=False)
    token_tag = 0x86

    @classmethod
    def from_curve(cls, curve: Curve) -> "EcKeyAgreement":
        """Start from the curve's own generator."""
        return cls(curve, curve.generator)

    def private_key(self, random: Randomness) -> int:
        """Draw a number below the order, uniformly."""
        return _draw(self.curve.order, random)

    def public_key(self, private: int) -> bytes:
        """Return the uncompressed point."""
        return self.curve.encode(self.curve.multiply(private, self.generator))

    def shared_secret(self, private: int, public: bytes) -> bytes:
        """Return the x coordinate of the shared point."""
        x, _ = self.curve.multiply(private, self.curve.decode(public))
        return x.to_bytes(self.curve.size, "big")

    def map_generic(self, nonce: bytes, private: int, public: bytes) -> "EcKeyAgreement":
        """Compute s*G + H, H being the point agreed upon."""
        number = int.from_bytes(nonce, "big")
        point = self.curve.combine(number, self.generator, private, self.curve.decode(public))
        return replace(self, generator=point)

    def map_integrated(self, suite: Suite, nonce: bytes, terminal_nonce: bytes) -> "EcKeyAgreement":
        """Encode a pseudo-random field element as a point (appendix B)."""
        element = pseudo_random(suite, nonce, terminal_nonce, self.curve.p)
        return replace(self, generator=encode_as_point(self.curve, element))


@dataclass(frozen=True, slots=True)
class DhKeyAgreement(KeyAgreement):
    """Diffie-Hellman in a subgroup of a prime field."""

    group: Group
    generator: int = field(repr=False)
    token_tag = 0x84

    @classmethod
    def from_group(cls, group: Group) -> "DhKeyAgreement":
        """Start from the group's own generator."""
        return cls(group, group.generator)

    def private_key(self, random: Randomness) -> int:
        """Draw an exponent below the order of the subgroup, or below the modulus when it has none."""
        return _draw(self.group.order or self.group.p - 1, random)

    def public_key(self, private: int) -> bytes:
        """Return the element at the length of the modulus."""
        return self.group.encode(self.group.power(self.generator, private))

    def shared_secret(self, private: int, public: bytes) -> bytes:
        """Return the shared element at the length of the modulus."""
        return self.group.encode(self.group.power(self.group.decode(public), private))

    def map_generic(self, nonce: bytes, private: int, public: bytes) -> "DhKeyAgreement":
        """Compute g^s * h, h being the element agreed upon."""
        agreed = self.group.power(self.group.decode(public), private)
        moved = pow(self.generator, int.from_bytes(nonce, "big"), self.group.p) * agreed % self.group.p
        return replace(self, generator=self._nontrivial(moved))

    def map_integrated(self, suite: Suite, nonce: bytes, terminal_nonce: bytes) -> "DhKeyAgreement":
        """Raise a pseudo-random element into the subgroup."""
        if self.group.order is None:
            raise UnsupportedError("integrated mapping needs the order of the subgroup")
        element = pseudo_random(suite, nonce, terminal_nonce, self.group.p)
        moved = pow(element, (self.group.p - 1) // self.group.order, self.group.p)
        return replace(self, generator=self._nontrivial(moved))

    @staticmethod
    def _nontrivial(element: int) -> int:
        if element <= 1:
            raise MalformedError("the mapping ended at a trivial generator")
        return element


def standardized_parameters(parameter_id: int) -> KeyAgreement:
    """Find the domain parameters of that identifier; raises UnsupportedError for reserved ones."""
    if (curve := curves.BY_PARAMETER_ID.get(parameter_id)) is not None:
        return EcKeyAgreement.from_curve(curve)
    if (group := groups.BY_PARAMETER_ID.get(parameter_id)) is not None:
        return DhKeyAgreement.from_group(group)
    raise UnsupportedError("the standardized domain parameters have no such identifier")


def pseudo_random(suite: Suite, nonce: bytes, terminal_nonce: bytes, modulus: int) -> int:
    """Derive R_p(s, t), an element of a prime field, from two nonces (9303-11, section 4.4.3.3.2).

    `nonce` is the chip's, one or two blocks; `terminal_nonce` is as long as a key of the suite.
    """
    c0, c1 = (_C0_128, _C1_128) if suite.key_size == 16 else (_C0_256, _C1_256)
    if len(nonce) != len(c0) or len(terminal_nonce) != suite.key_size:
        raise MalformedError("a nonce has not the length that the mapping needs")
    key = suite.encrypt(terminal_nonce, nonce)[: suite.key_size]
    drawn = b""
    for _ in range(ceil((modulus.bit_length() + 64) / (8 * len(c0)))):
        drawn += suite.encrypt(key, c1)
        key = suite.encrypt(key, c0)[: suite.key_size]
    return int.from_bytes(drawn, "big") % modulus


def encode_as_point(curve: Curve, element: int) -> Point:
    """Encode a field element as a point, in constant steps (9303-11, appendix B).

    Raises UnsupportedError for P-224, whose prime does not leave 3 when divided by 4, and MalformedError
    for the few elements that have no image.
    """
    p, a, b = curve.p, curve.a, curve.b
    if p % 4 != 3:
        raise UnsupportedError("integrated mapping is not defined over this curve")
    alpha = -element * element % p
    denominator = a * (alpha + alpha * alpha) % p
    if not denominator:
        raise MalformedError("the mapping has no image")
    x2 = -b * (1 + alpha + alpha * alpha) * pow(denominator, -1, p) % p
    x3 = alpha * x2 % p
    h2 = (x2 * x2 * x2 + a * x2 + b) % p
    u = element**3 * h2 % p
    root = pow(h2, p - 1 - (p + 1) // 4, p)
    return (x2, root * h2 % p) if root * root * h2 % p == 1 else (x3, root * u % p)


def _draw(limit: int, random: Randomness) -> int:
    """Draw a number from 1 to `limit` - 1, every one equally likely."""
    bits = limit.bit_length()
    for _ in range(_TRIES):
        drawn = int.from_bytes(random((bits + 7) // 8), "big") & (1 << bits) - 1
        if 0 < drawn < limit:
            return drawn
    raise UnsupportedError("the source of randomness gives no usable numbers")
