"""Contract by package: what it adds, beside ours and beside another package with the same names."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator
from support.packages import Install, install
from support.vendors import acme, kivu, texts
from typer.testing import CliRunner, Result

from drivers.command import CommandArguments, CommandOutput, CommandType
from drivers.packages.vocabularies import InstalledVocabulary
from drivers.vocabulary import Vocabulary
from gateway.cli import app
from gateway.contract.documents.asyncapi import asyncapi
from gateway.contract.documents.asyncapi_commands import answer_example, command_example
from gateway.contract.documents.compatibility import find_narrowings
from gateway.contract.documents.definitions import definitions, definitions_of, message_schema
from gateway.contract.documents.export import package_documents, render_documents
from gateway.contract.documents.schemas import event_example, last_value_example, schemas
from gateway.contract.registry import OURS

__all__ = ["install"]

ACME, KIVU = acme.VOCABULARY, kivu.VOCABULARY
INSTALLED = (InstalledVocabulary(ACME, "acme-scales", "1.2"), InstalledVocabulary(KIVU, "kivu-scales", "3"))
PREFIX = "#/components/schemas/"


def parts(schema: Any) -> Iterator[dict[str, Any]]:
    if isinstance(schema, dict):
        yield schema
    for part in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
        yield from parts(part)


def messages(vocabulary: Vocabulary) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield an example of every message of a vocabulary, and the name of its definition."""
    names, version = definitions_of(vocabulary), vocabulary.version
    for event, name in names.events.items():
        yield name, event_example(event, version)
    for event, name in names.last_values.items():
        yield name, last_value_example(event, version)
    for kind in vocabulary.commands:
        yield names.commands[kind], command_example(kind)
        yield names.answers[kind], answer_example(kind)


def test_files_of_package_are_its_own() -> None:
    files = render_documents(package_documents(INSTALLED[:1], whole=False))
    assert {name for name in files if name.startswith("schemas/")} == {
        f"schemas/{name}.json"
        for name in (
            "acme.weighed.v2.data",
            "acme.weighed.v2.event",
            "acme.level.v2.data",
            "acme.level.v2.event",
            "acme.level.v2.last-value",
            "command.acme.weigh.v2.args",
            "command.acme.weigh.v2.result",
        )
    }
    document = yaml.safe_load(files["asyncapi.yaml"])
    assert set(document["channels"]) == {
        "acme.weighed", "acme.level", "acme.level.last-value", "command", "answer"
    }  # fmt: skip
    assert document["id"] == "urn:bgw:contract:acme:v2"
    assert "A piece of luggage was weighed." in files["EVENTS.md"]
    assert "document.read" not in files["EVENTS.md"]


@pytest.mark.parametrize("vocabularies", [(ACME,), (ACME, KIVU), (OURS, ACME, KIVU)], ids=len)
def test_document_defines_exactly_what_it_uses(vocabularies: tuple[Vocabulary, ...]) -> None:
    document = asyncapi(vocabularies)
    used = {part["$ref"] for part in parts(document) if isinstance(part.get("$ref"), str)}
    for kind in ("schemas", "messages", "parameters"):
        inside = {one.rpartition("/")[2] for one in used if one.startswith(f"#/components/{kind}/")}
        assert inside == set(document["components"][kind])
    assert {one.split("/")[1] for one in used} <= {"components", "channels", "servers"}


@pytest.mark.parametrize("vocabularies", [(ACME,), (ACME, KIVU), (OURS, ACME, KIVU)], ids=len)
def test_messages_fit_their_definitions_and_no_other(vocabularies: tuple[Vocabulary, ...]) -> None:
    whole = Draft7Validator(message_schema(vocabularies))
    found = definitions(vocabularies)
    for vocabulary in (ACME, KIVU):
        for name, message in messages(vocabulary):
            assert whole.is_valid(message) == (vocabulary in vocabularies), name
            if vocabulary in vocabularies:
                Draft7Validator({"$ref": f"#/$defs/{name}", "$defs": dict(found)}).validate(message)
    weighed = event_example(acme.Weighed, 2)
    assert not whole.is_valid(weighed | {"type": "bgw.acme.weighed.v1"})
    assert not whole.is_valid(weighed | {"data": {"attachments": []}})


def test_files_of_messages_are_valid_alone() -> None:
    for vocabulary in (ACME, KIVU):
        files = schemas(vocabulary)
        identities = [schema["$id"] for schema in files.values()]
        assert len(set(identities)) == len(files)
        for schema in files.values():
            Draft7Validator.check_schema(schema)
        for event in vocabulary.observations:
            name = f"{event.event_type}.v{vocabulary.version}"
            message = event_example(event, vocabulary.version)
            Draft7Validator(files[f"{name}.event.json"]).validate(message)
            assert message["dataschema"] == files[f"{name}.data.json"]["$id"]


def test_packages_change_nothing_of_ours() -> None:
    both = definitions((OURS, ACME, KIVU))
    assert {name: both[name] for name in definitions()} == definitions()
    document, ours = asyncapi((OURS, ACME, KIVU)), asyncapi()
    for kind in ("schemas", "messages"):
        assert {name: document["components"][kind][name] for name in ours["components"][kind]} == ours[
            "components"
        ][kind]


def test_equal_names_of_two_packages_are_told_apart() -> None:
    both = definitions((ACME, KIVU))
    assert both["AcmeWeighed"]["properties"].keys() >= {"grams", "owner"}
    assert both["KivuWeighed"]["properties"].keys() >= {"kilograms"}
    assert both["AcmeWeighed"]["title"] == "AcmeWeighed"
    assert both["AcmeUnit"] != both["KivuUnit"]
    assert [name for name in both if "__" in name or name in ("Weighed", "Unit")] == []
    assert "Attachment" in both, "shared with ours, so it keeps its name"
    document = asyncapi((ACME, KIVU))
    assert {"receive acme.weigh", "receive kivu.weigh"} <= document["operations"].keys()


