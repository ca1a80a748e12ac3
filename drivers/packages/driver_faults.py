"""Faults of an installed driver of another package: its class, and what its package registers beside it."""

import importlib
import json
import re
from collections.abc import Iterator
from contextlib import suppress

from pydantic import ValidationError

from drivers.declaration import declaration_faults
from drivers.driver import Driver
from drivers.links.settings import Settings
from drivers.packages.entry_points import DRIVERS, VOCABULARIES, search
from drivers.packages.vocabularies import describe_error, read_vocabulary
from drivers.registry import load_driver
from drivers.unavailable import MissingDriver
from drivers.vocabulary import Vocabulary

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


def driver_faults(name: str, settings: str) -> Iterator[str]:
    """Import a driver and yield its faults; `settings`: those of its devices, a JSON array.

    Wrong settings are no fault of it: their errors are shown with line and key.
    """
    if not NAME.fullmatch(name):
        yield f"the name {name!r} is not of lower-case letters, digits and hyphens, as in a post's file"
    driver = load_driver(name)
    if driver.__base__ is MissingDriver:
        return
    found = tuple(declaration_faults(driver))
    yield from found
    if found:
        return
    yield from _vocabulary_faults(name, driver.vocabulary)
    yield from _anonymizer_faults(driver)
    driver.settings_model.model_json_schema()
    for one in json.loads(settings):
        with suppress(ValidationError):
            driver.settings_model.model_validate(one)


def vocabulary_faults_of(name: str, _settings: str) -> Iterator[str]:
    """Import an installed vocabulary and yield its faults."""
    _, faults = read_vocabulary(search(VOCABULARIES)[name])
    yield from faults


def _vocabulary_faults(name: str, vocabulary: Vocabulary | None) -> Iterator[str]:
    if vocabulary is None:
        return
    namespace = vocabulary.namespace
    offer = search(VOCABULARIES).get(namespace)
    if offer is None:
        yield (
            f"its vocabulary {namespace} is not registered, so that no workstation could find it; "
            f"add an entry point {namespace} of the group {VOCABULARIES}"
        )
        return
    installed, faults = read_vocabulary(offer)
    yield from (f"its vocabulary: {fault}" for fault in faults)
    if installed is not None and installed is not vocabulary:
        yield f"its vocabulary is not the one that is registered as {namespace}, {offer.point.value}"
    if offer.point.module == search(DRIVERS)[name].point.module:
        yield (
            f"its vocabulary is in the module of the driver, {offer.point.module}, which no workstation "
            "can import without the driver's libraries; move it to another module"
        )


def _anonymizer_faults(driver: type[Driver[Settings]]) -> Iterator[str]:
    if not driver.anonymizer:
        return
    module, _, function = driver.anonymizer.partition(":")
    try:
        found = getattr(importlib.import_module(module), function)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - code of another package may fail in any way
        yield f"its anonymizer {driver.anonymizer} cannot be imported ({describe_error(error)})"
        return
    if not callable(found):
        yield f"its anonymizer {driver.anonymizer} is no function"
