"""The checks of a seal: their names, their weight, and a sentence for every reason (BSI TR-03135-1)."""

from drivers.observation import Check, CheckGroup, Outcome, Weight

SEAL_READABLE = "seal.readable"
SEAL_SIGNATURE = "seal.signature"
SEAL_CERTIFICATE = "seal.certificate"
SEAL_ISSUING_STATE = "seal.issuing_state"
MRZ_VS_SEAL = "combined.mrz_vs_seal"
ALL_SEAL_CHECKS = (SEAL_READABLE, SEAL_SIGNATURE, SEAL_CERTIFICATE, SEAL_ISSUING_STATE, MRZ_VS_SEAL)

# What a document may lack without being worse for it.
_OPTIONAL = frozenset({"no_seal", "nothing_in_common"})

SEAL_REASON_TEXTS = {
    "algorithm_unsupported": "An algorithm of this seal is unknown to the gateway.",
    "certificate_expired": "A certificate of the issuer has expired.",
    "certificate_not_yet_valid": "A certificate of the issuer is not valid yet.",
    "country_unknown": "The signer's certificate names no known country.",
    "csca_unknown": "The trust store has no certificate of the state that issued the signer's.",
    "differs_from_seal": "The printed zone differs from the seal.",
    "feature_malformed": "A feature of the seal is not laid out as its document's profile says.",
    "feature_missing": "The seal lacks a feature that its document must have.",
    "no_printed_mrz": "No printed zone was given to compare with.",
    "no_seal": "The barcode is no seal.",
    "no_trust_store": "There is no trust store.",
    "not_for_seals": "The certificate in the seal is not one for signing seals.",
    "nothing_in_common": "The printed zone and the seal state nothing that can be compared.",
    "printed_unreadable": "The printed zone was not read completely.",
    "profile_unknown": "The gateway does not know which document such a seal is of.",
    "revoked": "The signer's certificate has been revoked.",
    "seal_malformed": "The seal is not laid out as the standard says.",
    "seal_unsupported": "The seal is of a version that is unknown to the gateway.",
    "signature_wrong": "The signature is wrong.",
    "signed_after_expiry": "The seal was signed after the signer's certificate had expired.",
    "signed_too_early": "The seal was signed before the signer's certificate was valid.",
    "signer_malformed": "The certificate in the seal is none.",
    "signer_unknown": "There is no certificate of the seal's signer.",
    "state_differs": "The seal is of another state than its signer.",
}


def seal_check(identifier: str, outcome: Outcome, reason: str | None = None) -> Check:
    """State how a check ended."""
    return Check(
        id=identifier,
        group=CheckGroup.COMBINED if identifier.startswith("combined.") else CheckGroup.SEAL,
        outcome=outcome,
        weight=Weight.OPTIONAL if reason in _OPTIONAL else Weight.MANDATORY,
        reason=reason,
        text=SEAL_REASON_TEXTS[reason] if reason else None,
    )


def successful(identifier: str) -> Check:
    """State that a check passed."""
    return seal_check(identifier, Outcome.SUCCESSFUL)


def failed(identifier: str, reason: str) -> Check:
    """State that a check ran to its end and did not pass."""
    return seal_check(identifier, Outcome.FAILED, reason)


def undetermined(identifier: str, reason: str) -> Check:
    """State that a check ran to its end and could not decide."""
    return seal_check(identifier, Outcome.UNDETERMINED, reason)


def not_supported(identifier: str, reason: str) -> Check:
    """State that the document has no such feature."""
    return seal_check(identifier, Outcome.NOT_SUPPORTED, reason)
