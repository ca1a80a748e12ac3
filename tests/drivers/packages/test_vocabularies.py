"""Vocabularies of other packages: which are used, and the sentence of each fault."""

import pytest
from support.packages import Install, install
from support.vocabulary_faults import FINE_VOCABULARY, VOCABULARY_FAULTS, VOCABULARY_WORDS

from drivers.packages.vocabularies import faults_of_vocabularies, installed_vocabularies

__all__ = ["install"]


def install_words(install: Install, text: str, name: str = "acme-scale", namespace: str = "acme") -> None:
    install(name, VOCABULARY_WORDS + text, vocabularies={namespace: f"{name.replace('-', '_')}:VOCABULARY"})


def test_installed_vocabulary_is_found(install: Install) -> None:
    install_words(install, FINE_VOCABULARY)
    assert faults_of_vocabularies() == ()
    (found,) = (one for one in installed_vocabularies() if one.package == "acme-scale")
    assert (found.package_version, found.vocabulary.namespace, found.vocabulary.version) == ("1.2", "acme", 2)
    assert [one.event_type for one in found.vocabulary.observations] == ["acme.scale.weighed"]
    assert [one.verb for one in found.vocabulary.commands] == ["weigh-out"]


def test_clash_names_both_packages_and_leaves_others(install: Install) -> None:
    install_words(install, FINE_VOCABULARY)
    install_words(install, FINE_VOCABULARY, "other-scale")
    install_words(
        install,
        FINE_VOCABULARY.replace("acme", "kivu").replace("(Weighed,), (WEIGH_OUT,)", ""),
        "kivu-words",
        "kivu",
    )
    found = {one.vocabulary.namespace: one.package for one in installed_vocabularies()}
    assert "acme" not in found
    assert found["kivu"] == "kivu-words"
    assert [fault.text for fault in faults_of_vocabularies()] == [
        "two packages register the name acme: acme-scale 1.2 and other-scale 1.2; uninstall one of them"
    ]


@pytest.mark.parametrize("fault", VOCABULARY_FAULTS)
def test_faulty_vocabulary_is_left_out(install: Install, fault: str) -> None:
    text, sentence = VOCABULARY_FAULTS[fault]
    install_words(install, text)
    assert [str(one) for one in faults_of_vocabularies()] == [
        f"vocabulary acme of acme-scale 1.2: {sentence}"
    ]
    assert "acme-scale" not in {one.package for one in installed_vocabularies()}


def test_module_that_imports_the_library_is_named(install: Install) -> None:
    """Its author must know which of several modules loads the driver."""
    install("acme-driver", "import acme_sdk")
    install_words(install, "import acme_driver")
    (fault,) = faults_of_vocabularies()
    assert fault.text.startswith(
        "the module acme_scale cannot be imported, because acme_driver imports acme_sdk, which is not "
        "installed here; "
    )


def test_missing_module_of_entry_point_is_named(install: Install) -> None:
    install("acme-scale", FINE_VOCABULARY, vocabularies={"acme": "acme_words.vocabulary:VOCABULARY"})
    assert [str(fault) for fault in faults_of_vocabularies()] == [
        "vocabulary acme of acme-scale 1.2: its entry point names the module acme_words.vocabulary, which is "
        "not installed; install the whole package again, or correct its entry point"
    ]
