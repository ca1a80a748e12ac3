"""Drivers of other packages: the sentence of each fault of their class, and of their vocabulary."""

import pytest
from support.package_faults import DRIVER_FAULTS, DRIVER_WORDS, IMPORT_FAULTS, OTHER_FAULTS, SCALE, changed
from support.packages import Install, install

from drivers import declaration
from drivers.driver import Family
from drivers.packages.driver_faults import driver_faults
from drivers.probe import DRIVER_CHECK, probe, probe_driver
from drivers.registry import DriverClashError, installed_drivers, load_driver

__all__ = ["install"]


def install_scale(install: Install, text: str = "Device = Scale", words: str = "acme_words") -> None:
    install("acme-words", DRIVER_WORDS, vocabularies={"acme": f"{words}:VOCABULARY"} if words else {})
    install("acme-scale", SCALE + text, drivers={"acme-scale": "acme_scale:Device"})


def test_sound_driver_has_no_fault(install: Install) -> None:
    install_scale(install)
    assert list(driver_faults("acme-scale", '[{"port": "x"}, {"wrong": 1}]')) == []
    driver = load_driver("acme-scale")
    assert driver.family == "luggage_scale"
    assert driver.command_name("tare") == "acme.tare"
    assert (driver.schema_version("acme.tare"), driver.schema_version("document.read")) == (2, 1)


def test_drivers_of_gateway_have_no_fault() -> None:
    for name, point in installed_drivers().items():
        if point.dist is not None and point.dist.name == "borderpost-gateway":
            assert list(driver_faults(name, "[]")) == []


def faults_found() -> list[str]:
    try:
        return list(driver_faults("acme-scale", "[]"))
    except Exception as error:
        return [f"{type(error).__name__}: {error}"]


@pytest.mark.parametrize("fault", DRIVER_FAULTS)
def test_faulty_driver_has_sentence(install: Install, fault: str) -> None:
    text, sentence = DRIVER_FAULTS[fault]
    install_scale(install, text)
    assert faults_found() == [sentence]


@pytest.mark.parametrize("fault", IMPORT_FAULTS)
def test_faulty_import_costs_another_process(install: Install, fault: str) -> None:
    text, sentence = IMPORT_FAULTS[fault]
    install_scale(install, f"{text}\nDevice = Scale")
    assert probe(DRIVER_CHECK, "acme-scale") == (sentence,)
    assert probe_driver("acme-scale", ()) == sentence


def test_endless_import_is_ended(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("drivers.probe.CPU_LIMIT_S", 1)
    install_scale(install, "while True: pass")
    assert probe(DRIVER_CHECK, "acme-scale") == (OTHER_FAULTS["endless"],)


def test_reason_counts_further_faults(install: Install) -> None:
    install_scale(install, changed("usb_ids = 5\n    anonymizer = '?'"))
    assert probe_driver("acme-scale", ()) == (
        "its usb_ids are no pairs of numbers; `borderpost drivers` lists 1 more"
    )


def test_older_api_is_refused(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(declaration, "DRIVER_API", 4)
    monkeypatch.setattr(declaration, "OLDEST_DRIVER_API", 3)
    install_scale(install)
    assert faults_found() == [OTHER_FAULTS["older_api"]]


def test_unregistered_vocabulary(install: Install) -> None:
    install_scale(install, words="")
    assert faults_found() == [OTHER_FAULTS["not_registered"]]


def test_vocabulary_beside_driver(install: Install) -> None:
    install_scale(install, words="acme_scale")
    assert faults_found() == [OTHER_FAULTS["beside_driver"]]


def test_name_malformed(install: Install) -> None:
    install("acme-words", DRIVER_WORDS, vocabularies={"acme": "acme_words:VOCABULARY"})
    install("acme-scale", SCALE, drivers={"Acme_Scale": "acme_scale:Scale"})
    assert list(driver_faults("Acme_Scale", "[]")) == [OTHER_FAULTS["name"]]


def test_all_faults_are_named(install: Install) -> None:
    install_scale(install, changed("usb_ids = 5\n    anonymizer = '?'\n    def close(self): pass"))
    assert len(faults_found()) == 3


def test_two_packages_of_one_name(install: Install) -> None:
    install_scale(install)
    install("kivu-scale", SCALE, drivers={"acme-scale": "kivu_scale:Scale"})
    with pytest.raises(DriverClashError) as raised:
        load_driver("acme-scale")
    assert str(raised.value) == OTHER_FAULTS["clash"]


def test_driver_of_gateway_is_not_replaced(install: Install) -> None:
    install_scale(install)
    install("kivu-scale", SCALE, drivers={"mrz-serial": "kivu_scale:Scale"})
    assert load_driver("mrz-serial").family is Family.PASSPORT_READER
