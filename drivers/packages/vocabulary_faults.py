"""Faults of a vocabulary, each as a clause with its remedy. Pure."""

import re
from collections.abc import Iterator

from drivers.command import RESERVED_VERBS, CommandArguments, CommandOutput, CommandType
from drivers.packages.model_faults import class_name, model_faults, observation_fault
from drivers.packages.reserved_names import NAMESPACES
from drivers.vocabulary import Vocabulary

NAMESPACE = re.compile(r"[a-z][a-z0-9_]{0,31}")
VERB = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?")
"""A verb is a level of a topic."""
MAX_VERSION = 9999


def vocabulary_faults(vocabulary: object, name: str) -> Iterator[str]:
    """Yield the faults of the object that an entry point names; `name`: the entry point's own."""
    if not isinstance(vocabulary, Vocabulary):
        yield f"it is a {type(vocabulary).__name__}, no drivers.vocabulary.Vocabulary"
        return
    namespace: object = vocabulary.namespace
    if not isinstance(namespace, str) or not NAMESPACE.fullmatch(namespace):
        yield "its namespace is no word of lower-case letters, digits and underscores"
        return
    if namespace in NAMESPACES:
        yield f"the namespace {namespace} belongs to the gateway; choose another, such as your company's name"
    elif namespace != name:
        yield f"its namespace is {namespace}, but its entry point is named {name}; give both one name"
    version: object = vocabulary.version
    if type(version) is not int or not 1 <= version <= MAX_VERSION:
        yield f"its version is no number from 1 to {MAX_VERSION}"
    yield from _observation_faults(vocabulary.observations, namespace)
    yield from _command_faults(vocabulary.commands, namespace)


def _observation_faults(observations: object, namespace: str) -> Iterator[str]:
    if not isinstance(observations, tuple):
        yield "its observations are no tuple"
        return
    seen: set[str] = set()
    for one in observations:
        if (fault := observation_fault(one)) is not None:
            yield fault
            continue
        if not one.event_type.startswith(f"{namespace}."):
            yield f"the event type {one.event_type} is outside the namespace: begin it with `{namespace}.`"
        if one.event_type in seen:
            yield f"two observations have the event type {one.event_type}"
        seen.add(one.event_type)
        for name in ("transaction", "wire", "attachments"):
            if name in one.__annotations__:
                yield f"{one.__name__} defines the field {name}, which every observation has; rename it"
        yield from model_faults(one)


def _command_faults(commands: object, namespace: str) -> Iterator[str]:
    if not isinstance(commands, tuple):
        yield "its commands are no tuple"
        return
    seen: set[str] = set()
    for one in commands:
        if not isinstance(one, CommandType):
            yield f"{class_name(one)} among its commands is no drivers.command.CommandType"
            continue
        name: object = one.name
        owner, _, verb = name.partition(".") if isinstance(name, str) else ("", "", "")
        if owner != namespace or not VERB.fullmatch(verb):
            yield f"the command {name} is not like `{namespace}.weigh-out`"
        if verb in RESERVED_VERBS:
            yield f"the command {name} has the verb of a command of every device; choose another"
        if f"{name}" in seen:
            yield f"two commands have the name {name}"
        seen.add(f"{name}")
        for model, base in ((one.request, CommandArguments), (one.done, CommandOutput)):
            checked: object = model
            if not (isinstance(checked, type) and issubclass(checked, base)):
                yield f"{class_name(model)} of the command {name} is no drivers.command.{base.__name__}"
            elif model is not base:
                yield from model_faults(model)
