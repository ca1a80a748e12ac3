"""Faults of vocabularies: the text of a faulty module, and the sentence of its fault."""

VOCABULARY_WORDS = '''
from datetime import datetime, time
from typing import Callable, ClassVar
from pydantic import Field, field_validator
from drivers.command import CommandArguments, CommandOutput, CommandType
from drivers.observation import DataClass, Observation
from drivers.vocabulary import Vocabulary

class Weighed(Observation):
    """An object lies on the scale."""
    event_type: ClassVar[str] = "acme.scale.weighed"
    data_class: ClassVar[DataClass] = DataClass.RECORD
    unredacted_fields = Observation.unredacted_fields | {"mass_kg"}
    mass_kg: float = Field(description="Mass, in kilograms.", examples=[23.4])

class WeighOut(CommandArguments):
    """Release so much from the hopper."""
    mass_kg: float = Field(description="Mass, in kilograms.", examples=[0.5])

WEIGH_OUT = CommandType("acme.weigh-out", WeighOut, CommandOutput)
'''
FINE_VOCABULARY = 'VOCABULARY = Vocabulary("acme", 2, (Weighed,), (WEIGH_OUT,))'


def vocabulary(observations: str = "(Weighed,)", commands: str = "(WEIGH_OUT,)", version: str = "2") -> str:
    return f'VOCABULARY = Vocabulary("acme", {version}, {observations}, {commands})'


def weighed(text: str) -> str:
    """Return a vocabulary whose only observation has changed lines."""
    return f'class Other(Weighed):\n    """Another."""\n    {text}\n' + vocabulary("(Other,)")


def naive_time(field: str) -> str:
    return (
        f"the field {field} of Other allows a time without an offset, which each country would read in its "
        "own zone; use pydantic.AwareDatetime"
    )


VOCABULARY_FAULTS = {
    "no_vocabulary": ("VOCABULARY = 5", "it is a int, no drivers.vocabulary.Vocabulary"),
    "no_name": ("", "AttributeError: module 'acme_scale' has no attribute 'VOCABULARY'"),
    "raises": ("raise OSError('no licence')", "OSError: no licence"),
    "exits": ("raise SystemExit(78)", "SystemExit: 78"),
    "device_library": (
        "import acme_sdk.usb",
        "the module acme_scale cannot be imported, because it imports acme_sdk, which is not installed here; "
        "install that, or a version of the package whose vocabulary needs no device library",
    ),
    "broken_library": (
        "raise ImportError('libacme.so.2: cannot open shared object file', name='acme_sdk')",
        "the module acme_scale cannot be imported, because it imports acme_sdk, which cannot be loaded here "
        "(libacme.so.2: cannot open shared object file); mend the installation of that, or install a version "
        "of the package whose vocabulary needs no device library",
    ),
    "explained_library": ("raise ImportError('give ACME_HOME')", "ImportError: give ACME_HOME"),
    "malformed_namespace": (
        'VOCABULARY = Vocabulary("Acme/#", 1)',
        "its namespace is no word of lower-case letters, digits and underscores",
    ),
    "our_namespace": (
        'VOCABULARY = Vocabulary("document", 1)',
        "the namespace document belongs to the gateway; choose another, such as your company's name",
    ),
    "other_namespace": (
        'VOCABULARY = Vocabulary("kivu", 1)',
        "its namespace is kivu, but its entry point is named acme; give both one name",
    ),
    "version_of_text": (vocabulary(version="'2'"), "its version is no number from 1 to 9999"),
    "observations_no_tuple": (vocabulary("[Weighed]"), "its observations are no tuple"),
    "no_observation": (
        vocabulary("(int,)"),
        "int is no subclass of drivers.observation.Observation",
    ),
    "event_type_of_others": (
        weighed('event_type = "document.read"'),
        "the event type document.read is outside the namespace: begin it with `acme.`",
    ),
    "event_type_malformed": (
        weighed('event_type = "acme/#"'),
        "the event_type of Other is not like `document.read`",
    ),
    "event_type_twice": (
        vocabulary("(Weighed, Weighed)"),
        "two observations have the event type acme.scale.weighed",
    ),
    "data_class": (weighed('data_class = "secret"'), "the data_class of Other is no DataClass"),
    "state_about_person": (
        weighed("is_state = True; data_class = DataClass.TRAVELLER"),
        "TypeError: Other is about a person and must not be a state",
    ),
    "field_of_all": (
        weighed("wire: str = Field('', description='Wire.', examples=[''])"),
        "Other defines the field wire, which every observation has; rename it",
    ),
    "no_description": (
        weighed("unit: str = Field('kg', examples=['kg'])"),
        "the field unit of Other has no description",
    ),
    "no_examples": (
        weighed("unit: str = Field('kg', description='Unit.')"),
        "the field unit of Other has no examples",
    ),
    "no_docstring": (
        "class Other(Weighed): pass\n" + vocabulary("(Other,)"),
        "Other has no docstring, which describes it in the contract",
    ),
    "open_model": (
        weighed('model_config = {"extra": "allow"}'),
        "Other changes the model_config of its base, which forbids other fields and changes",
    ),
    "no_schema": (
        weighed("lock: Callable[[], None] = Field(description='Lock.', examples=[1])"),
        "Other has no JSON Schema (PydanticInvalidForJsonSchema)",
    ),
    "validator": (
        weighed(
            '@field_validator("mass_kg")\n    @classmethod\n    def round_up(cls, value): return value + 1'
        ),
        "Other has a validator, a serializer or a constructor, which the gateway itself would run; "
        "use types and the limits of Field, and compute values in the driver",
    ),
    "time_without_offset": (
        weighed("at: datetime = Field(description='When.', examples=['2026-01-01T00:00:00Z'])"),
        naive_time("at"),
    ),
    "time_of_day": (
        weighed("at: time = Field(description='When.', examples=['12:00:00'])"),
        naive_time("at"),
    ),
    "nested_time_without_offset": (
        weighed("times: tuple[datetime | None, ...] = Field(description='When.', examples=[[]])"),
        naive_time("times"),
    ),
    "unredacted_stranger": (
        weighed('unredacted_fields = frozenset({"colour"})'),
        "TypeError: Other.unredacted_fields names no field of it: colour",
    ),
    "commands_no_tuple": (vocabulary(commands="[WEIGH_OUT]"), "its commands are no tuple"),
    "no_command": (
        vocabulary(commands='("acme.tare",)'),
        "a str among its commands is no drivers.command.CommandType",
    ),
    "command_of_others": (
        vocabulary(commands='(CommandType("barrier.open", WeighOut, CommandOutput),)'),
        "the command barrier.open is not like `acme.weigh-out`",
    ),
    "verb_malformed": (
        vocabulary(commands='(CommandType("acme.weigh/+", WeighOut, CommandOutput),)'),
        "the command acme.weigh/+ is not like `acme.weigh-out`",
    ),
    "verb_reserved": (
        vocabulary(commands='(CommandType("acme.claim", WeighOut, CommandOutput),)'),
        "the command acme.claim has the verb of a command of every device; choose another",
    ),
    "verb_twice": (
        vocabulary(commands="(WEIGH_OUT, WEIGH_OUT)"),
        "two commands have the name acme.weigh-out",
    ),
    "request_no_model": (
        vocabulary(commands='(CommandType("acme.tare", dict, CommandOutput),)'),
        "dict of the command acme.tare is no drivers.command.CommandArguments",
    ),
    "result_no_model": (
        vocabulary(commands='(CommandType("acme.tare", WeighOut, WeighOut),)'),
        "WeighOut of the command acme.tare is no drivers.command.CommandOutput",
    ),
}
