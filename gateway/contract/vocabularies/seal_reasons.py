"""Reasons of checks of a digital seal or a health certificate that no chip has."""

from gateway.contract.vocabularies.entries import entries

SEAL_REASONS = entries({
    "differs_from_seal": (
        "Page and seal differ", "Ukurasa na muhuri vinatofautiana", "Page et cachet différents",
        "The printed zone differs from the data in the seal.",
        "Mistari iliyochapishwa ni tofauti na data ya muhuri.",
        "La zone imprimée diffère des données du cachet.",
    ),
    "feature_malformed": (
        "Data not readable", "Data haisomeki", "Données illisibles",
        "Data of the seal is not encoded as its kind of document requires.",
        "Data ya muhuri haijaandikwa kama aina ya hati inavyotaka.",
        "Des données du cachet ne sont pas codées comme son type de document l'exige.",
    ),
    "feature_missing": (
        "Data missing", "Data haipo", "Données absentes",
        "The seal lacks data that its kind of document must have.",
        "Muhuri hauna data ambayo aina ya hati inapaswa kuwa nayo.",
        "Il manque au cachet des données que son type de document doit avoir.",
    ),
    "issuer_not_stated": (
        "State not named", "Nchi haikutajwa", "État non nommé",
        "The certificate does not name its issuing state.",
        "Cheti hakitaji nchi iliyokitoa.",
        "Le certificat ne nomme pas son État émetteur.",
    ),
    "no_seal": (
        "No seal", "Hakuna muhuri", "Pas de cachet",
        "The barcode is no seal.", "Msimbopau si muhuri.", "Le code-barres n'est pas un cachet.",
    ),
    "not_for_seals": (
        "Not for seals", "Si kwa mihuri", "Pas pour les cachets",
        "The signer's certificate is not one for signing seals.",
        "Cheti cha mtia saini si cha kutia saini mihuri.",
        "Le certificat du signataire n'est pas destiné aux cachets.",
    ),
    "not_for_this_kind": (
        "Not for this kind", "Si kwa aina hii", "Pas pour ce type",
        "The signer's certificate does not permit this kind of health certificate.",
        "Cheti cha mtia saini hakiruhusu aina hii ya cheti cha afya.",
        "Le certificat du signataire ne permet pas ce type de certificat sanitaire.",
    ),
    "profile_unknown": (
        "Unknown kind of seal", "Aina ya muhuri haijulikani", "Type de cachet inconnu",
        "The post does not know the kind of document of this seal.",
        "Kituo hakiijui aina ya hati ya muhuri huu.",
        "Le poste ne connaît pas le type de document de ce cachet.",
    ),
    "seal_expired": (
        "Seal expired", "Muhuri umeisha muda", "Cachet expiré",
        "The seal is no longer valid.", "Muhuri si halali tena.", "Le cachet n'est plus valable.",
    ),
    "seal_malformed": (
        "Seal not readable", "Muhuri hausomeki", "Cachet illisible",
        "The seal is not encoded as the standard requires.",
        "Muhuri haujaandikwa kama kiwango kinavyotaka.",
        "Le cachet n'est pas codé selon la norme.",
    ),
    "seal_not_yet_valid": (
        "Seal not yet valid", "Muhuri bado si halali", "Cachet pas encore valable",
        "The seal is not valid yet.", "Muhuri bado si halali.", "Le cachet n'est pas encore valable.",
    ),
    "seal_unsigned": (
        "Seal not signed", "Muhuri haukutiwa saini", "Cachet non signé",
        "The seal has no signature, so nothing shows that it is genuine.",
        "Muhuri hauna saini, hivyo hakuna kinachoonyesha kuwa ni halisi.",
        "Le cachet n'a pas de signature : rien ne montre qu'il est authentique.",
    ),
    "seal_unsupported": (
        "Unknown version", "Toleo halijulikani", "Version inconnue",
        "The post does not know this version of a seal.",
        "Kituo hakilijui toleo hili la muhuri.",
        "Le poste ne connaît pas cette version de cachet.",
    ),
    "signed_after_expiry": (
        "Signed too late", "Saini imechelewa", "Signé trop tard",
        "The seal was signed after the signer's certificate had expired.",
        "Muhuri ulitiwa saini baada ya cheti cha mtia saini kuisha muda.",
        "Le cachet a été signé après l'expiration du certificat du signataire.",
    ),
    "signed_too_early": (
        "Signed too early", "Saini imewahi mno", "Signé trop tôt",
        "The seal was signed before the signer's certificate was valid.",
        "Muhuri ulitiwa saini kabla cheti cha mtia saini hakijawa halali.",
        "Le cachet a été signé avant que le certificat du signataire soit valable.",
    ),
    "signer_malformed": (
        "Certificate not readable", "Cheti hakisomeki", "Certificat illisible",
        "The certificate in the seal is not encoded as the standard requires.",
        "Cheti kilicho kwenye muhuri hakijaandikwa kama kiwango kinavyotaka.",
        "Le certificat du cachet n'est pas codé selon la norme.",
    ),
    "trust_list_stale": (
        "Trust list old", "Orodha ya uaminifu ni ya zamani", "Liste de confiance périmée",
        "The post's list of trusted signers is too old: this signer may have been revoked since.",
        "Orodha ya watia saini wanaoaminika ni ya zamani: huyu huenda alibatilishwa.",
        "La liste des signataires reconnus est trop ancienne : celui-ci a pu être révoqué depuis.",
    ),
})  # fmt: skip
