"""Checks that a health certificate is genuine, of its holder, and in force.

Source: *Electronic Health Certificates* (European eHealth network) and WHO's *HCERT specification*, sections
3.2 and 6; outcomes after BSI TR-03135-1.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from drivers.observation import Check
from drivers.passport.check_results import (
    SEAL,
    SEAL_CERTIFICATE,
    SEAL_ISSUING_STATE,
    SEAL_READABLE,
    SEAL_SIGNATURE,
)
from drivers.passport.emrtd.crypto import ecdsa
from drivers.passport.emrtd.crypto.public_keys import EcKey, RsaKey
from drivers.passport.emrtd.crypto.signatures import Algorithm, verify
from drivers.passport.emrtd.encoding import der, tlv
from drivers.passport.emrtd.errors import ChipError
from drivers.passport.emrtd.pki import country_codes as states
from drivers.passport.mrz import Mrz
from drivers.passport.seals.comparison import mrz_vs_holder, seal_not_expired
from drivers.passport.seals.hcert.model import HealthCertificate, HealthScheme
from drivers.passport.seals.hcert.trust_list import HealthTrustLists, TrustedKey

_HASHES = {"256": "sha256", "384": "sha384", "512": "sha512"}
_HASH_OIDS = {
    "sha256": "2.16.840.1.101.3.4.2.1",
    "sha384": "2.16.840.1.101.3.4.2.2",
    "sha512": "2.16.840.1.101.3.4.2.3",
}
_PSS, _MGF1 = "1.2.840.113549.1.1.10", "1.2.840.113549.1.1.8"
# Extended key usages that limit a key to one kind of certificate; a second prefix is in certificates of 2021.
_KINDS = {
    f"{prefix}.{number}": kind
    for prefix in ("1.3.6.1.4.1.1847.2021.1", "1.3.6.1.4.1.0.1847.2021.1")
    for number, kind in ((1, "tests"), (2, "vaccinations"), (3, "recoveries"))
}


def health_checks(
    certificate: HealthCertificate, printed: Mrz | None, lists: HealthTrustLists | None, today: date
) -> Iterator[Check]:
    """Make all checks, always the same ones in the same order."""
    yield _readable(certificate)
    yield from _HealthVerifier(certificate, lists if lists and lists.keys else None, today).checks()
    yield mrz_vs_holder(printed, certificate.holder)
    expires = certificate.expires_at.date() if certificate.expires_at else None
    issued = certificate.issued_at.date() if certificate.issued_at else None
    starts, ends = (certificate.valid_from, issued), (certificate.valid_until, expires)
    yield seal_not_expired(
        max(filter(None, starts), default=None), min(filter(None, ends), default=None), today
    )


def _readable(certificate: HealthCertificate) -> Check:
    if certificate.holder is None:
        return SEAL.undetermined(SEAL_READABLE, "profile_unknown")
    if not (certificate.vaccinations or certificate.tests or certificate.recoveries):
        return SEAL.failed(SEAL_READABLE, "feature_missing")
    return SEAL.successful(SEAL_READABLE)


@dataclass(frozen=True, slots=True)
class _HealthVerifier:
    """Verifier of one certificate against the operator's lists on one day."""

    certificate: HealthCertificate
    lists: HealthTrustLists | None
    today: date

    def checks(self) -> Iterator[Check]:
        if self.lists is None:
            for identifier in (SEAL_SIGNATURE, SEAL_CERTIFICATE, SEAL_ISSUING_STATE):
                yield SEAL.undetermined(identifier, "no_trust_store")
            return
        known = self.lists.find(self.certificate.key_id)
        if not known:
            for identifier in (SEAL_SIGNATURE, SEAL_CERTIFICATE, SEAL_ISSUING_STATE):
                yield SEAL.undetermined(identifier, "signer_unknown")
            return
        results = {key: self._signed_by(key) for key in known}
        signer = next((key for key, genuine in results.items() if genuine), None)
        if signer is not None:
            yield SEAL.successful(SEAL_SIGNATURE)
        elif None in results.values():
            yield SEAL.undetermined(SEAL_SIGNATURE, "algorithm_unsupported")
        else:
            yield SEAL.failed(SEAL_SIGNATURE, "signature_wrong")
        yield self._listed(signer or known[0], self.lists)
        yield self._issuing_state(signer or known[0])

    def _signed_by(self, trusted: TrustedKey) -> bool | None:
        """Verify with one key; None when it does not go with the algorithm, or the algorithm is unknown."""
        algorithm = self.certificate.algorithm
        if algorithm is None:
            return None
        key, function = trusted.key, _HASHES[algorithm[2:]]
        signed, signature = self.certificate.signed, self.certificate.signature
        if isinstance(key, EcKey) and algorithm.startswith("ES"):
            half, odd = divmod(len(signature), 2)
            if odd or half != key.curve.size:
                return False
            r, s = (int.from_bytes(part, "big") for part in (signature[:half], signature[half:]))
            return ecdsa.verify(key, hashlib.new(function, signed).digest(), r, s)
        if isinstance(key, RsaKey) and algorithm.startswith("PS"):
            try:
                return verify(key, _pss(function), signed, signature)
            except ChipError:
                return None
        return None

    def _listed(self, signer: TrustedKey, lists: HealthTrustLists) -> Check:
        """Check that the key may sign such a certificate today: its own validity, its use, the list's age."""
        identifier = SEAL_CERTIFICATE
        own = signer.certificate
        if own is not None and not own.is_valid_on(self.today):
            early = self.today < own.not_before.date()
            return SEAL.failed(identifier, "certificate_not_yet_valid" if early else "certificate_expired")
        purposes = (own.purposes if own is not None else None) or ()
        allowed = {_KINDS[purpose] for purpose in purposes if purpose in _KINDS}
        given = {kind for kind in ("tests", "vaccinations", "recoveries") if getattr(self.certificate, kind)}
        if allowed and self.certificate.scheme is HealthScheme.EU_DCC and not given <= allowed:
            return SEAL.failed(identifier, "not_for_this_kind")
        if not signer.is_current_on(self.today, lists.max_age_days):
            return SEAL.undetermined(identifier, "trust_list_stale")
        return SEAL.successful(identifier)

    def _issuing_state(self, signer: TrustedKey) -> Check:
        """Compare the stated issuer with the country of the key."""
        identifier = SEAL_ISSUING_STATE
        stated = self.certificate.issuer
        if stated is None:
            return SEAL.not_supported(identifier, "issuer_not_stated")
        one, other = (states.alpha3_codes(code) if code else None for code in (stated, signer.country))
        if not one or not other:
            return SEAL.undetermined(identifier, "country_unknown")
        return SEAL.successful(identifier) if one & other else SEAL.failed(identifier, "state_differs")


def _pss(function: str) -> Algorithm:
    """Build the parameters of RSASSA-PSS as COSE has them: one hash function, a salt of its length."""
    hashed = _sequence(tlv.encode(der.OID, der.encode_oid(_HASH_OIDS[function])))
    mask = _sequence(tlv.encode(der.OID, der.encode_oid(_MGF1)) + hashed)
    salt = tlv.encode(der.INTEGER, bytes([hashlib.new(function).digest_size]))
    parts = tlv.encode(0xA0, hashed) + tlv.encode(0xA1, mask) + tlv.encode(0xA2, salt)
    return Algorithm(_PSS, _sequence(parts))


def _sequence(contents: bytes) -> bytes:
    return tlv.encode(der.SEQUENCE, contents)
