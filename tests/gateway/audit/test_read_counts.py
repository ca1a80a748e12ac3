"""Accounting of reads for a breach: by the class of their data, whatever the family of the device."""

from typing import Any, ClassVar

from pydantic import Field
from support.packages import Install, install

from drivers.driver import Driver, Family
from drivers.links.settings import Settings
from drivers.observation import DataClass, Observation
from gateway.audit.breach_report import (
    DATA_CATEGORIES,
    TRAVELLER_READS,
    BreachReport,
    build_report,
    describe_category,
)
from gateway.audit.hash_chain import ChainHead, format_line, parse_line
from gateway.audit.read_counts import HourlyReadCounts

__all__ = ["install"]

SCALE = "lane-1/scale"
WORDS = '''
from typing import ClassVar
from pydantic import Field
from drivers.observation import DataClass, Observation
from drivers.vocabulary import Vocabulary

class Weighed(Observation):
    """A traveller stands on the scale."""
    event_type: ClassVar[str] = "acme.weighed"
    data_class: ClassVar[DataClass] = DataClass.TRAVELLER
    mass_kg: float = Field(description="Mass, in kilograms.", examples=[23.4])

VOCABULARY = Vocabulary("acme", 1, (Weighed,))
'''


class Weighed(Observation):
    event_type: ClassVar[str] = "acme.weighed"
    data_class: ClassVar[DataClass] = DataClass.TRAVELLER
    mass_kg: float = Field(description="Mass, in kilograms.", examples=[23.4])


class Levelled(Observation):
    event_type: ClassVar[str] = "acme.levelled"
    data_class: ClassVar[DataClass] = DataClass.RECORD


class Scale(Driver[Settings]):
    family = Family("luggage_scale")
    settings_model = Settings
    observation_types = (Levelled, Weighed)


def counted() -> dict[str, Any]:
    counts = HourlyReadCounts("_gw/gw-1", lambda: 1_764_600_000_000_000_000)
    counts.add(SCALE, Scale, 2)
    counts.add(SCALE, Scale, 3)
    (record,) = counts.pop_records()
    assert record.kind == TRAVELLER_READS
    assert counts.pop_records() == []
    return record.data


def reported(data: dict[str, Any]) -> BreachReport:
    line = parse_line(
        format_line(ChainHead(), "2026-12-01T09:00:00.000000Z", "_gw/gw-1", TRAVELLER_READS, data)
    )
    assert line is not None
    return build_report([line], "2025-01-01", "2027-01-01")


def test_line_names_event_types_about_a_person() -> None:
    data = counted()
    assert data["reads"] == {"luggage_scale": {SCALE: 5}}
    assert data["types"] == {SCALE: ["acme.weighed"]}


def test_reads_of_another_family_are_reported(install: Install) -> None:
    install("acme-words", WORDS, vocabularies={"acme": "acme_words:VOCABULARY"})
    report = reported(counted())
    assert report.max_transactions == 5
    assert report.to_json()["data_classes"] == ["acme.weighed (acme-words): A traveller stands on the scale."]


def test_category_without_its_package() -> None:
    report = reported(counted())
    assert report.to_json()["data_classes"] == [
        "acme.weighed: data of another package, which is not installed here"
    ]


def test_device_of_vendor_with_our_observations_has_our_category() -> None:
    """The family says nothing about the data: a scale may read a document."""
    report = reported({"reads": {"luggage_scale": {SCALE: 1}}, "types": {SCALE: ["document.read"]}})
    assert report.to_json()["data_classes"] == [DATA_CATEGORIES["document"]]


def test_every_event_about_a_person_has_a_category() -> None:
    from gateway.contract.registry import EVENTS

    for event in EVENTS:
        if event.data_class is DataClass.TRAVELLER:
            assert "another package" not in describe_category(event.event_type), event.event_type
