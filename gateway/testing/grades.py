"""The quality scale: grades and rules of drivers, and the grade by the rules that are met.

After Home Assistant's integration quality scale: a grade needs all its rules and those of the lower grades.
"""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum


class Grade(StrEnum):
    """Grade of a driver, the lowest first."""

    NONE = "none"
    BRONZE = "bronze"
    SILVER = "silver"
    GOLD = "gold"
    PLATINUM = "platinum"

    @property
    def rank(self) -> int:
        """Place from the lowest, counted from 0."""
        return list(Grade).index(self)


@dataclass(frozen=True, slots=True)
class QualityRule:
    """One rule, in plain words."""

    name: str
    grade: Grade
    text: str


QUALITY_RULES = (
    QualityRule("described", Grade.BRONZE, "Every setting has a description, which its errors quote."),
    QualityRule("example", Grade.BRONZE, "A table for it is in an example of `config/`."),
    QualityRule(
        "source", Grade.BRONZE, "Its module, or one that it imports, names the source of its protocol."
    ),
    QualityRule("simulated", Grade.BRONZE, "A test runs it with a simulated device of `simulators/`."),
    QualityRule(
        "unplugged",
        Grade.SILVER,
        "A test unplugs, kills or restarts its device, and sees cause or return.",
    ),
    QualityRule("damaged input", Grade.SILVER, "A test sends it cut, damaged or foreign bytes."),
    QualityRule("absent device", Grade.SILVER, "A test opens it without a device, and sees a remedy."),
    QualityRule(
        "no leak", Grade.SILVER, "A test opens and closes it again and again, and counts what remains."
    ),
    QualityRule(
        "remedies",
        Grade.SILVER,
        "Every failure of the link that its modules report has a remedy for the technician.",
    ),
    QualityRule(
        "recording",
        Grade.GOLD,
        "A recording is played to it, and gives the expected events or pictures.",
    ),
    QualityRule("anonymized", Grade.GOLD, "Its recordings can be anonymized."),
    QualityRule("self-test", Grade.GOLD, "It tests its device itself, beyond link and identity."),
    QualityRule("fuzzed", Grade.GOLD, "A target of the fuzzer runs it."),
    QualityRule(
        "properties",
        Grade.GOLD,
        "A property test generates input for it, or for a part of its family that it uses.",
    ),
    QualityRule("whole gateway", Grade.GOLD, "A test runs it in a whole gateway with a broker."),
    QualityRule("strict types", Grade.GOLD, "Its own modules have no exception from `mypy --strict`."),
    QualityRule("certified", Grade.PLATINUM, "A real device was certified with it."),
    QualityRule(
        "real recording",
        Grade.PLATINUM,
        "An anonymized recording of a real device is among its recordings.",
    ),
)


def unmet_rules(grade: Grade, met: Collection[str]) -> list[str]:
    """Return the names of the rules of a grade that are not among those met."""
    return [rule.name for rule in QUALITY_RULES if rule.grade is grade and rule.name not in met]


def grade_of(met: Collection[str]) -> Grade:
    """Return the highest grade whose rules, and those of the lower grades, are all met."""
    reached = Grade.NONE
    for grade in list(Grade)[1:]:
        if unmet_rules(grade, met):
            break
        reached = grade
    return reached
