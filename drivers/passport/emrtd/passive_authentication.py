"""Passive Authentication: verification that a trusted issuer signed the data of the chip.

Source: ICAO Doc 9303-11, section 5.1; ICAO Doc 9303-12; outcomes after BSI TR-03135-1, section 3.5.2.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from drivers.observation import Check
from drivers.passport.check_results import (
    CHIP,
    CHIP_CERTIFICATE_VALIDITY,
    CHIP_COM_VS_SOD,
    CHIP_DSC_REVOCATION,
    CHIP_DSC_SIGNATURE,
    CHIP_ISSUING_STATE,
    CHIP_SOD_SIGNATURE,
    CHIP_TRUST,
    data_group_hash,
)
from drivers.passport.emrtd.errors import ChipError, MalformedError
from drivers.passport.emrtd.evidence import ChipEvidence, guarded_check
from drivers.passport.emrtd.lds import com_data_groups
from drivers.passport.emrtd.pki import country_codes as states
from drivers.passport.emrtd.pki.certificates import Certificate
from drivers.passport.emrtd.pki.security_object import SecurityObject
from drivers.passport.emrtd.pki.trust_store import TrustStore
from drivers.passport.emrtd.transport.files import DATA_GROUPS, ElementaryFile

MANDATORY_DATA_GROUPS = frozenset({1, 2})
"""Data groups that every document has."""
_SIGNER_CHECKS = (
    CHIP_DSC_SIGNATURE,
    CHIP_CERTIFICATE_VALIDITY,
    CHIP_DSC_REVOCATION,
    CHIP_TRUST,
)
DEPENDING_ON_SOD = (*_SIGNER_CHECKS, CHIP_COM_VS_SOD)


@dataclass(frozen=True, slots=True)
class PassiveAuthentication:
    """One document's evidence against one trust store on one day."""

    evidence: ChipEvidence
    trust: TrustStore | None
    today: date
    issuer: str | None
    """Issuing state as DG1 has it, None when DG1 could not be read."""

    def checks(self) -> Iterator[Check]:
        """Make all checks, always in the same order."""
        content = self.evidence.files.get(ElementaryFile.SOD)
        if content is None:
            yield from self._without_security_object()
            return
        try:
            sod = SecurityObject.parse(content)
            signer = sod.signer(self.trust.signers if self.trust else ())
            if signer is None and sod.signed_data.unreadable_certificates:
                raise MalformedError("the signer's certificate is malformed")
        except ChipError as fault:
            malformed = isinstance(fault, MalformedError)
            reason = "sod_malformed" if malformed else "algorithm_unsupported"
            first = CHIP.failed if malformed else CHIP.undetermined
            yield first(CHIP_SOD_SIGNATURE, reason)
            for identifier in self._depending_on_sod():
                yield CHIP.undetermined(identifier, reason)
            return
        yield from self._signer(sod, signer)
        yield self._lists(sod)
        for group in sorted(self._groups(sod)):
            yield self._hash(sod, group)
        yield self._issuing_state(signer)

    def _without_security_object(self) -> Iterator[Check]:
        for identifier in (CHIP_SOD_SIGNATURE, *self._depending_on_sod()):
            yield self.evidence.missing_file_check(identifier, ElementaryFile.SOD)

    def _depending_on_sod(self) -> tuple[str, ...]:
        """Return the checks that cannot be made without a readable security object."""
        hashes = (data_group_hash(group) for group in sorted(self._groups(None)))
        return (*DEPENDING_ON_SOD, *hashes, CHIP_ISSUING_STATE)

    def _groups(self, sod: SecurityObject | None) -> set[int]:
        """Return the data groups to check: those read, and those that should have been read."""
        known = {
            f.number
            for f in (*self.evidence.files, *self.evidence.refused_status, *self.evidence.malformed_files)
        }
        listed = set(sod.hashes) & DATA_GROUPS.keys() if sod else set()
        return {group for group in known if group is not None} | listed | MANDATORY_DATA_GROUPS

    def _signer(self, sod: SecurityObject, signer: Certificate | None) -> Iterator[Check]:
        if signer is None:
            for identifier in (CHIP_SOD_SIGNATURE, *_SIGNER_CHECKS):
                yield CHIP.undetermined(identifier, "signer_unknown")
            return
        yield guarded_check(CHIP_SOD_SIGNATURE, lambda: self._sod_signature(sod, signer))
        authority, signature = self._authority(signer)
        yield signature
        yield self._validity(signer, authority)
        yield guarded_check(
            CHIP_DSC_REVOCATION, lambda: self._revocation(signer, authority, signature.reason)
        )
        yield CHIP.check(CHIP_TRUST, signature.outcome, signature.reason)

    def _sod_signature(self, sod: SecurityObject, signer: Certificate) -> Check:
        if sod.signed_data.signed_by(signer):
            return CHIP.successful(CHIP_SOD_SIGNATURE)
        return CHIP.failed(CHIP_SOD_SIGNATURE, "signature_wrong")

    def _authority(self, signer: Certificate) -> tuple[Certificate | None, Check]:
        """Find the state's certificate that signed the signer's."""
        identifier = CHIP_DSC_SIGNATURE
        if self.trust is None or not self.trust.authorities:
            return None, CHIP.undetermined(identifier, "no_trust_store")
        claimed = self.trust.authorities_of(signer)
        if not claimed:
            return None, CHIP.undetermined(identifier, "csca_unknown")
        unsupported = False
        for authority in claimed:
            try:
                if signer.signed_by(authority):
                    return authority, CHIP.successful(identifier)
            except ChipError:
                unsupported = True
        if unsupported:
            return None, CHIP.undetermined(identifier, "algorithm_unsupported")
        return None, CHIP.failed(identifier, "signature_wrong")

    def _validity(self, signer: Certificate, authority: Certificate | None) -> Check:
        """Check the dates only: both certificates must be valid today (9303-11, section 5.1)."""
        identifier = CHIP_CERTIFICATE_VALIDITY
        chain = [signer] if authority is None else [signer, authority]
        if all(certificate.is_valid_on(self.today) for certificate in chain):
            return CHIP.successful(identifier)
        early = any(self.today < certificate.not_before.date() for certificate in chain)
        return CHIP.failed(identifier, "certificate_not_yet_valid" if early else "certificate_expired")

    def _revocation(self, signer: Certificate, authority: Certificate | None, reason: str | None) -> Check:
        """Check the revocation list; a stale list can still fail a signer, but not clear it."""
        identifier = CHIP_DSC_REVOCATION
        if self.trust is None or authority is None:
            return CHIP.undetermined(identifier, reason or "csca_unknown")
        lists = self.trust.lists_of(authority)
        if not lists:
            return CHIP.undetermined(identifier, "no_crl")
        genuine = [known for known in lists if known.signed_by(authority)]
        if not genuine:
            return CHIP.undetermined(identifier, "crl_invalid")
        latest = genuine[0]
        if signer.serial_number in latest.revoked_serials:
            return CHIP.failed(identifier, "revoked")
        if not latest.is_current_on(self.today):
            return CHIP.undetermined(identifier, "crl_stale")
        return CHIP.successful(identifier)

    def _lists(self, sod: SecurityObject) -> Check:
        """Compare EF.COM, which is not signed, with the signed list."""
        identifier = CHIP_COM_VS_SOD
        content = self.evidence.files.get(ElementaryFile.COM)
        if content is None:
            absence = self.evidence.missing_file_check(identifier, ElementaryFile.COM)
            return CHIP.not_supported(identifier, "no_com") if absence.reason == "file_missing" else absence
        try:
            listed = com_data_groups(content)
        except ChipError:
            return CHIP.failed(identifier, "com_malformed")
        if listed == sod.hashes.keys():
            return CHIP.successful(identifier)
        return CHIP.failed(identifier, "lists_differ")

    def _hash(self, sod: SecurityObject, group: int) -> Check:
        identifier = data_group_hash(group)
        content = self.evidence.group(group)
        if content is None:
            return self.evidence.missing_file_check(identifier, DATA_GROUPS[group])
        if group not in sod.hashes:
            return CHIP.failed(identifier, "not_signed")
        if sod.hash_matches(group, content):
            return CHIP.successful(identifier)
        return CHIP.failed(identifier, "hash_wrong")

    def _issuing_state(self, signer: Certificate | None) -> Check:
        """Compare the country of the signer with the issuer in DG1 (9303-12, section 7.1)."""
        identifier = CHIP_ISSUING_STATE
        if signer is None:
            return CHIP.undetermined(identifier, "signer_unknown")
        if ElementaryFile.DG1 not in self.evidence.files:
            return self.evidence.missing_file_check(identifier, ElementaryFile.DG1)
        if self.issuer is None:
            return CHIP.undetermined(identifier, "dg1_malformed")
        allowed = states.alpha3_codes(signer.country) if signer.country else None
        if allowed is None:
            return CHIP.undetermined(identifier, "country_unknown")
        if self.issuer in allowed:
            return CHIP.successful(identifier)
        return CHIP.failed(identifier, "state_differs")
