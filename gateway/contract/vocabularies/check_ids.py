"""Checks of documents by their identifiers, but the optical ones: `optical_checks`."""

from gateway.contract.vocabularies.entries import Entry, Text, entries

CHECKS = entries({
    "mrz.check_digits": (
        "Check digits", "Tarakimu za ukaguzi", "Chiffres de contrôle",
        "The check digits of the machine readable zone fit its fields.",
        "Tarakimu za ukaguzi za mistari ya mashine zinalingana na sehemu zake.",
        "Les chiffres de contrôle de la zone de lecture automatique correspondent à ses champs.",
    ),
    "combined.not_expired": (
        "Not expired", "Haijaisha muda", "Non expiré",
        "The document is still valid today.",
        "Hati bado ni halali leo.",
        "Le document est encore valable aujourd'hui.",
    ),
    "combined.both_sides": (
        "Both sides", "Pande zote mbili", "Les deux faces",
        "The two sides belong to one card.",
        "Pande mbili ni za kadi moja.",
        "Les deux faces appartiennent à la même carte.",
    ),
    "combined.mrz_vs_dg1": (
        "Page and chip", "Ukurasa na chipu", "Page et puce",
        "The printed zone is the same as the zone in the chip.",
        "Mistari iliyochapishwa ni sawa na ile iliyo kwenye chipu.",
        "La zone imprimée est identique à celle de la puce.",
    ),
    "combined.mrz_vs_seal": (
        "Page and seal", "Ukurasa na muhuri", "Page et cachet",
        "The printed zone is the same as the data in the seal.",
        "Mistari iliyochapishwa ni sawa na data iliyo kwenye muhuri.",
        "La zone imprimée est identique aux données du cachet.",
    ),
    "chip.access": (
        "Chip opened", "Chipu imefunguliwa", "Puce ouverte",
        "The chip was opened with the key that is printed on the document.",
        "Chipu imefunguliwa kwa ufunguo uliochapishwa kwenye hati.",
        "La puce a été ouverte avec la clé imprimée sur le document.",
    ),
    "chip.sod_signature": (
        "Signature of the data", "Saini ya data", "Signature des données",
        "The data in the chip has a right signature.",
        "Data iliyo kwenye chipu ina saini sahihi.",
        "Les données de la puce portent une signature exacte.",
    ),
    "chip.dsc_signature": (
        "Signer's certificate", "Cheti cha mtia saini", "Certificat du signataire",
        "The signer's certificate was issued by the state's authority.",
        "Cheti cha mtia saini kilitolewa na mamlaka ya nchi.",
        "Le certificat du signataire a été émis par l'autorité de l'État.",
    ),
    "chip.certificate_validity": (
        "Dates of the certificates", "Tarehe za vyeti", "Dates des certificats",
        "The certificates of the issuer are valid by their dates.",
        "Vyeti vya mtoaji ni halali kwa tarehe zake.",
        "Les certificats de l'émetteur sont valables à cette date.",
    ),
    "chip.dsc_revocation": (
        "Certificate not revoked", "Cheti hakijabatilishwa", "Certificat non révoqué",
        "The signer's certificate is not on the list of revoked ones.",
        "Cheti cha mtia saini hakimo kwenye orodha ya vilivyobatilishwa.",
        "Le certificat du signataire n'est pas sur la liste des certificats révoqués.",
    ),
    "chip.trust": (
        "Trusted state", "Nchi inayoaminika", "État de confiance",
        "The post trusts the authority of the state that signed the data.",
        "Kituo kinaamini mamlaka ya nchi iliyotia saini data.",
        "Le poste fait confiance à l'autorité de l'État qui a signé les données.",
    ),
    "chip.com_vs_sod": (
        "List of the data", "Orodha ya data", "Liste des données",
        "The chip's list of its data is the one that was signed.",
        "Orodha ya data ya chipu ndiyo iliyotiwa saini.",
        "La liste des données de la puce est celle qui a été signée.",
    ),
    "chip.issuing_state": (
        "Issuing state", "Nchi iliyotoa", "État émetteur",
        "Document and signer belong to the same state.",
        "Hati na mtia saini ni wa nchi moja.",
        "Le document et le signataire appartiennent au même État.",
    ),
    "chip.active_authentication": (
        "Chip no copy, by signature", "Chipu si nakala, kwa saini", "Puce non copiée, par signature",
        "The chip proved by a signature that it is no copy.",
        "Chipu imethibitisha kwa saini kwamba si nakala.",
        "La puce a prouvé par une signature qu'elle n'est pas une copie.",
    ),
    "chip.chip_authentication": (
        "Chip no copy, by key", "Chipu si nakala, kwa ufunguo", "Puce non copiée, par clé",
        "The chip proved by its key that it is no copy.",
        "Chipu imethibitisha kwa ufunguo wake kwamba si nakala.",
        "La puce a prouvé par sa clé qu'elle n'est pas une copie.",
    ),
    "seal.readable": (
        "Seal readable", "Muhuri unasomeka", "Cachet lisible",
        "The seal is whole, and of a kind that is known.",
        "Muhuri ni kamili, na wa aina inayojulikana.",
        "Le cachet est complet et d'un type connu.",
    ),
    "seal.signature": (
        "Signature of the seal", "Saini ya muhuri", "Signature du cachet",
        "The seal has a right signature.",
        "Muhuri una saini sahihi.",
        "Le cachet porte une signature exacte.",
    ),
    "seal.certificate": (
        "Certificate of the seal", "Cheti cha muhuri", "Certificat du cachet",
        "The certificate of the seal's signer is trusted and valid.",
        "Cheti cha mtia saini wa muhuri kinaaminika na ni halali.",
        "Le certificat du signataire du cachet est reconnu et valable.",
    ),
    "seal.issuing_state": (
        "State of the seal", "Nchi ya muhuri", "État du cachet",
        "The seal and its signer belong to the same state.",
        "Muhuri na mtia saini wake ni wa nchi moja.",
        "Le cachet et son signataire appartiennent au même État.",
    ),
    "seal.not_expired": (
        "Seal not expired", "Muhuri haujaisha muda", "Cachet non expiré",
        "The seal is valid today.",
        "Muhuri ni halali leo.",
        "Le cachet est valable aujourd'hui.",
    ),
})  # fmt: skip

