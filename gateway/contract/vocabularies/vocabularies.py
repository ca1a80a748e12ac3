"""Vocabularies of the contract, and the document `vocabularies.json` for programs that show their words."""

from collections.abc import Mapping
from typing import Any

from gateway.contract.vocabularies.check_ids import CHECKS
from gateway.contract.vocabularies.chip_reasons import CHIP_REASONS
from gateway.contract.vocabularies.command_reasons import COMMAND_REASONS
from gateway.contract.vocabularies.device_causes import DEVICE_CAUSES
from gateway.contract.vocabularies.document_reasons import DOCUMENT_REASONS
from gateway.contract.vocabularies.entries import Entry, Text, entries
from gateway.contract.vocabularies.optical_checks import OPTICAL_CHECKS
from gateway.contract.vocabularies.seal_reasons import SEAL_REASONS

OUTCOMES = entries({
    "successful": (
        "Passed", "Imepita", "Réussi",
        "The check was completed, and the feature is as it must be.",
        "Ukaguzi umekamilika, na alama ni kama inavyotakiwa.",
        "Le contrôle est terminé et l'élément est conforme.",
    ),
    "failed": (
        "Failed", "Imeshindwa", "Échoué",
        "The check was completed, and the feature is not as it must be.",
        "Ukaguzi umekamilika, na alama si kama inavyotakiwa.",
        "Le contrôle est terminé et l'élément n'est pas conforme.",
    ),
    "undetermined": (
        "Not decided", "Haijaamuliwa", "Non décidé",
        "The check was completed without a decision. It says neither yes nor no.",
        "Ukaguzi umekamilika bila uamuzi. Hausemi ndiyo wala hapana.",
        "Le contrôle est terminé sans décision. Il ne dit ni oui ni non.",
    ),
    "not_supported": (
        "Not in this document", "Haimo kwenye hati hii", "Absent de ce document",
        "This document has no such feature.",
        "Hati hii haina alama hiyo.",
        "Ce document n'a pas cet élément.",
    ),
    "aborted": (
        "Not completed", "Haijakamilika", "Non terminé",
        "The check was not completed. It says nothing about the document.",
        "Ukaguzi haukukamilika. Hausemi lolote kuhusu hati.",
        "Le contrôle n'est pas terminé. Il ne dit rien du document.",
    ),
    "unknown": (
        "Unknown", "Haijulikani", "Inconnu",
        "This program does not know the outcome: it is older than the gateway.",
        "Programu hii haijui matokeo: ni ya zamani kuliko lango.",
        "Ce programme ne connaît pas ce résultat : il est plus ancien que la passerelle.",
    ),
})  # fmt: skip

CHECK_IDS: dict[str, Entry] = CHECKS | OPTICAL_CHECKS
CHECK_REASONS: dict[str, Entry] = DEVICE_CAUSES | DOCUMENT_REASONS | CHIP_REASONS | SEAL_REASONS
"""Reasons of checks. A check that a failed chip reader aborts has the cause of that failure as its reason."""

VOCABULARIES: Mapping[str, Mapping[str, Entry]] = {
    "check_ids": CHECK_IDS,
    "check_outcomes": OUTCOMES,
    "check_reasons": CHECK_REASONS,
    "command_reasons": COMMAND_REASONS,
    "device_causes": DEVICE_CAUSES,
}


def vocabularies_document() -> dict[str, Any]:
    """Return every word with its title and sentence, by language."""
    return {
        name: {
            word: {"title": entry.title._asdict(), "sentence": entry.sentence._asdict()}
            for word, entry in sorted(words.items())
        }
        for name, words in VOCABULARIES.items()
    }


def find_text(vocabulary: str, word: str) -> Entry:
    """Return the texts of a word; for one that this version does not know, the word itself."""
    plain = word.replace("_", " ").replace(".", " ")
    return VOCABULARIES[vocabulary].get(word) or Entry(Text(*[plain] * 3), Text(*[plain] * 3))
