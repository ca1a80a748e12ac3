"""Every check id and every reason that the code can send has its texts in the contract."""

import ast
import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import chain
from pathlib import Path

import pytest

from drivers.links.link import Cause
from drivers.observation import Outcome
from drivers.passport import check_results
from drivers.passport.fullpage import regula
from drivers.passport.fullpage.vendor_checks import GENERIC_CODES, optical_check_id
from drivers.passport.observations import TransactionEnd
from gateway.contract.reason_codes import CommandReason
from gateway.contract.vocabularies.check_ids import CHECKS
from gateway.contract.vocabularies.device_causes import DEVICE_CAUSES
from gateway.contract.vocabularies.vocabularies import (
    CHECK_IDS,
    CHECK_REASONS,
    COMMAND_REASONS,
    OUTCOMES,
    VOCABULARIES,
    find_text,
)

DRIVERS = Path("drivers")
RECORDINGS = Path("tests/recordings")
WORD = re.compile(r"[a-z]+(_[a-z0-9]+)*")
CATALOGUES = ("CHIP", "SEAL")
RESULTS = {"check", "failed", "undetermined", "not_supported", "aborted"}


def test_enumerations_have_their_texts() -> None:
    assert {str(reason) for reason in CommandReason} == COMMAND_REASONS.keys()
    assert {str(cause) for cause in Cause} == DEVICE_CAUSES.keys()
    assert {str(outcome) for outcome in Outcome} == OUTCOMES.keys()


@pytest.mark.parametrize("name", VOCABULARIES)
def test_texts_are_complete(name: str) -> None:
    for word, entry in VOCABULARIES[name].items():
        for title in entry.title:
            assert title[0].isupper() or title[0].isdigit(), word
            assert not title.endswith("."), word
            assert len(title) <= 75, word
        for sentence in entry.sentence:
            assert sentence.endswith("."), word
            assert len(sentence) <= 160, word
        assert len(set(entry.sentence)) == 3, f"{word}: a sentence was not translated"


@pytest.mark.parametrize("language", ["en", "sw", "fr"])
def test_checks_of_one_document_have_titles_of_their_own(language: str) -> None:
    """The optical ones excepted: their sentence says what is looked for."""
    titles = [getattr(entry.title, language) for entry in CHECKS.values()]
    assert sorted(titles) == sorted(set(titles))


def test_unknown_word_is_shown_as_it_is() -> None:
    assert find_text("check_reasons", "of_next_year").title.fr == "of next year"


# Words that the code can send


@cache
def modules() -> Mapping[Path, ast.Module]:
    return {file: ast.parse(file.read_text()) for file in sorted(DRIVERS.rglob("*.py"))}


def positions_of_reason() -> dict[str, int]:
    """Return functions and records of drivers that take a reason, and its place among their arguments."""
    found = {}
    for node in chain.from_iterable(ast.walk(module) for module in modules().values()):
        if isinstance(node, ast.FunctionDef):
            names = [argument.arg for argument in node.args.args if argument.arg != "self"]
        elif isinstance(node, ast.ClassDef):
            names = [
                each.target.id
                for each in node.body
                if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name)
            ]
        else:
            continue
        if "reason" in names:
            found[node.name] = names.index("reason")
    return found


def words(node: ast.AST | None, scope: ast.AST | None = None) -> Iterator[str]:
    """Yield the words in an expression, and in what was assigned to its names in the same function."""
    for part in ast.walk(node) if node is not None else ():
        if isinstance(part, ast.Constant) and isinstance(part.value, str) and WORD.fullmatch(part.value):
            yield part.value
        elif isinstance(part, ast.Name) and scope is not None:
            for each in ast.walk(scope):
                if isinstance(each, ast.Assign) and any(
                    isinstance(target, ast.Name) and target.id == part.id for target in each.targets
                ):
                    yield from words(each.value)


