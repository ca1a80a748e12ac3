"""Results of the checks of a chip and of a digital seal: identifiers, weights, a text for every reason.

Source of the identifiers, groups and weights: BSI TR-03135-1.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from drivers.observation import Check, CheckGroup, Outcome, Weight

CHIP_ACCESS = "chip.access"
CHIP_SOD_SIGNATURE = "chip.sod_signature"
CHIP_DSC_SIGNATURE = "chip.dsc_signature"
CHIP_CERTIFICATE_VALIDITY = "chip.certificate_validity"
CHIP_DSC_REVOCATION = "chip.dsc_revocation"
CHIP_TRUST = "chip.trust"
CHIP_COM_VS_SOD = "chip.com_vs_sod"
CHIP_ISSUING_STATE = "chip.issuing_state"
ACTIVE_AUTHENTICATION = "chip.active_authentication"
CHIP_AUTHENTICATION = "chip.chip_authentication"
MRZ_VS_DG1 = "combined.mrz_vs_dg1"

SEAL_READABLE = "seal.readable"
SEAL_SIGNATURE = "seal.signature"
SEAL_CERTIFICATE = "seal.certificate"
SEAL_ISSUING_STATE = "seal.issuing_state"
SEAL_NOT_EXPIRED = "seal.not_expired"
MRZ_VS_SEAL = "combined.mrz_vs_seal"
ALL_SEAL_CHECKS = (SEAL_READABLE, SEAL_SIGNATURE, SEAL_CERTIFICATE, SEAL_ISSUING_STATE, MRZ_VS_SEAL)
"""Checks of every seal; barcodes of the ICAO and health certificates have SEAL_NOT_EXPIRED as well."""

_CHIP_REASON_TEXTS = {
    "aa_refused": "The chip refuses to sign a challenge although the document states that it can.",
    "access_denied": "The chip does not accept the key that is printed on the document, or another document "
    "lies on the reader.",
    "access_failed": "The chip could not be opened with any protocol that it offers.",
    "access_uncontrolled": "The chip is readable without any key.",
    "algorithm_unsupported": "An algorithm of this document is unknown to the gateway.",
    "ca_refused": "The chip refuses chip authentication although the document states that it supports it.",
    "card_access_unlike_dg14": "The unsigned list of protocols differs from the signed one.",
    "card_removed": "The document was removed during the read.",
    "certificate_expired": "A certificate of the issuer has expired.",
    "certificate_not_yet_valid": "A certificate of the issuer is not valid yet.",
    "chip_error": "The chip stopped responding as the standard requires.",
    "com_malformed": "The chip's list of data groups is not encoded as the standard requires.",
    "country_unknown": "The signer's certificate names no known country.",
    "crl_invalid": "The available revocation list is not signed by the issuing state.",
    "crl_stale": "The available revocation list is out of date.",
    "csca_unknown": "The trust store has no certificate of the state that issued the signer's certificate.",
    "dg1_malformed": "The zone in the chip is not encoded as the standard requires.",
    "differs_from_chip": "The printed zone differs from the one in the chip.",
    "document_changed": "Another document was placed on the reader during the read.",
    "file_malformed": "A file of the chip is not encoded as the standard requires.",
    "file_missing": "The chip lacks a file that the document must have.",
    "file_refused": "The chip refuses to return a file.",
    "hash_wrong": "The data differs from the data that the issuer signed.",
    "key_not_authentic": "The chip's key differs from the key that the issuer signed.",
    "field_lost": "The chip lost its power again and again while the document lay there.",
    "lists_differ": "The chip's list of data groups differs from the signed one.",
    "long_answer_unsupported": "The chip's answer needs a length that the chip does not state to support.",
    "no_access": "The chip was not opened.",
    "no_application": "The chip has no travel document application.",
    "no_com": "The chip has no list of its data groups.",
    "no_crl": "There is no revocation list of the issuing state.",
    "no_password": "There is neither a zone nor a card access number to open the chip with.",
    "no_printed_mrz": "No printed zone was given to compare with.",
    "no_trust_store": "There is no trust store.",
    "not_in_document": "This document has no such feature.",
    "not_signed": "The issuer did not sign this data group.",
    "printed_unreadable": "The printed zone was not read completely.",
    "reader_failed": "The chip reader failed during the read.",
    "reader_short_only": "The chip needs longer commands than the chip reader can pass on.",
    "revoked": "The signer's certificate has been revoked.",
    "signature_wrong": "The signature is wrong.",
    "signer_unknown": "The signer's certificate is neither in the chip nor in the trust store.",
    "sod_malformed": "The security object is not encoded as the standard requires.",
    "state_differs": "The document and its signer belong to different states.",
}

_SEAL_REASON_TEXTS = {
    "algorithm_unsupported": "An algorithm of this seal is unknown to the gateway.",
    "certificate_expired": "A certificate of the issuer has expired.",
    "certificate_not_yet_valid": "A certificate of the issuer is not valid yet.",
    "country_unknown": "The signer's certificate names no known country.",
    "csca_unknown": "The trust store has no certificate of the state that issued the signer's certificate.",
    "differs_from_seal": "The printed zone differs from the seal.",
    "feature_malformed": "A feature of the seal is not encoded as its document's profile requires.",
    "feature_missing": "The seal lacks a feature that its document must have.",
    "issuer_not_stated": "The certificate does not state its issuing country.",
    "no_expiry": "The barcode states no end of its validity.",
    "no_printed_mrz": "No printed zone was given to compare with.",
    "no_seal": "The barcode is no seal.",
    "no_trust_store": "There is no trust store.",
    "not_for_seals": "The certificate in the seal is not a certificate for signing seals.",
    "not_for_this_kind": "The signer's certificate does not permit this kind of health certificate.",
    "nothing_in_common": "The printed zone and the seal have no field in common that can be compared.",
    "printed_unreadable": "The printed zone was not read completely.",
    "profile_unknown": "The kind of document of this seal is unknown to the gateway.",
    "revoked": "The signer's certificate has been revoked.",
    "seal_expired": "The barcode is no longer valid.",
    "seal_malformed": "The seal is not encoded as the standard requires.",
    "seal_not_yet_valid": "The barcode is not valid yet.",
    "seal_unsigned": "The barcode has no signature, so nothing shows that it is genuine.",
    "seal_unsupported": "The seal has a version that is unknown to the gateway.",
    "signature_wrong": "The signature is wrong.",
    "signed_after_expiry": "The seal was signed after the signer's certificate had expired.",
    "signed_too_early": "The seal was signed before the signer's certificate was valid.",
    "signer_malformed": "The certificate in the seal is malformed.",
    "signer_unknown": "There is no certificate of the seal's signer.",
    "state_differs": "The seal and its signer belong to different states.",
    "trust_list_stale": "The list of trusted signers is too old: this signer may have been revoked since.",
}


@dataclass(frozen=True, slots=True)
class CheckCatalogue:
    """Constructor of check results of one kind: of a chip, or of a seal."""

    group: CheckGroup
    """Group of every check whose identifier does not begin with `combined.`."""
    reason_texts: Mapping[str, str]
    """Text of every reason that a check can have."""
    optional_ids: frozenset[str] = frozenset()
    """Checks of optional weight: unless one of them fails, it does not change the overall outcome."""
    optional_reasons: frozenset[str] = frozenset()
    """Reasons that make a check optional: it does not change the overall outcome."""

    def check(self, identifier: str, outcome: Outcome, reason: str | None = None) -> Check:
        """Build the result of a check; raises KeyError for a reason without a text."""
        optional = identifier in self.optional_ids or reason in self.optional_reasons
        return Check(
            id=identifier,
            group=CheckGroup.COMBINED if identifier.startswith("combined.") else self.group,
            outcome=outcome,
            weight=Weight.OPTIONAL if optional else Weight.MANDATORY,
            reason=reason,
            text=self.reason_texts[reason] if reason else None,
        )

    def successful(self, identifier: str) -> Check:
        """Build the result of a check that passed."""
        return self.check(identifier, Outcome.SUCCESSFUL)

    def failed(self, identifier: str, reason: str) -> Check:
        """Build the result of a check that was completed and did not pass."""
        return self.check(identifier, Outcome.FAILED, reason)

    def undetermined(self, identifier: str, reason: str) -> Check:
        """Build the result of a check that was completed without a decision."""
        return self.check(identifier, Outcome.UNDETERMINED, reason)

    def not_supported(self, identifier: str, reason: str) -> Check:
        """Build the result of a check of a feature that the document does not have."""
        return self.check(identifier, Outcome.NOT_SUPPORTED, reason)

    def aborted(self, identifier: str, reason: str) -> Check:
        """Build the result of a check that was not completed."""
        return self.check(identifier, Outcome.ABORTED, reason)


# Optional: features that a document may lack, and lists that a post may not have.
CHIP = CheckCatalogue(
    CheckGroup.ELECTRONIC,
    _CHIP_REASON_TEXTS,
    optional_ids=frozenset(
        {CHIP_DSC_REVOCATION, CHIP_COM_VS_SOD, ACTIVE_AUTHENTICATION, CHIP_AUTHENTICATION}
    ),
)
SEAL = CheckCatalogue(
    CheckGroup.SEAL,
    _SEAL_REASON_TEXTS,
    optional_reasons=frozenset({"no_seal", "nothing_in_common", "no_expiry", "issuer_not_stated"}),
)


def data_group_hash(group: int) -> str:
    """Return the identifier of the check of one data group against its signed hash."""
    return f"chip.data_group_hash.DG{group}"
