"""Models of the events and commands that a workstation knows: ours, and those of packages at this desk.

Reads the vocabularies of packages, never their drivers. What fits no model stays plain JSON: a desk may lack
a package, or have another version of it than the gateway.
"""

import re
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from pydantic import BaseModel
from pydantic_core import to_json

from drivers.command import CommandArguments, CommandOutput, CommandType
from drivers.observation import Observation
from drivers.vocabulary import Vocabulary
from gateway.client.problems import log_warning
from gateway.common.printable import printable
from gateway.contract.commands import args_schema_id, result_schema_id
from gateway.contract.envelope import SCHEMA_BASE, Event, to_cloudevents_type, to_schema_id
from gateway.contract.last_values import LastValueMessage
from gateway.contract.registry import OURS
from gateway.contract.states import DeviceDescription

OnUndecoded = Callable[[str], None]
"""Function that takes the sentence why data are passed on as plain JSON."""
MAX_SENTENCES = 100
"""Number of such sentences of one workstation: schema ids are the sender's words."""
_REMEDY = "Install the version of the package that the gateway has."
_OUR_EVENTS: dict[str, type[Observation]] = {
    to_cloudevents_type(event.event_type): event for event in OURS.observations
}
_OUR_RESULTS = {kind.name: kind.done for kind in OURS.commands}
ModelT = TypeVar("ModelT", bound=BaseModel)


class Decoder:
    """Converter of received data to their models, by the ids of their schemas."""

    def __init__(self, vocabularies: Iterable[Vocabulary], on_undecoded: OnUndecoded | None = None) -> None:
        """`vocabularies`: those of packages, one for each namespace. Without `on_undecoded`: a warning."""
        self._on_undecoded = on_undecoded or log_warning
        self._said: set[str] = set()
        self._versions: dict[str, int] = {}
        self._events: dict[tuple[str, str], type[Observation]] = {}
        """Models of packages by the type and the schema id of an event."""
        self._results = {result_schema_id(kind.name): kind.done for kind in OURS.commands}
        self._arguments: dict[type[object], set[str]] = {}
        """Schema ids of the models that only packages have."""
        for vocabulary in vocabularies:
            self._add(vocabulary)

    def _add(self, vocabulary: Vocabulary) -> None:
        version = self._versions[vocabulary.namespace] = vocabulary.version
        for event in vocabulary.observations:
            names = to_cloudevents_type(event.event_type, version), to_schema_id(event.event_type, version)
            self._events[names] = event
        for kind in vocabulary.commands:
            self._results[result_schema_id(kind.name, version)] = kind.done
            if kind.request is not CommandArguments:
                self._arguments.setdefault(kind.request, set()).add(args_schema_id(kind.name, version))

    def observation(self, message: Event[Any] | LastValueMessage[Any]) -> Observation | dict[str, Any]:
        """Convert the data of an event to its model; without one that fits they stay plain JSON.

        Raises ValidationError for data that do not fit a model of ours.
        """
        data: dict[str, Any] = message.data
        if (ours := _OUR_EVENTS.get(message.type)) is not None:
            return ours.model_validate(data, extra="ignore")
        model = self._events.get((message.type, message.dataschema))
        if model is None:
            self._report_unknown(message.dataschema)
            return data
        found = self._fitted(model, data, message.dataschema)
        return data if found is None else found

    def result(
        self,
        description: DeviceDescription,
        verb: str,
        done: type[CommandOutput] | None,
        said: dict[str, Any],
    ) -> CommandOutput | dict[str, Any]:
        """Convert the result of a command to `done`, or to the model that the device's description names."""
        schema = next((one.result for one in description.commands if one.verb == verb), "")
        model = done or self._results.get(schema)
        if model is None and not schema:
            model = _OUR_RESULTS.get(f"device.{verb}") or _OUR_RESULTS.get(f"{description.family}.{verb}")
        found = None if model is None else self._fitted(model, said, schema)
        return said if found is None else found

    def expected_arguments(
        self, description: DeviceDescription, command: str | CommandType[Any, Any], request: object
    ) -> str | None:
        """Return the schema id that a device expects, if a command or its arguments are of another one.

        Two vendors may have one verb, and arguments of one that the other accepts with another meaning.
        """
        verb = command if isinstance(command, str) else command.verb
        expected = next((one.args for one in description.commands if one.verb == verb), None)
        if expected is None:
            return None
        if isinstance(command, CommandType):
            # The version of a package that is not here is unknown; ours is 1.
            version = self._versions.get(command.name.partition(".")[0], _version_of(expected))
            known = {args_schema_id(command.name, version)}
        else:
            known = self._arguments.get(type(request), {expected})
        return None if expected in known else expected

    def _fitted(self, model: type[ModelT], data: Any, schema: str) -> ModelT | None:
        """Convert as the gateway does, from JSON; return None for data that do not fit."""
        try:
            return model.model_validate_json(to_json(data), extra="ignore")
        except Exception as error:  # noqa: BLE001 - validators of another package may fail in any way
            name = schema or model.__name__
            self._say(
                name,
                f"Data of {_short(name)} are passed on as JSON: they do not fit their model "
                f"({type(error).__name__}). {_REMEDY}",
            )
            return None

    def _report_unknown(self, schema: str) -> None:
        """Say once that a package is here, and its vocabulary has no such schema."""
        namespace = schema.removeprefix(SCHEMA_BASE).partition(".")[0]
        if (version := self._versions.get(namespace)) is not None:
            self._say(
                schema,
                f"Data of {_short(schema)} are passed on as JSON: the vocabulary {namespace}, here in "
                f"version {version}, has no model for them. {_REMEDY}",
            )

    def _say(self, schema: str, text: str) -> None:
        if schema not in self._said and len(self._said) < MAX_SENTENCES:
            self._said.add(schema)
            self._on_undecoded(text)


def _version_of(schema: str) -> int:
    """Return the version in the id of a schema of arguments; 1 if it has none."""
    found = re.search(r":v([0-9]{1,9}):", schema)
    return int(found[1]) if found else 1


def _short(schema: str) -> str:
    return printable(schema[:120])


def desk_decoder(vocabularies: Iterable[Vocabulary] | None, on_undecoded: OnUndecoded | None) -> Decoder:
    """Return the decoder for given vocabularies, or for the packages that are installed here (None).

    Faults of installed ones are said to `on_undecoded`; raises ValueError for a given one that is faulty.
    """
    # Imported here: a search for packages costs a program time that only imports the client.
    from drivers.packages.vocabularies import faults_of_vocabularies, installed_vocabularies
    from drivers.packages.vocabulary_faults import vocabulary_faults

    if vocabularies is None:
        for fault in faults_of_vocabularies():
            (on_undecoded or log_warning)(f"Events are passed on as JSON, because of the {fault}.")
        return Decoder((one.vocabulary for one in installed_vocabularies()), on_undecoded)
    given: dict[str, Vocabulary] = {}
    for vocabulary in vocabularies:
        name = vocabulary.namespace
        for text in vocabulary_faults(vocabulary, name):
            raise ValueError(f"the vocabulary {name} cannot be used: {text}")
        if given.setdefault(name, vocabulary) is not vocabulary:
            raise ValueError(f"two of the vocabularies have the namespace {name}")
    return Decoder(given.values(), on_undecoded)
