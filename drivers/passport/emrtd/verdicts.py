"""The checks of a chip: their names, their weight, and a sentence for every reason (BSI TR-03135-1)."""

from drivers.observation import Check, CheckGroup, Outcome, Weight

ACCESS = "chip.access"
SOD_SIGNATURE = "chip.sod_signature"
DSC_SIGNATURE = "chip.dsc_signature"
CERTIFICATE_VALIDITY = "chip.certificate_validity"
DSC_REVOCATION = "chip.dsc_revocation"
TRUST = "chip.trust"
COM_VS_SOD = "chip.com_vs_sod"
ISSUING_STATE = "chip.issuing_state"
ACTIVE_AUTHENTICATION = "chip.active_authentication"
CHIP_AUTHENTICATION = "chip.chip_authentication"
MRZ_VS_DG1 = "combined.mrz_vs_dg1"

# What a document may lack, or a post may have no list for, without being worse for it. A failure of one of
# these counts all the same.
_OPTIONAL = frozenset({DSC_REVOCATION, COM_VS_SOD, ACTIVE_AUTHENTICATION, CHIP_AUTHENTICATION})

CHIP_REASON_TEXTS = {
    "aa_refused": "The chip refuses to sign a challenge although the document says that it does.",
    "access_denied": "The chip does not accept the key that is printed on the document.",
    "access_failed": "The chip did not open by any protocol that it offers.",
    "access_uncontrolled": "The chip is readable without any key.",
    "algorithm_unsupported": "An algorithm of this document is unknown to the gateway.",
    "ca_refused": "The chip refuses chip authentication although the document says that it has it.",
    "card_access_unlike_dg14": "The unsigned list of protocols differs from the signed one.",
    "card_removed": "The document was taken away during the read.",
    "certificate_expired": "A certificate of the issuer has expired.",
    "certificate_not_yet_valid": "A certificate of the issuer is not valid yet.",
    "chip_error": "The chip stopped answering as the standard says.",
    "com_malformed": "The chip's list of data groups is not laid out as the standard says.",
    "country_unknown": "The signer's certificate names no known country.",
    "crl_invalid": "The revocation list at hand is not signed by the issuing state.",
    "crl_stale": "The revocation list at hand is out of date.",
    "csca_unknown": "The trust store has no certificate of the state that issued the signer's.",
    "dg1_malformed": "The zone in the chip is not laid out as the standard says.",
    "differs_from_chip": "The printed zone differs from the one in the chip.",
    "file_malformed": "A file of the chip is not laid out as the standard says.",
    "file_missing": "The chip lacks a file that the document must have.",
    "file_refused": "The chip refuses to give a file.",
    "hash_wrong": "The data is not what the issuer signed.",
    "key_not_authentic": "The chip's key is not what the issuer signed.",
    "lists_differ": "The chip's list of data groups differs from the signed one.",
    "long_answer_unsupported": "The chip's answer needs a length that it does not state to support.",
    "no_access": "The chip was not opened.",
    "no_application": "The chip holds no travel document.",
    "no_com": "The chip has no list of its data groups.",
    "no_crl": "There is no revocation list of the issuing state.",
    "no_password": "There is neither a zone nor an access number to open the chip with.",
    "no_printed_mrz": "No printed zone was given to compare with.",
    "no_trust_store": "There is no trust store.",
    "not_in_document": "This document has no such feature.",
    "not_signed": "The issuer did not sign this data group.",
    "printed_unreadable": "The printed zone was not read completely.",
    "revoked": "The signer's certificate has been revoked.",
    "signature_wrong": "The signature is wrong.",
    "signer_unknown": "The signer's certificate is neither in the chip nor in the trust store.",
    "sod_malformed": "The security object is not laid out as the standard says.",
    "state_differs": "The document is of another state than its signer.",
}


def data_group_hash(group: int) -> str:
    """Name the check of one data group against its signed hash."""
    return f"chip.data_group_hash.DG{group}"


def chip_check(identifier: str, outcome: Outcome, reason: str | None = None) -> Check:
    """State how a check ended."""
    return Check(
        id=identifier,
        group=CheckGroup.COMBINED if identifier.startswith("combined.") else CheckGroup.ELECTRONIC,
        outcome=outcome,
        weight=Weight.OPTIONAL if identifier in _OPTIONAL else Weight.MANDATORY,
        reason=reason,
        text=CHIP_REASON_TEXTS[reason] if reason else None,
    )


def successful(identifier: str) -> Check:
    """State that a check passed."""
    return chip_check(identifier, Outcome.SUCCESSFUL)


def failed(identifier: str, reason: str) -> Check:
    """State that a check ran to its end and did not pass."""
    return chip_check(identifier, Outcome.FAILED, reason)


def undetermined(identifier: str, reason: str) -> Check:
    """State that a check ran to its end and could not decide."""
    return chip_check(identifier, Outcome.UNDETERMINED, reason)


def not_supported(identifier: str, reason: str = "not_in_document") -> Check:
    """State that the document has no such feature."""
    return chip_check(identifier, Outcome.NOT_SUPPORTED, reason)


def aborted(identifier: str, reason: str) -> Check:
    """State that a check did not run to its end."""
    return chip_check(identifier, Outcome.ABORTED, reason)
