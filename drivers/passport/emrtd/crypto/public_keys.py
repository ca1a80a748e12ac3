"""Public keys of certificates, DG14 and DG15 (SubjectPublicKeyInfo: RFC 5280, 5480, 8017).

Documents have keys that general libraries refuse: explicit curve parameters (ICAO Doc 9303-12, section 4),
Diffie-Hellman keys in two notations (BSI TR-03110-3, appendix D.3) and odd RSA lengths.
"""

from dataclasses import dataclass, field

from drivers.passport.emrtd.crypto import curves, groups
from drivers.passport.emrtd.crypto.elliptic import Curve, Point
from drivers.passport.emrtd.crypto.groups import Group
from drivers.passport.emrtd.encoding import der, tlv
from drivers.passport.emrtd.errors import MalformedError, UnsupportedError

_RSA = frozenset({"1.2.840.113549.1.1.1", "1.2.840.113549.1.1.10"})
# id-ecPublicKey, and id-ecDH, which some chips write.
_EC = frozenset({"1.2.840.10045.2.1", "1.3.132.1.12"})
_DH_PKCS3, _DH_X942 = "1.2.840.113549.1.3.1", "1.2.840.10046.2.1"
_PRIME_FIELD = "1.2.840.10045.1.1"
MAX_RSA_BITS = 8192


@dataclass(frozen=True, slots=True)
class RsaKey:
    """An RSA key."""

    modulus: int = field(repr=False)
    exponent: int = field(repr=False)
    negative_as_written: bool = field(default=False, compare=False)
    """True when modulus or exponent lack the zero byte in front, so that they read as negative numbers."""

    @property
    def size(self) -> int:
        """Length of the modulus in bytes."""
        return (self.modulus.bit_length() + 7) // 8


@dataclass(frozen=True, slots=True)
class EcKey:
    """A point on a standardized curve."""

    curve: Curve
    point: Point = field(repr=False)


@dataclass(frozen=True, slots=True)
class DhKey:
    """An element of a Diffie-Hellman group."""

    group: Group
    element: int = field(repr=False)


PublicKey = RsaKey | EcKey | DhKey


def parse_public_key(info: bytes) -> PublicKey:
    """Parse a SubjectPublicKeyInfo.

    Raises MalformedError, or UnsupportedError for an unknown kind of key or curve.
    """
    algorithm, key, *_ = der.sequence(info, least=2)
    bits = der.bit_string(der.expect(key, der.BIT_STRING))
    identifier, *parameters = der.elements(der.expect(algorithm, der.SEQUENCE), 1)
    oid = der.oid(der.expect(identifier, der.OID))
    if oid in _RSA:
        return _rsa(bits)
    if oid in _EC and parameters:
        curve = _curve(parameters[0])
        return EcKey(curve, curve.decode(bits))
    if oid in {_DH_PKCS3, _DH_X942} and parameters:
        group = _group(oid, der.elements(der.expect(parameters[0], der.SEQUENCE), 2))
        return DhKey(group, group.decode(_encoded_integer(bits)))
    raise UnsupportedError(f"a public key is of the unknown kind {oid}")


def _rsa(bits: bytes) -> RsaKey:
    (modulus, positive), (exponent, also) = (
        der.unsigned_integer(der.expect(item, der.INTEGER)) for item in der.sequence(bits, least=2)[:2]
    )
    if not 512 <= modulus.bit_length() <= MAX_RSA_BITS or modulus % 2 == 0:
        raise MalformedError("an RSA modulus is even, too short or too long")
    if not 1 < exponent < modulus or exponent % 2 == 0:
        raise MalformedError("an RSA exponent is invalid")
    return RsaKey(modulus, exponent, negative_as_written=not (positive and also))


def _curve(parameters: tlv.Tlv) -> Curve:
    if parameters.tag == der.OID:
        oid = der.oid(parameters.value)
        if oid not in curves.BY_OID:
            raise UnsupportedError(f"a key is on the unknown curve {oid}")
        return curves.BY_OID[oid]
    _, field_id, equation, base, order, *_ = der.elements(der.expect(parameters, der.SEQUENCE), 5)
    kind, prime, *_ = der.elements(der.expect(field_id, der.SEQUENCE), 2)
    if der.oid(der.expect(kind, der.OID)) != _PRIME_FIELD:
        raise UnsupportedError("a key is on a curve over a binary field")
    # Compared with the standardized curves, so a missing sign byte changes nothing.
    p, _ = der.unsigned_integer(der.expect(prime, der.INTEGER))
    a, b, *_ = der.elements(der.expect(equation, der.SEQUENCE), 2)
    curve = _named(p, a.value, b.value, der.expect(base, der.OCTET_STRING), order)
    if curve is None:
        raise UnsupportedError("a key has explicit parameters of no standardized curve")
    return curve


def _named(p: int, a: bytes, b: bytes, base: bytes, order: tlv.Tlv) -> Curve | None:
    n, _ = der.unsigned_integer(der.expect(order, der.INTEGER))
    coefficients = int.from_bytes(a[:80], "big"), int.from_bytes(b[:80], "big")
    for curve in curves.CURVES:
        if curve.p == p and base in {curve.encode(curve.generator), _compressed(curve)}:
            return curves.find_by_parameters(p, *coefficients, curve.generator, n)
    return None


def _compressed(curve: Curve) -> bytes:
    x, y = curve.generator
    return bytes([2 + y % 2]) + x.to_bytes(curve.size, "big")


def _group(oid: str, parameters: tuple[tlv.Tlv, ...]) -> Group:
    p, generator = (der.integer(der.expect(item, der.INTEGER)) for item in parameters[:2])
    order = None
    if oid == _DH_X942 and len(parameters) > 2:
        order = der.integer(der.expect(parameters[2], der.INTEGER))
    return groups.validated_group(p, generator, order)


def _encoded_integer(bits: bytes) -> bytes:
    """Unwrap a Diffie-Hellman key, an INTEGER, into its bytes."""
    element = der.integer(tlv.parse_value(bits, der.INTEGER))
    return element.to_bytes((element.bit_length() + 7) // 8 or 1, "big")