_GROUPS = {
    1: ("printed data", "data iliyochapishwa", "données imprimées"),
    2: ("face", "uso", "visage"),
    3: ("fingerprints", "alama za vidole", "empreintes digitales"),
    4: ("irises", "mboni za macho", "iris"),
    5: ("displayed portrait", "picha inayoonyeshwa", "portrait affiché"),
    6: ("reserved data", "data iliyohifadhiwa", "données réservées"),
    7: ("signature picture", "picha ya saini", "image de la signature"),
    8: ("data features", "sifa za data", "caractéristiques des données"),
    9: ("structure features", "sifa za muundo", "caractéristiques de structure"),
    10: ("substance features", "sifa za dutu", "caractéristiques de substance"),
    11: ("details of the holder", "maelezo ya mwenye hati", "détails du titulaire"),
    12: ("details of the document", "maelezo ya hati", "détails du document"),
    13: ("details by the issuer", "maelezo ya mtoaji", "détails de l'émetteur"),
    14: ("security options", "chaguo za usalama", "options de sécurité"),
    15: ("key of the chip", "ufunguo wa chipu", "clé de la puce"),
    16: ("persons to notify", "watu wa kuarifiwa", "personnes à prévenir"),
}
"""Content of the data groups of a chip (Doc 9303-10)."""

CHECKS |= {
    f"chip.data_group_hash.DG{number}": Entry(
        Text(f"Unchanged: {en}", f"Haijabadilishwa: {sw}", f"Non modifié : {fr}"),
        Text(
            f"Data group {number} ({en}) is as the issuer signed it.",
            f"Kundi la data {number} ({sw}) ni kama mtoaji alivyolitia saini.",
            f"Le groupe de données {number} ({fr}) est tel que l'émetteur l'a signé.",
        ),
    )
    for number, (en, sw, fr) in _GROUPS.items()
}
