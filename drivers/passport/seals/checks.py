"""Checks that a seal is genuine: readable, signed by the stated signer of that state, of this document.

Source: ICAO Doc 9303-13, appendix D, and 9303-12; outcomes after BSI TR-03135-1.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from drivers.observation import Check
from drivers.passport.check_results import (
    ALL_SEAL_CHECKS,
    SEAL,
    SEAL_CERTIFICATE,
    SEAL_ISSUING_STATE,
    SEAL_NOT_EXPIRED,
    SEAL_READABLE,
    SEAL_SIGNATURE,
)
from drivers.passport.emrtd.crypto import ecdsa
from drivers.passport.emrtd.crypto.public_keys import EcKey
from drivers.passport.emrtd.errors import ChipError
from drivers.passport.emrtd.pki import country_codes as states
from drivers.passport.emrtd.pki.certificates import Certificate, RevocationList
from drivers.passport.emrtd.pki.trust_store import TrustStore
from drivers.passport.mrz import Mrz
from drivers.passport.seals.comparison import mrz_vs_seal, seal_not_expired
from drivers.passport.seals.hcert.trust_list import HealthTrustLists
from drivers.passport.seals.hcert.verification import health_checks
from drivers.passport.seals.idb.model import Idb
from drivers.passport.seals.model import Barcode, BarcodeKind, SealFault, SealProfile, Vds, VdsNc
from drivers.passport.seals.parts import FeatureReading
from drivers.passport.seals.store import SealSignerStore, may_sign_json

# The hash goes with the size of the key, as in TR-03137-1's examples; VDS-NC names it (RFC 7518, 3.4).
_BY_KEY_BITS = ((224, "sha224"), (256, "sha256"), (384, "sha384"), (521, "sha512"))
_BY_NAME = {"ES256": "sha256", "ES384": "sha384", "ES512": "sha512"}


def seal_checks(
    barcode: Barcode,
    printed: Mrz | None,
    store: SealSignerStore | None,
    today: date,
    health: HealthTrustLists | None = None,
) -> tuple[Check, ...]:
    """Make all checks of one barcode, for one kind always the same ones in the same order.

    `health` has the signers of health certificates, `store` those of all others. A barcode that is no seal
    has none of the features; that weighs nothing.
    """
    if barcode.fault is not None:
        return tuple(_of_faulty(barcode.fault, barcode.kind))
    if barcode.health_certificate is not None:
        return tuple(health_checks(barcode.health_certificate, printed, health, today))
    seal = barcode.vds or barcode.vds_nc or barcode.idb
    if seal is None:
        return tuple(SEAL.not_supported(identifier, "no_seal") for identifier in ALL_SEAL_CHECKS)
    return tuple(_SealVerifier(seal, store if store and not store.is_empty else None, today).checks(printed))


def _of_faulty(fault: SealFault, kind: BarcodeKind) -> Iterator[Check]:
    malformed = fault is SealFault.MALFORMED
    reason = "seal_malformed" if malformed else "seal_unsupported"
    first = SEAL.failed if malformed else SEAL.undetermined
    yield first(SEAL_READABLE, reason)
    dated = (SEAL_NOT_EXPIRED,) if kind in {BarcodeKind.IDB, BarcodeKind.HEALTH_CERTIFICATE} else ()
    for identifier in (*ALL_SEAL_CHECKS[1:], *dated):
        yield SEAL.undetermined(identifier, reason)


@dataclass(frozen=True, slots=True)
class _SealVerifier:
    """Verifier of one seal against one store on one day."""

    seal: Vds | VdsNc | Idb
    store: SealSignerStore | None
    today: date

    def checks(self, printed: Mrz | None) -> Iterator[Check]:
        yield self._readable()
        if isinstance(self.seal, Idb) and not self.seal.is_signed:
            for identifier in (SEAL_SIGNATURE, SEAL_CERTIFICATE, SEAL_ISSUING_STATE):
                yield SEAL.undetermined(identifier, "seal_unsigned")
            yield from self._compared(printed)
            return
        try:
            # The whole certificate is parsed here: some parts are otherwise parsed only on access.
            yield from list(self._signed(self._candidates()))
        except ChipError:
            # The certificate came with the seal: malformed bytes are no evidence of another state.
            for identifier in (
                SEAL_SIGNATURE,
                SEAL_CERTIFICATE,
                SEAL_ISSUING_STATE,
            ):
                yield SEAL.undetermined(identifier, "signer_malformed")
        yield from self._compared(printed)

    def _compared(self, printed: Mrz | None) -> Iterator[Check]:
        yield mrz_vs_seal(printed, self.seal)
        if isinstance(self.seal, Idb):
            yield seal_not_expired(self.seal.valid_from, self.seal.valid_until, self.today)

    def _readable(self) -> Check:
        identifier = SEAL_READABLE
        if isinstance(self.seal, Vds):
            if any(feature.status is FeatureReading.MALFORMED for feature in self.seal.features):
                return SEAL.failed(identifier, "feature_malformed")
            if self.seal.missing_features:
                return SEAL.failed(identifier, "feature_missing")
            if self.seal.profile is SealProfile.UNKNOWN:
                return SEAL.undetermined(identifier, "profile_unknown")
        elif isinstance(self.seal, Idb):
            if any(message.status is FeatureReading.MALFORMED for message in self.seal.messages):
                return SEAL.failed(identifier, "feature_malformed")
            if self.seal.missing_messages:
                return SEAL.failed(identifier, "feature_missing")
            if not any(message.status is FeatureReading.READ for message in self.seal.messages):
                return SEAL.undetermined(identifier, "profile_unknown")
        elif self.seal.holder is None:
            return SEAL.undetermined(identifier, "profile_unknown")
        return SEAL.successful(identifier)

    def _candidates(self) -> tuple[Certificate, ...]:
        """Find certificates of the signer: the seal's own, or what the operator has; raises ChipError."""
        if isinstance(self.seal, VdsNc):
            return (Certificate.parse(self.seal.certificate),) if self.seal.certificate else ()
        if isinstance(self.seal, Idb):
            given = self.store.find_reference(self.seal.certificate_reference or "") if self.store else ()
            return given or ((Certificate.parse(self.seal.certificate),) if self.seal.certificate else ())
        return self.store.find(self.seal.signer, self.seal.certificate_reference) if self.store else ()

    def _signed(self, candidates: tuple[Certificate, ...]) -> Iterator[Check]:
        signature, signer = self._signature(candidates)
        yield signature
        yield self._certificate(signer)
        yield self._issuing_state(signer)

    def _signature(self, candidates: tuple[Certificate, ...]) -> tuple[Check, Certificate | None]:
        """Verify the signature and return the certificate that verified it, or the first one."""
        identifier = SEAL_SIGNATURE
        first = candidates[0] if candidates else None
        if self.store is None:
            return SEAL.undetermined(identifier, "no_trust_store"), first
        if first is None:
            return SEAL.undetermined(identifier, "signer_unknown"), None
        unsupported = False
        for certificate in candidates:
            genuine = self._signed_by(certificate)
            if genuine:
                return SEAL.successful(identifier), certificate
            unsupported |= genuine is None
        if unsupported:
            return SEAL.undetermined(identifier, "algorithm_unsupported"), first
        return SEAL.failed(identifier, "signature_wrong"), first

    def _signed_by(self, certificate: Certificate) -> bool | None:
        """Verify with one certificate; None when its key or the algorithm is unknown."""
        try:
            key = certificate.public_key()
        except ChipError:
            return None
        if not isinstance(key, EcKey) or (function := self._hash(key)) is None:
            return None
        half = len(self.seal.signature) // 2
        r, s = (
            int.from_bytes(part, "big") for part in (self.seal.signature[:half], self.seal.signature[half:])
        )
        return ecdsa.verify(key, hashlib.new(function, self.seal.signed).digest(), r, s)

    def _hash(self, key: EcKey) -> str | None:
        if isinstance(self.seal, VdsNc | Idb):
            return _BY_NAME.get(self.seal.algorithm or "")
        bits = key.curve.order.bit_length()
        return next((name for most, name in _BY_KEY_BITS if bits <= most), None)

    def _certificate(self, signer: Certificate | None) -> Check:
        """Check the signer's certificate: its validity, then its issuer, then the revocation list.

        A revocation list can only turn the result to failed: most states' seals come without one.
        """
        identifier = SEAL_CERTIFICATE
        if self.store is None:
            return SEAL.undetermined(identifier, "no_trust_store")
        if signer is None:
            return SEAL.undetermined(identifier, "signer_unknown")
        if isinstance(self.seal, VdsNc) and not may_sign_json(signer):
            return SEAL.failed(identifier, "not_for_seals")
        if isinstance(self.seal, Idb) and not (self.store.has(signer) or may_sign_json(signer)):
            # The report's own usage is in no public certificate, so the lack of it proves nothing.
            return SEAL.undetermined(identifier, "not_for_seals")
        if reason := self._out_of_date(signer):
            return SEAL.failed(identifier, reason)
        trust = self.store.trust
        if trust is None:
            if self.store.has(signer):
                return SEAL.successful(identifier)
            return SEAL.undetermined(identifier, "csca_unknown")
        if not trust.authorities:
            return SEAL.undetermined(identifier, "no_trust_store")
        return self._chained(signer, trust)

    def _chained(self, signer: Certificate, trust: TrustStore) -> Check:
        identifier = SEAL_CERTIFICATE
        claimed = trust.authorities_of(signer)
        if not claimed:
            return SEAL.undetermined(identifier, "csca_unknown")
        verified = {authority: _verified(signer, authority) for authority in claimed}
        authority = next((authority for authority, how in verified.items() if how), None)
        if authority is None:
            if None in verified.values():
                return SEAL.undetermined(identifier, "algorithm_unsupported")
            return SEAL.failed(identifier, "signature_wrong")
        if reason := _expiry(authority, self.today):
            return SEAL.failed(identifier, reason)
        genuine = (known for known in trust.lists_of(authority) if _verified(known, authority))
        latest = next(genuine, None)
        if latest is not None and signer.serial_number in latest.revoked_serials:
            return SEAL.failed(identifier, "revoked")
        return SEAL.successful(identifier)

    def _out_of_date(self, signer: Certificate) -> str | None:
        """Compare the certificate's validity with the day of the seal, when it has one, and with today."""
        if isinstance(self.seal, Vds | Idb) and self.seal.signed_on is not None:
            if self.seal.signed_on < signer.not_before.date():
                return "signed_too_early"
            if self.seal.signed_on > signer.not_after.date():
                return "signed_after_expiry"
        return _expiry(signer, self.today)

    def _issuing_state(self, signer: Certificate | None) -> Check:
        """Compare the country of the signer with the issuer of the seal."""
        identifier = SEAL_ISSUING_STATE
        if signer is None:
            return SEAL.undetermined(identifier, "no_trust_store" if self.store is None else "signer_unknown")
        allowed = states.alpha3_codes(signer.country) if signer.country else None
        if allowed is None:
            return SEAL.undetermined(identifier, "country_unknown")
        if self.seal.issuer in allowed:
            return SEAL.successful(identifier)
        return SEAL.failed(identifier, "state_differs")


def _expiry(certificate: Certificate, today: date) -> str | None:
    if today < certificate.not_before.date():
        return "certificate_not_yet_valid"
    return "certificate_expired" if today > certificate.not_after.date() else None


def _verified(signed: Certificate | RevocationList, authority: Certificate) -> bool | None:
    """Verify a state's signature; None when its key or algorithm is unknown."""
    try:
        return signed.signed_by(authority)
    except ChipError:
        return None
