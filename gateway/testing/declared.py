"""Criteria on what a driver declares and on its sources, without a device."""

import asyncio
import re

from drivers.anonymize.anonymizer import anonymize
from drivers.anonymize.pseudonyms import CannotAnonymize
from drivers.installation import how_to_install
from drivers.packages.check import check_package
from drivers.unavailable import MissingDriver
from gateway.testing.acceptance import DriverTrial, Result, held, not_held
from gateway.testing.driver_sources import DriverTree, undescribed_settings

OWN_PACKAGE = "drivers"
"""Package of all our drivers, of which one uses a part."""
SIMULATOR_CHECK = {"borderpost.simulators": ("simulator", "simulators.registry:kind_faults")}
SHOWN = 3
"""Places that a result names."""


async def loads(trial: DriverTrial) -> Result:
    """Try every entry point of the package in a process of its own."""
    faults = [
        fault
        for fault in await asyncio.to_thread(check_package, trial.package.name, SIMULATOR_CHECK)
        if fault.subject == f"driver {trial.name}" or not fault.subject.startswith("driver ")
    ]
    if faults:
        return not_held(
            " ".join(f"{fault.subject}: {fault.text}." for fault in faults),
            "Correct what its entry points name; `borderpost drivers` lists the same.",
        )
    driver = trial.driver_class
    if issubclass(driver, MissingDriver):
        return not_held(driver.text, how_to_install(driver.extra, driver.distribution))
    return held(f"{driver.__module__}:{driver.__qualname__}")


async def settings_are_described(trial: DriverTrial) -> Result:
    """Find settings without a description."""
    model = trial.driver_class.settings_model
    if missing := undescribed_settings(model):
        return not_held(
            f"No description: {_some(missing)}.",
            "Add Field(description=...): errors in a post's file quote it.",
        )
    return held(f"{len(model.model_fields)} settings")


async def page_has_example(trial: DriverTrial) -> Result:
    """Find a table for the driver in the package's long description."""
    if re.search(
        rf"""^\s*driver\s*=\s*["']{re.escape(trial.name)}["']""", trial.package.examples, re.MULTILINE
    ):
        return held("a table of a post's file")
    return not_held(
        "The README of the package has no table for it.",
        f'Show a table of a post\'s file with `driver = "{trial.name}"`, and name the README in '
        "pyproject.toml (`readme`).",
    )


async def names_its_source(trial: DriverTrial) -> Result:
    """Find the source of the protocol in a docstring."""
    tree, modules = sources(trial)
    if found := [one for one in modules if tree.names_source(one)]:
        return held(_some(found))
    return not_held(
        "No module of it names the source of its protocol.",
        "Write it into the docstring of the module: `Source: maker, document, version, section.`",
    )


async def errors_have_remedies(trial: DriverTrial) -> Result:
    """Find failures of the link without a remedy in its modules."""
    tree, modules = sources(trial)
    if wrong := [place for one in modules for place in tree.errors_without_remedy(one)]:
        return not_held(
            f"LinkError without a remedy: {_some(wrong)}.", "Give the action and `how`, for a technician."
        )
    return held(f"{len(modules)} module{'' if len(modules) == 1 else 's'}")


async def types_are_strict(trial: DriverTrial) -> Result:
    """Find exceptions from strict types in its modules."""
    tree, modules = sources(trial)
    if wrong := [one for one in modules if "# type: ignore" in tree.text(one)]:
        return not_held(f"`type: ignore` in {_some(wrong)}.", "Correct what `mypy --strict` reports there.")
    return held("no exception from mypy --strict")


async def recordings_are_anonymized(trial: DriverTrial) -> Result:
    """Anonymize each of its recordings."""
    if not trial.driver_class.anonymizer:
        return not_held(
            "It names no anonymizer, so its recordings cannot leave a post.",
            "Write one and name it in `anonymizer`: drivers/anonymize/anonymizer.py.",
        )
    for path, recording in trial.recordings.items():
        try:
            anonymize(recording)
        except CannotAnonymize as error:
            return not_held(f"{path.name}: {error}.", "Correct the anonymizer.")
    return held(trial.driver_class.anonymizer)


async def tests_its_device(trial: DriverTrial) -> Result:
    """Find its levels of self-tests."""
    if levels := trial.driver_class.self_test_levels:
        return held(", ".join(levels))
    return not_held("It has no self-test.", "Declare `self_test_levels`, and yield steps in `self_test`.")


def sources(trial: DriverTrial) -> tuple[DriverTree, list[str]]:
    """Return the source of the package, and the modules of it that the driver uses."""
    module = trial.package.drivers[trial.name].module
    top = module.partition(".")[0]
    tree = DriverTree(trial.package.roots[top], top)
    if top == OWN_PACKAGE:
        (source,) = tree.sources({trial.name: trial.driver_class})
        return tree, sorted(source.family)
    return tree, sorted(tree.closure(module))


def _some(names: list[str]) -> str:
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more} more" if more > 0 else "")
