"""Inspection result from the evidence of a chip: every check, always in the same order."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import TypeVar

from drivers.observation import Attachment, Check, Outcome
from drivers.passport.check_results import (
    ACTIVE_AUTHENTICATION,
    CHIP,
    CHIP_ACCESS,
    CHIP_AUTHENTICATION,
    CHIP_ISSUING_STATE,
    CHIP_SOD_SIGNATURE,
    MRZ_VS_DG1,
    data_group_hash,
)
from drivers.passport.chip_result import ChipDeviation, ChipResult
from drivers.passport.emrtd import lds
from drivers.passport.emrtd.comparison import mrz_vs_dg1
from drivers.passport.emrtd.crypto.public_keys import RsaKey
from drivers.passport.emrtd.errors import ChipError
from drivers.passport.emrtd.evidence import ChipEvidence
from drivers.passport.emrtd.face import face_image
from drivers.passport.emrtd.passive_authentication import (
    DEPENDING_ON_SOD,
    MANDATORY_DATA_GROUPS,
    PassiveAuthentication,
)
from drivers.passport.emrtd.pki.trust_store import TrustStore
from drivers.passport.emrtd.protocols.active_authentication import public_key
from drivers.passport.emrtd.transport.files import DATA_GROUPS, ElementaryFile
from drivers.passport.mrz import Mrz
from drivers.passport.mrz import parser as zones

FACE_ROLE = "chip_face"
_Parsed = TypeVar("_Parsed")


@dataclass(frozen=True, slots=True)
class InspectionResultBuilder:
    """Builder of the result of one read. Pure: the same evidence gives the same result."""

    evidence: ChipEvidence
    printed_mrz: Mrz | None
    trust: TrustStore | None
    today: date

    def build(self, commands: int, duration_ms: float) -> ChipResult:
        """Build the result with all its checks."""
        evidence = self.evidence
        lines = self._parsed(ElementaryFile.DG1, lds.dg1_lines) or ()
        zone = zones.parse(lines, self.today) if lines else None
        sod = evidence.files.get(ElementaryFile.SOD)
        face = self._parsed(ElementaryFile.DG2, face_image)
        opened = evidence.opened_chip
        return ChipResult(
            access=opened.method if opened else None,
            pace_protocol=opened.pace.protocol if opened and opened.pace else None,
            data_groups_listed=tuple(sorted(evidence.listed_data_groups())),
            data_groups_read=tuple(sorted(file.number for file in evidence.files if file.number)),
            sod_sha256=hashlib.sha256(sod).hexdigest() if sod is not None else None,
            lines=lines,
            mrz=zone,
            holder=self._parsed(ElementaryFile.DG11, lds.holder_details),
            document_details=self._parsed(ElementaryFile.DG12, lds.document_details),
            face=Attachment.from_bytes(FACE_ROLE, face.media_type, face.content) if face else None,
            checks=tuple(self._checks(zone, lines)),
            deviations=tuple(self._deviations()),
            commands=commands,
            attempts=evidence.attempts,
            read_bytes=evidence.length.longest if evidence.length else None,
            read_limit=evidence.length.limit if evidence.length else None,
            duration_ms=duration_ms,
        )

    def _parsed(self, file: ElementaryFile, parse: Callable[[bytes], _Parsed]) -> _Parsed | None:
        """Parse a file; a malformed one is omitted from the result."""
        content = self.evidence.files.get(file)
        try:
            return None if content is None else parse(content)
        except ChipError:
            return None

    def _deviations(self) -> Iterator[ChipDeviation]:
        """Yield what is not as the standard requires and decides nothing."""
        sod = self.evidence.security_object()
        for certificate in sod.signed_data.certificates if sod else ():
            for defect in certificate.defects:
                text = f"{defect[0].upper()}{defect[1:]} cannot be read and is not used."
                yield ChipDeviation(file="EF.SOD", subject=certificate.subject_text, text=text)
        for subject in sod.signed_data.unreadable_certificates if sod else ():
            text = "A certificate beside the signer's is malformed and is not used."
            yield ChipDeviation(file="EF.SOD", subject=subject, text=text)
        key = self._parsed(ElementaryFile.DG15, public_key)
        if isinstance(key, RsaKey) and key.negative_as_written:
            text = "The RSA modulus is written as a negative number and was read as a positive one."
            yield ChipDeviation(file="DG15", text=text)

    def _checks(self, zone: Mrz | None, lines: tuple[str, ...]) -> Iterator[Check]:
        if self.evidence.access is not None and self.evidence.access.reason == "no_application":
            yield from self._no_document()
            return
        yield self._access()
        passive = PassiveAuthentication(
            self.evidence, self.trust, self.today, zone.issuer if zone is not None else None
        )
        results = {check.id: check for check in passive.checks()}
        yield from results.values()
        signed = results[CHIP_SOD_SIGNATURE].outcome is Outcome.SUCCESSFUL
        for identifier, group in (
            (ACTIVE_AUTHENTICATION, 15),
            (CHIP_AUTHENTICATION, 14),
        ):
            hashed = results.get(data_group_hash(group))
            authentic = signed and hashed is not None and hashed.outcome is Outcome.SUCCESSFUL
            proof = self._proof(identifier, DATA_GROUPS[group], authentic=authentic)
            if proof is not None:
                yield proof
        yield mrz_vs_dg1(self.printed_mrz, lines, self.evidence)

    def _no_document(self) -> Iterator[Check]:
        """Report every feature as not supported: the chip has no travel document application."""
        hashes = (data_group_hash(group) for group in sorted(MANDATORY_DATA_GROUPS))
        for identifier in (
            CHIP_ACCESS,
            CHIP_SOD_SIGNATURE,
            *DEPENDING_ON_SOD,
            *hashes,
            CHIP_ISSUING_STATE,
            ACTIVE_AUTHENTICATION,
            CHIP_AUTHENTICATION,
            MRZ_VS_DG1,
        ):
            yield CHIP.not_supported(identifier, "no_application")

    def _access(self) -> Check:
        """Check how the chip was opened, and its unsigned statement of access protocols.

        EF.CardAccess is not signed; Doc 9303-11, section 4.4.1 has it compared with DG14, which is signed.
        """
        evidence = self.evidence
        if evidence.access is None:
            return CHIP.aborted(CHIP_ACCESS, evidence.abort_reason or "chip_error")
        run = evidence.opened_chip.pace if evidence.opened_chip is not None else None
        signed = evidence.security_infos()
        # Documents exist whose DG14 omits PACE altogether; they prove nothing either way.
        if run is not None and signed is not None and signed.pace and run not in signed.pace:
            return CHIP.failed(CHIP_ACCESS, "card_access_unlike_dg14")
        return evidence.access

    def _proof(self, identifier: str, file: ElementaryFile, *, authentic: bool) -> Check | None:
        """Check the proof that the chip is no copy; None when the other protocol was used instead."""
        evidence = self.evidence
        made = evidence.proofs.get(identifier)
        if made is not None:
            if made.outcome is Outcome.SUCCESSFUL and not authentic:
                return CHIP.undetermined(identifier, "key_not_authentic")
            return made
        if file not in evidence.files:
            return self._no_key(identifier, file)
        infos = evidence.security_infos()
        offers_chip_authentication = infos is not None and infos.offers_chip_authentication
        if identifier == ACTIVE_AUTHENTICATION and offers_chip_authentication:
            return None
        if identifier == CHIP_AUTHENTICATION and not offers_chip_authentication:
            if infos is None:
                return CHIP.undetermined(identifier, "file_malformed")
            return CHIP.not_supported(identifier, "not_in_document")
        return CHIP.aborted(identifier, evidence.abort_reason or "chip_error")

    def _no_key(self, identifier: str, file: ElementaryFile) -> Check:
        """Report the reason why there is no key: the document has none, or it was not read."""
        evidence = self.evidence
        tried = file in evidence.refused_status or file in evidence.malformed_files
        lists_known = not evidence.files.keys().isdisjoint({ElementaryFile.COM, ElementaryFile.SOD})
        unlisted = file.number not in evidence.listed_data_groups() and (
            lists_known or evidence.abort_reason is None
        )
        if unlisted and not tried:
            return CHIP.not_supported(identifier, "not_in_document")
        return evidence.missing_file_check(identifier, file)
