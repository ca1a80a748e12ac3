"""Check of a driver's declaration: class attributes that the gateway relies on. Pure."""

import inspect
import re
from collections.abc import Collection, Mapping

from drivers.driver import Driver, Family
from drivers.links.settings import Settings
from drivers.observation import DataClass, Observation
from drivers.self_test import SelfTestLevel

EVENT_TYPE = re.compile(r"[a-z][a-z0-9_]{0,31}(\.[a-z][a-z0-9_]{0,31}){0,3}")
"""An event type is a level of a topic, without its wildcards."""


def declaration_fault(driver: object) -> str | None:
    """Return the first fault of a driver class, as a clause without a full stop; None: it can be used."""
    if not (isinstance(driver, type) and issubclass(driver, Driver)):
        return "it is not a subclass of drivers.driver.Driver"
    if missing := sorted(getattr(driver, "__abstractmethods__", ())):
        return f"it does not implement {', '.join(missing)}"
    for name in ("family", "settings_model", "observation_types"):
        if not hasattr(driver, name):
            return f"it does not declare {name}"
    family: object = driver.family
    if not isinstance(family, Family):
        return "its family is no Family"
    model: object = driver.settings_model
    if not (isinstance(model, type) and issubclass(model, Settings)):
        return "its settings_model is no Settings"
    return _types_fault(driver.observation_types) or _attribute_fault(driver)


def _types_fault(types: object) -> str | None:
    if not isinstance(types, tuple):
        return "its observation_types are no tuple"
    seen: set[str] = set()
    for one in types:
        if not (isinstance(one, type) and issubclass(one, Observation)):
            return "its observation_types contain something else than Observations"
        event_type, data_class = getattr(one, "event_type", None), getattr(one, "data_class", None)
        if not isinstance(event_type, str) or not EVENT_TYPE.fullmatch(event_type):
            return f"the event_type of {one.__name__} is not like `document.read`"
        if not isinstance(data_class, DataClass) or data_class is DataClass.UNKNOWN:
            return f"the data_class of {one.__name__} is no DataClass"
        if event_type in seen:
            return f"two of its observation_types are {event_type}"
        seen.add(event_type)
    return None


def _attribute_fault(driver: type[Driver[Settings]]) -> str | None:
    commands: object = driver.commands
    if not isinstance(commands, Mapping):
        return "its commands are no mapping; declare them with @command"
    levels: object = driver.self_test_levels
    if not isinstance(levels, tuple) or not all(isinstance(one, SelfTestLevel) for one in levels):
        return "its self_test_levels are no tuple of SelfTestLevel"
    ids: object = driver.usb_ids
    if not isinstance(ids, Collection) or not all(
        isinstance(one, tuple) and len(one) == 2 and all(isinstance(n, int) and 0 <= n < 65536 for n in one)
        for one in ids
    ):
        return "its usb_ids are no pairs of numbers"
    anonymizer: object = driver.anonymizer
    if not isinstance(anonymizer, str):
        return "its anonymizer is no text"
    for name in ("open", "close"):
        if not inspect.iscoroutinefunction(getattr(driver, name)):
            return f"its {name} is no async method"
    return None