def sent_reasons(module: ast.Module, takes: Mapping[str, int]) -> Iterator[str]:
    functions = [
        node for node in ast.walk(module) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    for scope in functions or [module]:
        for node in ast.walk(scope):
            match node:
                case ast.Call(func=ast.Attribute(value=ast.Name(id=one), attr=result), args=[_, *rest]) if (
                    one in CATALOGUES and result in RESULTS
                ):
                    for argument in rest:
                        yield from words(argument, scope)
                case ast.Call(func=ast.Name(id=name), args=args) if name in takes and takes[name] < len(args):
                    yield from words(args[takes[name]], scope)
            if isinstance(node, ast.Call):
                for keyword in node.keywords:
                    if keyword.arg == "reason":
                        yield from words(keyword.value, scope)
    for node in ast.walk(module):
        match node:
            case ast.Assign(targets=[ast.Attribute(attr="abort_reason")], value=value):
                yield from words(value)
            case ast.Assign(
                targets=[ast.Name(id="_REASONS" | "_INTERRUPTED")], value=ast.Dict(values=values)
            ):
                for value in values:
                    yield from words(value.elts[0] if isinstance(value, ast.Tuple) else value)


def test_every_reason_that_a_driver_sends_has_its_text() -> None:
    takes = positions_of_reason()
    found: dict[str, Path] = {}
    for file, module in modules().items():
        if file.is_relative_to("drivers/passport"):
            found |= dict.fromkeys(sent_reasons(module, takes), file)
    catalogued = {*check_results.CHIP.reason_texts, *check_results.SEAL.reason_texts}

    assert {word: file for word, file in found.items() if word not in CHECK_REASONS} == {}
    assert catalogued <= CHECK_REASONS.keys()
    # Of each form in which code states a reason.
    assert found.keys() >= {
        "aa_refused", "card_removed", "expired", "line_count", "vendor_word_unknown", "feature_failed",
        "document_removed", "no_chip", "nothing_in_common", "access_uncontrolled", "reader_short_only",
    }  # fmt: skip


def test_no_text_is_left_over() -> None:
    constants = {
        node.value
        for module in modules().values()
        for node in ast.walk(module)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    sent = constants | {str(cause) for cause in Cause} | {str(end) for end in TransactionEnd}
    assert CHECK_REASONS.keys() - sent == set()


def test_every_check_id_has_its_text() -> None:
    constants = {
        value
        for name, value in vars(check_results).items()
        if isinstance(value, str) and re.fullmatch(r"[A-Z_]+", name)
    }
    stated = {
        keyword.value.value
        for file, module in modules().items()
        if file.is_relative_to("drivers/passport")
        for node in ast.walk(module)
        if isinstance(node, ast.Call)
        for keyword in node.keywords
        if keyword.arg == "id" and isinstance(keyword.value, ast.Constant)
    }
    groups = {check_results.data_group_hash(number) for number in range(1, 17)}
    optical = {optical_check_id(code) for code in GENERIC_CODES}
    named = {optical_check_id(name) for name in regula._NAMES.values()}

    sent = {*constants, *stated, *groups, *optical, *named, regula.MODEL_KNOWN}
    assert sent == CHECK_IDS.keys()


def test_checks_of_recordings_have_their_texts() -> None:
    def checks(part: object) -> Iterator[dict[str, str]]:
        match part:
            case {"id": str(), "outcome": str(), **rest}:
                yield {"id": part["id"], "reason": str(rest.get("reason") or "complete")}
            case dict():
                yield from chain.from_iterable(map(checks, part.values()))
            case list():
                yield from chain.from_iterable(map(checks, part))

    seen = [
        check for file in RECORDINGS.rglob("*.events.json") for check in checks(json.loads(file.read_text()))
    ]
    assert len(seen) > 20
    assert {check["id"] for check in seen} - CHECK_IDS.keys() == set()
    assert {check["reason"] for check in seen} - CHECK_REASONS.keys() == set()
