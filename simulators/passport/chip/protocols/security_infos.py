"""SecurityInfos: capabilities of a chip in EF.CardAccess, EF.CardSecurity and DG14 (Doc 9303-11, 9.2)."""

from dataclasses import dataclass
from enum import Enum, StrEnum

from simulators.passport.chip.crypto.ciphers import Cipher
from simulators.passport.chip.crypto.curves import Curve, Group, ModpGroup
from simulators.passport.chip.crypto.domain_parameters import BY_NAME, CURVE_OID, STANDARDISED
from simulators.passport.chip.encoding import der

_BSI = "0.4.0.127.0.7"
PUBLIC_KEY, CHIP_AUTHENTICATION, PACE = f"{_BSI}.2.2.1", f"{_BSI}.2.2.3", f"{_BSI}.2.2.4"
ACTIVE_AUTHENTICATION = "2.23.136.1.1.5"
SECURITY_OBJECT = f"{_BSI}.3.2.1"
EC_PUBLIC_KEY = "1.2.840.10045.2.1"
_PRIME_FIELD = "1.2.840.10045.1.1"
_STANDARDISED = f"{_BSI}.1.2"
_DH_PUBLIC_NUMBER = "1.2.840.10046.2.1"
ECDSA_PLAIN = {
    name: f"{_BSI}.1.1.4.1.{arc}"
    for arc, name in enumerate(("sha224", "sha256", "sha384", "sha512"), start=2)
}
"""ecdsa-plain-SHA... of TR-03111, by hash."""


class Mapping(Enum):
    """Mappings of PACE from nonce to generator; the value is the arc of DH and that of ECDH."""

    GENERIC = (1, 2)
    INTEGRATED = (3, 4)
    CHIP_AUTHENTICATION = (None, 6)


class EcParameters(StrEnum):
    """Identification of a key's curve.

    Doc 9303-11 (9.5) allows two ways, explicit and by number, and forbids the third, which some issuers use
    nevertheless. Certificates and DG15 cannot have the number (9.1, RFC 3279).
    """

    EXPLICIT = "explicit"
    STANDARDISED = "standardised"
    NAMED = "named"


@dataclass(frozen=True, slots=True)
class PaceInfo:
    """One variant of PACE; `parameter_id` is that of the standardised domain parameters."""

    mapping: Mapping
    cipher: Cipher
    parameter_id: int

    def __post_init__(self) -> None:
        if self.mapping.value[isinstance(self.group, Curve)] is None:
            raise ValueError("Chip Authentication Mapping requires a curve")
        if self.mapping is Mapping.CHIP_AUTHENTICATION and self.cipher is Cipher.TDES:
            raise ValueError("Chip Authentication Mapping requires AES")
        group = self.group
        if self.mapping is Mapping.INTEGRATED and isinstance(group, Curve) and group.p % 4 != 3:
            raise ValueError(f"no Integrated Mapping onto {group.name}: its p is not 3 modulo 4")

    @property
    def group(self) -> Group:
        """The domain parameters."""
        return STANDARDISED[self.parameter_id]

    @property
    def oid(self) -> str:
        """The protocol's object identifier."""
        return f"{PACE}.{self.mapping.value[isinstance(self.group, Curve)]}.{self.cipher.suffix}"

    @property
    def encoded(self) -> bytes:
        """PACEInfo, version 2 (9.2.1)."""
        return der.sequence(der.oid(self.oid), der.integer(2), der.integer(self.parameter_id))


def chip_authentication_info(group: Group, cipher: Cipher, key_id: int | None) -> bytes:
    """Encode ChipAuthenticationInfo, version 1 (9.2.5)."""
    arc = 1 if isinstance(group, ModpGroup) else 2
    number = b"" if key_id is None else der.integer(key_id)
    return der.sequence(der.oid(f"{CHIP_AUTHENTICATION}.{arc}.{cipher.suffix}"), der.integer(1), number)


def chip_authentication_public_key_info(group: Group, public_key: bytes, key_id: int | None) -> bytes:
    """Encode ChipAuthenticationPublicKeyInfo (9.2.6), with the key as in `public_key_info`."""
    arc = 1 if isinstance(group, ModpGroup) else 2
    number = b"" if key_id is None else der.integer(key_id)
    return der.sequence(der.oid(f"{PUBLIC_KEY}.{arc}"), public_key, number)


def active_authentication_info(hash_name: str) -> bytes:
    """Encode ActiveAuthenticationInfo, for ECDSA keys (9.2.4)."""
    return der.sequence(
        der.oid(ACTIVE_AUTHENTICATION), der.integer(1), der.oid(ECDSA_PLAIN[hash_name])
    )  # fmt: skip


def public_key_info(group: Group, encoded_key: bytes, style: EcParameters) -> bytes:
    """Encode the SubjectPublicKeyInfo of a Diffie-Hellman or elliptic curve key (9.1, RFC 3279)."""
    if isinstance(group, ModpGroup):
        parameters = der.sequence(
            der.integer(group.p), der.integer(group.generator), der.integer(group.order)
        )
        algorithm = der.sequence(der.oid(_DH_PUBLIC_NUMBER), parameters)
        return der.sequence(algorithm, der.bit_string(der.integer(int.from_bytes(encoded_key, "big"))))
    if style is EcParameters.STANDARDISED:
        algorithm = der.sequence(der.oid(_STANDARDISED), der.integer(BY_NAME[group.name]))
    else:
        algorithm = der.sequence(der.oid(EC_PUBLIC_KEY), ec_parameters(group, style))
    return der.sequence(algorithm, der.bit_string(encoded_key))


def ec_parameters(curve: Curve, style: EcParameters) -> bytes:
    """Encode a curve by its name, or as explicit ECParameters (TR-03111, D.1.1)."""
    if style is EcParameters.NAMED:
        return der.oid(CURVE_OID[curve.name])
    size = curve.element_size
    return der.sequence(
        der.integer(1),
        der.sequence(der.oid(_PRIME_FIELD), der.integer(curve.p)),
        der.sequence(
            der.octet_string(curve.a.to_bytes(size, "big")), der.octet_string(curve.b.to_bytes(size, "big"))
        ),
        der.octet_string(curve.encode(curve.generator)),
        der.integer(curve.order),
        der.integer(1),
    )
