"""The criteria by which a driver is accepted, in their order, and its grade."""

from collections.abc import Mapping

from gateway.testing.acceptance import AcceptanceOutcome, Criterion, Result
from gateway.testing.behaviour import (
    absent_device_has_remedy,
    cut_frame_costs_itself,
    devices_do_not_affect_each_other,
    garbage_is_ignored,
    gives_expected_events,
    opening_leaks_nothing,
    unplugging_ends_watch,
)
from gateway.testing.declared import (
    errors_have_remedies,
    loads,
    names_its_source,
    page_has_example,
    recordings_are_anonymized,
    settings_are_described,
    tests_its_device,
    types_are_strict,
)
from gateway.testing.grades import Grade, grade_of
from gateway.testing.simulated import reads_simulated_device

FIRST = Criterion("loads", "It can be imported, and its declaration has no fault.", loads)
"""Without it nothing else is tried."""
CRITERIA = (
    FIRST,
    Criterion("described", "Every setting has a description.", settings_are_described, ("described",)),
    Criterion("example", "The package's README has a table for it.", page_has_example, ("example",)),
    Criterion("source", "A module names the source of its protocol.", names_its_source, ("source",)),
    Criterion("remedies", "Every LinkError has a remedy.", errors_have_remedies, ("remedies",)),
    Criterion(
        "absent device",
        "Without a device its opening fails with a remedy.",
        absent_device_has_remedy,
        ("absent device",),
    ),
    Criterion("recording", "Recordings give the expected events.", gives_expected_events, ("recording",)),
    Criterion(
        "cut frame",
        "A reading cut at any byte costs only itself, and is no reading.",
        cut_frame_costs_itself,
        ("damaged input",),
    ),
    Criterion(
        "garbage",
        "Random bytes before, between and after readings cost no reading.",
        garbage_is_ignored,
        ("damaged input",),
    ),
    Criterion(
        "unplugged",
        "Unplugged at any moment, it reports it with a remedy, and reads again.",
        unplugging_ends_watch,
        ("unplugged",),
    ),
    Criterion(
        "no leak",
        "Opened and closed again and again, it leaves nothing.",
        opening_leaks_nothing,
        ("no leak",),
    ),
    Criterion(
        "two devices",
        "Two devices of the model do not affect each other.",
        devices_do_not_affect_each_other,
    ),
    Criterion("simulated", "It reads what its simulator shows.", reads_simulated_device, ("simulated",)),
)
"""All must hold, unless the kit cannot try one."""
ADVISED = (
    Criterion("anonymized", "Its recordings can be anonymized.", recordings_are_anonymized, ("anonymized",)),
    Criterion("self-test", "It tests its device itself.", tests_its_device, ("self-test",)),
    Criterion("strict types", "No exception from strict types.", types_are_strict, ("strict types",)),
)
"""For a higher grade."""


def is_accepted(results: Mapping[Criterion, Result]) -> bool:
    """Return True if no criterion is not held, those for a higher grade aside."""
    return all(
        result.outcome is not AcceptanceOutcome.NOT_HELD
        for criterion, result in results.items()
        if criterion in CRITERIA
    )


def grade_by(results: Mapping[Criterion, Result]) -> Grade:
    """Return the grade by the rules for which all criteria hold; gold needs evidence of a repository too."""
    judged = {rule for criterion in results for rule in criterion.rules}
    broken = {
        rule
        for criterion, result in results.items()
        if result.outcome is not AcceptanceOutcome.HELD
        for rule in criterion.rules
    }
    return grade_of(judged - broken)
