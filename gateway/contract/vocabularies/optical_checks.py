"""Optical checks: by the codes of BSI TR-03135-1, light_property_feature, and by the names of vendors."""

from drivers.passport.fullpage.vendor_checks import GENERIC_CODES, optical_check_id
from gateway.contract.vocabularies.entries import Entry, Text, entries

_LIGHTS = {
    "vi": ("visible light", "mwanga wa kawaida", "lumière visible"),
    "ir": ("infrared light", "mwanga wa infraredi", "lumière infrarouge"),
    "uv": ("ultraviolet light", "mwanga wa urujuanimno", "lumière ultraviolette"),
}
_PROPERTIES = {
    "ab": ("is dark where it must be", "ni nyeusi panapotakiwa", "est sombre où il le faut"),
    "tr": ("vanishes where it must", "hutoweka panapotakiwa", "disparaît où il le faut"),
    "tl": ("lets light through", "hupitisha mwanga inavyotakiwa", "laisse passer la lumière comme prévu"),
    "lu": ("glows as it must", "hung'aa inavyotakiwa", "luit comme prévu"),
    "br": ("stays dull as it must", "haing'ai inavyotakiwa", "reste mat comme prévu"),
    "fr": ("has the right pattern", "ina muundo sahihi", "a le motif exact"),
}
_FEATURES = {
    "fi": ("fibres", "nyuzi", "fibres"),
    "fu": ("whole page", "ukurasa mzima", "page entière"),
    "is": ("security print", "chapa ya usalama", "impression de sécurité"),
    "mr": ("machine readable zone", "mistari ya mashine", "zone de lecture automatique"),
    "ph": ("portrait", "picha ya uso", "portrait"),
    "th": ("security thread", "uzi wa usalama", "fil de sécurité"),
    "vz": ("printed fields", "sehemu zilizochapishwa", "champs imprimés"),
    "wm": ("watermark", "alama ya maji", "filigrane"),
    "id": ("personal data", "data binafsi", "données personnelles"),
}


def _generic(code: str) -> Entry:
    light, looks, feature = code.split("_")
    (en, sw, fr), seen, what = _LIGHTS[light], _PROPERTIES[looks], _FEATURES[feature]
    title = (f"{name.capitalize()}, {lit}" for name, lit in zip(what, (en, sw, fr), strict=True))
    return Entry(
        Text(*title),
        Text(
            f"Under {en}, this feature {seen[0]}: {what[0]}.",
            f"Chini ya {sw}, alama hii {seen[1]}: {what[1]}.",
            f"En {fr}, cet élément {seen[2]} : {what[2]}.",
        ),
    )


_NAMED = {
    "axial_protection": ("Coaxial protection", "Kinga ya koaksia", "Protection coaxiale"),
    "security_text": ("Security text", "Maandishi ya usalama", "Texte de sécurité"),
    "hidden_image": ("Hidden image", "Picha iliyofichwa", "Image cachée"),
    "photo_embedding": ("Portrait embedding", "Upachikaji wa picha", "Intégration du portrait"),
    "ovi": ("Ink that changes colour", "Wino unaobadilika rangi", "Encre à couleur changeante"),
    "hologram": ("Hologram", "Hologramu", "Hologramme"),
    "photo_area": ("Area of the portrait", "Eneo la picha", "Zone du portrait"),
    "portrait_comparison": ("Portraits compared", "Ulinganisho wa picha", "Comparaison des portraits"),
    "barcode_format": ("Format of the barcode", "Muundo wa msimbopau", "Format du code-barres"),
    "kinegram": ("Kinegram", "Kinegramu", "Kinégramme"),
    "letter_screen": ("Letter screen", "Skrini ya herufi", "Trame de lettres"),
    "hologram_detection": ("Hologram present", "Hologramu ipo", "Hologramme présent"),
    "liveness": ("Real document shown", "Hati halisi imeonyeshwa", "Document réel présenté"),
    "extended_ocr": ("Printed fields compared", "Ulinganisho wa sehemu", "Champs imprimés comparés"),
    "extended_mrz": ("Zone compared", "Ulinganisho wa mistari", "Zone comparée"),
    "encrypted_hidden_image": ("Encoded hidden image", "Picha iliyofichwa kwa msimbo", "Image cachée codée"),
}
OPTICAL_CHECKS = (
    {optical_check_id(code): _generic(code) for code in sorted(GENERIC_CODES)}
    | {
        optical_check_id(name): Entry(
            Text(*title),
            Text(
                f"The reader found this feature as it must be: {title[0].lower()}.",
                f"Kisomaji kimekuta alama hii inavyotakiwa: {title[1].lower()}.",
                f"Le lecteur a trouvé cet élément conforme : {title[2].lower()}.",
            ),
        )
        for name, title in _NAMED.items()
    }
    | entries(
        {
            "optical.model_known": (
                "Kind of document known",
                "Aina ya hati inajulikana",
                "Type de document connu",
                "The reader knows this kind of document, so it can check its features.",
                "Kisomaji kinaijua aina hii ya hati, hivyo kinaweza kukagua alama zake.",
                "Le lecteur connaît ce type de document et peut donc contrôler ses éléments.",
            )
        }
    )
)
"""Checks by their identifiers. A reader of another vendor may have more, such as `optical.vendor_5`."""
