"""The quality scale of our own drivers: a rule is met by evidence that is found, never by a statement."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from gateway.testing.driver_sources import DriverSource, undescribed_settings
from gateway.testing.grades import QUALITY_RULES, Grade, grade_of, unmet_rules
from quality.evidence import ReachingTest, Repository


@dataclass(frozen=True, slots=True)
class Found:
    """Result of one rule for one driver."""

    evidence: tuple[str, ...] = ()
    """Tests, files and declarations that meet the rule; empty: it is not met."""
    missing: tuple[str, ...] = ()
    """Places that break it, where the rule can name them."""

    @property
    def is_met(self) -> bool:
        return bool(self.evidence) and not self.missing


Judge = Callable[[Repository, DriverSource], Found]


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule, in plain words, and its search for evidence."""

    name: str
    grade: Grade
    text: str
    find: Judge


def named_tests(*words: str) -> Judge:
    """Return the rule that a test which reaches the driver has one of these words in its name."""

    pattern = "|".join(words)

    def find(repository: Repository, source: DriverSource) -> Found:
        return Found(titles([test for test in repository.tests_named(pattern) if test.concerns(source)]))

    return find


def titles(tests: list[ReachingTest]) -> tuple[str, ...]:
    """Return the titles of tests."""
    return tuple(test.title for test in tests)


def described(_repository: Repository, source: DriverSource) -> Found:
    """Find settings without a description."""
    model = source.driver.settings_model
    return Found((f"{len(model.model_fields)} settings",), tuple(undescribed_settings(model)))


def exemplified(repository: Repository, source: DriverSource) -> Found:
    """Find an example of its table in a file that a test loads."""
    file = repository.examples.get(source.name)
    return Found((file,) if file else ())


def sourced(repository: Repository, source: DriverSource) -> Found:
    """Find the source of its protocol in a docstring."""
    return Found(tuple(sorted(one for one in source.imported if repository.tree.names_source(one))))


def simulated(repository: Repository, source: DriverSource) -> Found:
    """Find tests with a simulator of its device."""
    tests = [*repository.gateway_tests, *repository.driver_tests]
    found = (test.title for test in tests if test.concerns(source) and test.has_simulator)
    return Found(tuple(itertools.islice(found, 1)))  # one is enough, and many are slow to find


def with_remedies(repository: Repository, source: DriverSource) -> Found:
    """Find errors without a remedy."""
    wrong = [place for one in sorted(source.family) for place in repository.tree.errors_without_remedy(one)]
    return Found((f"{len(source.family)} modules",), tuple(wrong))


def recorded(repository: Repository, source: DriverSource) -> Found:
    """Find recordings, ours and those of others that a test plays."""
    played = [
        test.title
        for test in repository.driver_tests
        if "recordings" in test.path.stem and test.concerns(source)
    ]
    return Found((*_recordings(repository, source), *played))


def _recordings(repository: Repository, source: DriverSource) -> list[str]:
    return [str(path) for path, one in repository.recordings.items() if one.driver == source.name]


def anonymized(_repository: Repository, source: DriverSource) -> Found:
    """Find the function that removes the people from its recordings."""
    return Found(tuple(filter(None, (source.driver.anonymizer,))))


def self_tested(_repository: Repository, source: DriverSource) -> Found:
    """Find its levels of self-tests."""
    return Found(tuple(source.driver.self_test_levels))


def fuzzed(repository: Repository, source: DriverSource) -> Found:
    """Find targets of the fuzzer that run it."""
    return Found(titles([target for target in repository.fuzz_targets if target.concerns(source)]))


def generated(repository: Repository, source: DriverSource) -> Found:
    """Find property tests of a module of its family that it uses."""
    return Found(
        titles([test for test in repository.driver_tests if test.is_property and test.reaches(source.family)])
    )


def in_a_gateway(repository: Repository, source: DriverSource) -> Found:
    """Find tests in a whole gateway; every recording is played to one."""
    tests = titles([test for test in repository.gateway_tests if test.concerns(source)])
    return Found((*tests, *_recordings(repository, source)))


def typed(repository: Repository, source: DriverSource) -> Found:
    """Find exceptions from strict types."""
    wrong = [one for one in sorted(source.own) if "# type: ignore" in repository.tree.text(one)]
    return Found((f"{len(source.own)} modules",), tuple(wrong))


def certified(repository: Repository, source: DriverSource) -> Found:
    """Find certified real devices."""
    return Found(tuple(f"{row.maker} {row.model}" for row in repository.certified(source.name)))


def recorded_live(repository: Repository, source: DriverSource) -> Found:
    """Find recordings that a gateway made of a real device."""
    return Found(
        tuple(
            str(path)
            for path, one in repository.recordings.items()
            if one.driver == source.name and one.provenance.startswith("live")
        )
    )


UNPLUGGED = ("unplug", "replug", "restarted", "dead_", "killed_camera", "lost_link", "lost_connection")
DAMAGED = (
    "cut_frame", "cut_text", "cut_at_", "any_cut", "cut_connections", "garbage", "malformed", "noise",
    "damaged", "torn_picture", "torn_frame", "incomplete_", "any_bytes",
)  # fmt: skip
ABSENT = (
    "absent_device", "absent_port", "absent_service", "missing_port", "missing_and_other",
    "unavailable_lines", "no_reader_at", "wrong_address",
)  # fmt: skip
LEAK = ("leak", "leave_nothing")
FINDERS: dict[str, Judge] = {
    "described": described,
    "example": exemplified,
    "source": sourced,
    "simulated": simulated,
    "unplugged": named_tests(*UNPLUGGED),
    "damaged input": named_tests(*DAMAGED),
    "absent device": named_tests(*ABSENT),
    "no leak": named_tests(*LEAK),
    "remedies": with_remedies,
    "recording": recorded,
    "anonymized": anonymized,
    "self-test": self_tested,
    "fuzzed": fuzzed,
    "properties": generated,
    "whole gateway": in_a_gateway,
    "strict types": typed,
    "certified": certified,
    "real recording": recorded_live,
}
RULES = tuple(Rule(rule.name, rule.grade, rule.text, FINDERS[rule.name]) for rule in QUALITY_RULES)


@dataclass(frozen=True)
class Assessment:
    """All rules for one driver."""

    source: DriverSource
    found: dict[Rule, Found]

    @classmethod
    def of(cls, repository: Repository, source: DriverSource) -> "Assessment":
        """Judge a driver by every rule."""
        return cls(source, {rule: rule.find(repository, source) for rule in RULES})

    @cached_property
    def grade(self) -> Grade:
        """Highest grade whose rules, and those of the lower grades, are all met."""
        return grade_of(self.met)

    @property
    def met(self) -> list[str]:
        """Names of the rules that are met."""
        return [rule.name for rule, found in self.found.items() if found.is_met]

    @property
    def next_grade(self) -> Grade | None:
        """Grade above; None above the highest."""
        above = list(Grade)[self.grade.rank + 1 :]
        return above[0] if above else None

    def unmet(self, grade: Grade) -> list[str]:
        """Return the names of the rules of a grade that are not met."""
        return unmet_rules(grade, self.met)