class Check(CommandArguments):
    """Has the name of another model of ours."""


class WeighAnswer(CommandOutput):
    """Has the name of the definition of its command's answer."""

    check: str


def test_any_names_of_models_are_possible() -> None:
    odd = Vocabulary("odd", 1, (), (CommandType("odd.weigh", Check, WeighAnswer),))
    found = definitions((OURS, odd))
    assert found["OddWeighAnswerModel"]["properties"].keys() == {"check"}
    assert found["OddWeighAnswer"]["allOf"][0] == {"$ref": "#/$defs/AnswerEnvelope"}
    assert found["OddCheckArgs"]["additionalProperties"] is False


def test_narrowing_of_package_is_found() -> None:
    old = schemas(ACME)["acme.weighed.v2.data.json"]
    new = json.loads(json.dumps(old))
    del new["properties"]["grams"]
    assert find_narrowings(old, new) == ["grams: the field was removed"]


def contract(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["contract", *map(str, arguments)], env={"COLUMNS": "200"})


def test_documents_of_installed_packages(install: Install, tmp_path: Path) -> None:
    for name, text in texts().items():
        install(f"{name}-scales", text, vocabularies={name: f"{name}_scales:VOCABULARY"})
    folder = tmp_path / "contract"

    written = contract(folder, "--package", "acme-scales")
    assert written.exit_code == 0
    assert "acme.weighed.v2.event.json" in written.output
    assert contract(folder, "--package", "acme", "--check").exit_code == 0
    files = {str(file.relative_to(folder)) for file in folder.rglob("*.*") if file.is_file()}
    assert files == set(render_documents(package_documents(INSTALLED[:1], whole=False)))

    assert contract(folder, "--package", "acme", "--package", "kivu").exit_code == 0
    assert (folder / "schemas/kivu.weighed.v1.event.json").exists()
    changed = contract(folder, "--package", "acme", "--check")
    assert changed.exit_code == 1
    assert "run `borderpost contract --package acme`" in changed.output


def test_change_that_breaks_consumers_is_named(install: Install, tmp_path: Path) -> None:
    install("acme-scales", texts()["acme"], vocabularies={"acme": "acme_scales:VOCABULARY"})
    assert contract(tmp_path, "--package", "acme").stderr == ""
    for name, field in (("acme.weighed.v2.data", "colour"), ("command.acme.weigh.v2.result", "litres")):
        file = tmp_path / "schemas" / f"{name}.json"
        released = json.loads(file.read_text())
        released["properties"][field] = {"type": "string"}
        file.write_text(json.dumps(released))
    (tmp_path / "schemas/acme.level.v2.data.json").write_text("no JSON")

    said = contract(tmp_path, "--package", "acme").stderr
    assert "increase the version of the vocabulary" in said
    assert "schemas/acme.weighed.v2.data.json: colour: the field was removed" in said
    assert "schemas/command.acme.weigh.v2.result.json: litres: the field was removed" in said
    assert contract(tmp_path, "--package", "acme").stderr == ""


def test_whole_contract_has_packages_and_ours() -> None:
    whole = package_documents(INSTALLED, whole=True)
    assert whole.vocabularies == (OURS, ACME, KIVU)
    assert whole.command == "borderpost contract --package acme --package kivu --whole"
    document = asyncapi(whole.vocabularies, whole.head)
    assert {"device.state", "document.read", "acme.weighed", "kivu.weighed"} <= document["channels"].keys()
    assert document["info"]["title"].endswith("with devices of acme-scales and kivu-scales")


def test_other_files_of_a_project_stay(install: Install, tmp_path: Path) -> None:
    install("acme-scales", texts()["acme"], vocabularies={"acme": "acme_scales:VOCABULARY"})
    others = ("package.json", "compose.yaml", "schemas/mine.json")
    for name in others:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text('{"name": "mine"}')
    stray = tmp_path / "schemas/acme.level.v1.data.json"
    stray.write_text(json.dumps(schemas(ACME)["acme.level.v2.data.json"], indent=2))

    assert contract(tmp_path, "--package", "acme").exit_code == 0
    assert all((tmp_path / name).exists() for name in others)
    assert not stray.exists()


@pytest.mark.parametrize(
    ("name", "arguments", "text"),
    [
        ("acme", ("--whole",), "--whole needs --package NAME"),
        ("acme", ("--package", "nyati"), "no installed package nyati has events or commands of its own"),
        ("acme", ("--package", "nyati"), "acme-scales (acme)"),
        ("wrong", ("--package", "wrong-scales"), "its namespace is acme, but its entry point is named wrong"),
        ("wrong", ("--package", "wrong"), "of wrong-scales 1.2"),
    ],
)
def test_package_without_contract_is_refused(
    install: Install, name: str, arguments: tuple[str, ...], text: str
) -> None:
    module = f"{name}_scales"
    install(f"{name}-scales", texts()["acme"], vocabularies={name: f"{module}:VOCABULARY"})
    refused = contract(*arguments)
    assert refused.exit_code != 0
    assert text in refused.output
    assert not Path("contract").exists()


def test_device_library_of_vocabulary_is_named(install: Install) -> None:
    install("acme-scales", "import acme_sdk", vocabularies={"acme": "acme_scales:VOCABULARY"})
    refused = contract("--package", "acme-scales")
    assert refused.exit_code == os.EX_DATAERR
    said = " ".join(refused.output.split())
    assert "vocabulary acme of acme-scales 1.2: the module acme_scales cannot be imported" in said
    assert "it imports acme_sdk, which is not installed here" in said
