"""Faults of a driver class: class attributes and methods that the gateway relies on. Pure."""

import inspect
import re
from collections.abc import Collection, Iterator, Mapping

from drivers import DRIVER_API, OLDEST_DRIVER_API
from drivers.driver import Driver, Family
from drivers.links.settings import Settings
from drivers.packages.model_faults import observation_fault
from drivers.packages.reserved_names import NAMESPACES, OUR_COMMANDS, SETTINGS
from drivers.self_test import SelfTestLevel
from drivers.vocabulary import Vocabulary

FUNCTION = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")


def declaration_fault(driver: object) -> str | None:
    """Return the first fault of a driver class, as a clause without a full stop; None: it can be used."""
    return next(declaration_faults(driver), None)


def declaration_faults(driver: object) -> Iterator[str]:
    """Yield all faults of a driver class, each as a clause with its remedy."""
    if not (isinstance(driver, type) and issubclass(driver, Driver)):
        yield "it is not a subclass of drivers.driver.Driver"
        return
    if missing := sorted(getattr(driver, "__abstractmethods__", ())):
        yield f"it does not implement {', '.join(missing)}"
        return
    for name in ("family", "settings_model", "observation_types"):
        if not hasattr(driver, name):
            yield f"it does not declare {name}"
            return
    if (fault := _api_fault(driver.driver_api)) is not None:
        yield fault
        return
    yield from _attribute_faults(driver)
    yield from _settings_faults(driver.settings_model)
    yield from _method_faults(driver)
    types: object = driver.observation_types
    if not isinstance(types, tuple):
        yield "its observation_types are no tuple"
        return
    vocabulary: object = driver.vocabulary
    if vocabulary is not None and not isinstance(vocabulary, Vocabulary):
        yield "its vocabulary is no drivers.vocabulary.Vocabulary"
        return
    yield from _types_faults(types, vocabulary)
    yield from _command_faults(driver)


def _api_fault(api: object) -> str | None:
    if type(api) is not int:
        return "its driver_api is no number"
    if api > DRIVER_API:
        return (
            f"it is written for version {api} of the driver interface, but this gateway has {DRIVER_API}; "
            "install a newer gateway, or an older version of its package"
        )
    if api < OLDEST_DRIVER_API:
        return (
            f"it is written for version {api} of the driver interface, but this gateway runs "
            f"{OLDEST_DRIVER_API} to {DRIVER_API}; install a newer version of its package"
        )
    return None


def _attribute_faults(driver: type[Driver[Settings]]) -> Iterator[str]:
    family: object = driver.family
    if not isinstance(family, Family):
        yield 'its family is no Family; write Family.CAMERA, or Family("luggage_scale") for a new one'
    elif family is Family.UNKNOWN and is_foreign_class(driver):
        yield 'its family is unknown; write Family("luggage_scale"), one word of lower-case letters'
    levels: object = driver.self_test_levels
    if not isinstance(levels, tuple) or not all(isinstance(one, SelfTestLevel) for one in levels):
        yield "its self_test_levels are no tuple of SelfTestLevel"
    ids: object = driver.usb_ids
    if not isinstance(ids, Collection) or not all(
        isinstance(one, tuple) and len(one) == 2 and all(isinstance(n, int) and 0 <= n < 65536 for n in one)
        for one in ids
    ):
        yield "its usb_ids are no pairs of numbers"
    anonymizer: object = driver.anonymizer
    if not isinstance(anonymizer, str):
        yield "its anonymizer is no text"
    elif anonymizer and not FUNCTION.fullmatch(anonymizer):
        yield "its anonymizer is not like `acme_scale.anonymize:anonymize`"


def _settings_faults(model: object) -> Iterator[str]:
    if not (isinstance(model, type) and issubclass(model, Settings)):
        yield "its settings_model is no subclass of drivers.links.settings.Settings"
        return
    for name, field in model.model_fields.items():
        if (field.alias or name) in SETTINGS:
            yield f"its setting {field.alias or name} is one of every device; rename it"
    if model.model_config.get("extra") != "forbid" and is_foreign_class(model):
        yield "its settings accept unknown keys, so that a mistyped one is not found"


def _method_faults(driver: type[Driver[Settings]]) -> Iterator[str]:
    for name in ("open", "close"):
        if not inspect.iscoroutinefunction(getattr(driver, name)):
            yield f"its {name} is no async method"
    for name in ("watch", "self_test"):
        if inspect.iscoroutinefunction(getattr(driver, name)):
            yield f"its {name} never yields; it must be an async generator"
    if inspect.iscoroutinefunction(driver.on_claim_changed):
        yield "its on_claim_changed is async, and would never run"
    levels: object = driver.self_test_levels
    if levels and driver.self_test is Driver.self_test:
        yield "it declares self_test_levels, but has no self_test"
    try:
        inspect.signature(driver).bind("settings", "links")
    except TypeError:
        yield "its __init__ takes other arguments than (settings, links)"


def _types_faults(types: tuple[object, ...], vocabulary: Vocabulary | None) -> Iterator[str]:
    seen: set[str] = set()
    for one in types:
        if (fault := observation_fault(one)) is not None or not isinstance(one, type):
            yield f"in its observation_types, {fault}"
            continue
        event_type: str = getattr(one, "event_type", "")
        if event_type in seen:
            yield f"two of its observation_types are {event_type}"
        seen.add(event_type)
        if is_foreign_class(one):
            yield from _foreign_type_fault(one, event_type, vocabulary)


def _foreign_type_fault(one: type, event_type: str, vocabulary: Vocabulary | None) -> Iterator[str]:
    if event_type.partition(".")[0] in NAMESPACES:
        yield (
            f"{one.__name__} would replace the event type {event_type}, which belongs to the gateway; yield "
            "the gateway's own observation, or choose an event type of your namespace"
        )
    elif vocabulary is None:
        yield (
            f"the event type {event_type} is in no vocabulary, so that no workstation could read it; "
            "list it in one, and declare `vocabulary = VOCABULARY`"
        )
    elif one not in vocabulary.observations:
        yield f"the event type {event_type} is not in its vocabulary {vocabulary.namespace}"


def _command_faults(driver: type[Driver[Settings]]) -> Iterator[str]:
    commands: object = driver.commands
    if not isinstance(commands, Mapping):
        yield "its commands are no mapping; declare them with @command"
        return
    vocabulary = driver.vocabulary
    own = {} if vocabulary is None else {one.name: one for one in vocabulary.commands}
    for verb, spec in driver.commands.items():
        models = (spec.arguments_type, spec.result_type)
        name = driver.command_name(verb)
        if (words := own.get(name)) is not None:
            if models != (words.request, words.done):
                yield f"the models of its command {verb} are not those of {name} in its vocabulary"
        elif not is_foreign_class(driver):
            continue
        elif name not in OUR_COMMANDS:
            yield (
                f"its command {verb} is neither in a vocabulary nor one of the gateway's; list it in one, "
                "and declare `vocabulary = VOCABULARY`"
            )
        else:
            wanted = OUR_COMMANDS[name]
            if any(is_foreign_class(one) for one in models) or wanted != tuple(
                one.__name__ for one in models
            ):
                yield (
                    f"the models of its command {verb} are not the gateway's for {name}: "
                    f"{' and '.join(wanted)}"
                )


def is_foreign_class(found: type) -> bool:
    """Return True if a class is defined in another package than ours."""
    return found.__module__.partition(".")[0] != __name__.partition(".")[0]
