"""`borderpost drivers`: what is installed, from which package, its grade, and what is wrong with it."""

import json
from typing import Any

import pytest
from support.package_faults import OTHER_FAULTS
from support.packages import Install, install
from typer.testing import CliRunner

from drivers.installation import OURS
from drivers.registry import installed_drivers
from gateway.cli import app
from gateway.cli._lib import installed_packages

__all__ = ["install"]

WORDS = '''
from typing import ClassVar
from drivers.observation import DataClass, Observation
from drivers.vocabulary import Vocabulary

class Weighed(Observation):
    """An object lies on the scale."""
    event_type: ClassVar[str] = "acme.weighed"
    data_class: ClassVar[DataClass] = DataClass.TRAVELLER

VOCABULARY = Vocabulary("acme", 2, (Weighed,))
'''
SCALE = """
from typing import Literal
from acme_words import VOCABULARY, Weighed
from drivers.driver import Driver, Family, Identity
from drivers.links.settings import Settings
from simulators.simulator import SimulatorSettings

class Own(Settings):
    port: str = ""

class Scale(Driver[Own]):
    family = Family("luggage_scale")
    vocabulary = VOCABULARY
    settings_model = Own
    observation_types = (Weighed,)
    async def open(self): return Identity(model="scale")
    async def watch(self): yield Weighed()

class Simulated(SimulatorSettings):
    kind: Literal["acme-scale"]
"""


@pytest.fixture(autouse=True)
def _ours_without_their_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look at packages of others, and one driver of ours: importing all takes seconds."""
    search = installed_packages.search

    def few(group: str) -> dict[str, Any]:
        found = search(group)
        return {
            name: one
            for name, one in found.items()
            if name == "mrz-serial" or "drivers." not in one.point.value
        }

    monkeypatch.setattr(installed_packages, "search", few)


def install_scale(install: Install) -> None:
    install("acme-words", WORDS, vocabularies={"acme": "acme_words:VOCABULARY"})
    install(
        "acme-scale",
        SCALE,
        drivers={"acme-scale": "acme_scale:Scale"},
        simulators={"acme-scale": "acme_scale:Simulated"},
    )


def listed(expected_code: int) -> list[dict[str, Any]]:
    ended = CliRunner().invoke(app, ["drivers", "--json"])
    assert ended.exit_code == expected_code, ended.output
    answer = json.loads(ended.output)
    assert (answer["driver_api"], answer["oldest_driver_api"]) == (1, 1)
    return answer["packages"]


def part(packages: list[dict[str, Any]], package: str, kind: str) -> dict[str, Any]:
    (found,) = (
        one for each in packages if each["name"] == package for one in each["parts"] if one["kind"] == kind
    )
    return found


def test_packages_are_listed_with_their_parts(install: Install) -> None:
    install_scale(install)
    found = listed(1)
    ours = part(found, OURS, "driver")
    assert (ours["name"], ours["facts"]["grade"], ours["facts"]["can_anonymize"]) == (
        "mrz-serial",
        "gold",
        True,
    )
    words = part(found, "acme-words", "vocabulary")
    assert words["facts"] == {"version": 2, "events": ["acme.weighed"], "commands": []}
    scale = part(found, "acme-scale", "driver")
    assert scale["faults"] == []
    assert scale["facts"] == {
        "family": "luggage_scale",
        "grade": None,
        "driver_api": 1,
        "events": ["acme.weighed"],
        "commands": [],
        "about_persons": True,
        "undescribed_settings": ["port"],
        "self_tests": [],
        "can_anonymize": False,
    }
    simulator = part(found, "acme-scale", "simulator")
    assert simulator["faults"] == ["it has no method build, which makes the simulator"]


def test_page_names_package_grade_and_fault(install: Install) -> None:
    install_scale(install)
    ended = CliRunner().invoke(app, ["drivers"])
    assert ended.exit_code == 1
    for expected in (
        "acme-scale 1.2",
        "luggage_scale",
        "mrz-serial  passport_reader      gold",
        "version 2: acme.weighed",
        "It has no method build, which makes the simulator.",
        "Its recordings cannot be anonymized.",
        "not graded: a grade is computed from a driver's tests",
    ):
        assert expected in ended.output, ended.output


def test_two_packages_of_one_name_are_both_told(install: Install) -> None:
    install_scale(install)
    install("kivu-scale", SCALE, drivers={"acme-scale": "kivu_scale:Scale"})
    found = listed(1)
    for package in ("acme-scale", "kivu-scale"):
        assert part(found, package, "driver")["faults"] == [OTHER_FAULTS["clash"]]


def test_name_of_our_driver_is_refused(install: Install) -> None:
    install_scale(install)
    install("kivu-scale", SCALE, drivers={"mrz-serial": "kivu_scale:Scale"})
    assert part(listed(1), "kivu-scale", "driver")["faults"] == [OTHER_FAULTS["ours"]]


def test_import_that_ends_the_process_is_told(install: Install) -> None:
    install("acme-scale", "import os; os._exit(3)", drivers={"acme-scale": "acme_scale:Scale"})
    assert part(listed(1), "acme-scale", "driver")["faults"] == ["its import ended the process with status 3"]


def test_every_driver_of_ours_has_a_grade() -> None:
    ours = {name for name, point in installed_drivers().items() if point.dist and point.dist.name == OURS}
    assert ours == installed_packages.grades().keys()
