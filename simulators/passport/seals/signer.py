"""Signers of seals: a signer of an issuing state, with the certificate of TR-03137-1."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from simulators.passport.chip.encoding import der
from simulators.passport.chip.pki.certificate import Certificate, Validity
from simulators.passport.chip.pki.issuing_state import IssuingState
from simulators.passport.chip.pki.signing_keys import Algorithm, SignatureScheme, SigningKey

_COUNTRY, _COMMON_NAME = "2.5.4.6", "2.5.4.3"
_AUTHORITY_KEY_ID, _DOCUMENT_TYPES, _EXTENDED_KEY_USAGE = "2.5.29.35", "2.23.136.1.1.6.2", "2.5.29.37"
SEAL_SIGNING = "2.23.136.1.1.14.2"
"""Extended key usage of signers of VDS-NC, which other signers of seals have as well."""
_HASH_BY_BITS = ((224, "sha224"), (256, "sha256"), (384, "sha384"), (521, "sha512"))


@dataclass(frozen=True, slots=True)
class SealSigner:
    """A key that signs seals, and its certificate."""

    name: str
    """Two characters; with the country they are the signer identifier."""
    country: str
    certificate: Certificate = field(repr=False)

    @classmethod
    def issue(
        cls,
        state: IssuingState,
        *,
        name: str = "TS",
        serial: int = 0x5B,
        curve: str = "brainpoolP256r1",
        scheme: SignatureScheme | None = None,
        validity: Validity | None = None,
        country: str | None = None,
        usages: Sequence[str] = (SEAL_SIGNING,),
    ) -> "SealSigner":
        """Create a signer of that state. The serial number is small because seals contain it.

        `scheme` is used in place of ECDSA on `curve`; `usages` are extended key usages of the certificate.
        """
        hash_name = next(hash_name for most, hash_name in _HASH_BY_BITS if ec_size(curve) <= most)
        key = SigningKey.generate(scheme or SignatureScheme(hash_name=hash_name, curve=curve))
        when = validity or Validity.spanning(
            state.now, before=timedelta(days=365), after=timedelta(days=10 * 365)
        )
        letters = country or state.state.alpha_2
        return cls(name, letters, _certificate(state, key, letters, name, serial, when, usages))

    @property
    def identifier(self) -> str:
        """Identifier of the signer in a seal."""
        return self.country + self.name

    @property
    def reference(self) -> str:
        """Reference of the certificate in a seal."""
        return f"{self.certificate.serial:X}"

    @property
    def key_id(self) -> bytes:
        """Identifier of the certificate in health certificates: the start of its SHA-256."""
        return self.fingerprint("sha256")[:8]

    @property
    def algorithm(self) -> str:
        """Name of the signature algorithm (RFC 7518, section 3.1)."""
        scheme = self.certificate.key.scheme
        family = "ES" if scheme.algorithm is Algorithm.ECDSA else "PS"
        return family + scheme.hash_name.removeprefix("sha")

    def fingerprint(self, hash_name: str) -> bytes:
        """Return a hash of the certificate."""
        return hashlib.new(hash_name, self.certificate.der).digest()

    def sign(self, data: bytes) -> bytes:
        """Sign `data`; on a curve, return r and s, each as long as the order of the curve."""
        key = self.certificate.key
        if not isinstance(key.key, ec.EllipticCurvePrivateKey):
            return key.sign(data)
        size = (key.key.key_size + 7) // 8
        return b"".join(number.to_bytes(size, "big") for number in decode_dss_signature(key.sign(data)))


def ec_size(curve: str) -> int:
    """Return the bits of a curve's order, which its name contains."""
    return int(curve.removeprefix("secp").removeprefix("brainpoolP").removesuffix("r1"))


def _certificate(
    state: IssuingState,
    key: SigningKey,
    country: str,
    name: str,
    serial: int,
    validity: Validity,
    usages: Sequence[str],
) -> Certificate:
    csca = state.csca
    types = der.sequence(der.integer(0), der.set_of(der.printable("NV"), der.printable("NT")))
    tbs = der.sequence(
        der.context(0, der.integer(2)),
        der.integer(serial),
        csca.key.algorithm_identifier,
        csca.issuer,
        der.sequence(der.time(validity.start), der.time(validity.end)),
        der.sequence(
            der.set_of(der.sequence(der.oid(_COUNTRY), der.printable(country))),
            der.set_of(der.sequence(der.oid(_COMMON_NAME), der.printable(name))),
        ),
        key.public_key_info,
        der.context(
            3,
            der.sequence(
                _extension(_AUTHORITY_KEY_ID, der.sequence(der.context_primitive(0, csca.key_id))),
                _extension(_DOCUMENT_TYPES, types),
                _extension(_EXTENDED_KEY_USAGE, der.sequence(*map(der.oid, usages))) if usages else b"",
            ),
        ),
    )
    sealed = der.sequence(tbs, csca.key.algorithm_identifier, der.bit_string(csca.key.sign(tbs)))
    return Certificate(sealed, serial, csca.issuer, key, validity)


def _extension(oid: str, value: bytes) -> bytes:
    return der.sequence(der.oid(oid), der.octet_string(value))
