"""Programs of others read the contract: generators of types over every file, linters of AsyncAPI documents.

`make thorough` installs them: tests/oracles/requirements.txt and tests/oracles/node/package-lock.json.
"""

import json
import os
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from support.vendors import acme, kivu

from gateway.contract.documents.asyncapi import HEAD, asyncapi
from gateway.contract.documents.export import DocumentSet, render_documents
from gateway.contract.registry import OURS

ORACLES = Path(".oracles").resolve()
NODE = Path(".node/bin").resolve()
SCRIPTS = Path("tests/oracles").resolve()
CONTRACT = Path("config/contract").resolve()
USE = """
import type { DocumentReadEvent, FaceCapturedEvent, KnownOutcome, Message, Outcome } from "./messages";

const known: KnownOutcome = "failed";
export const outcomes: Outcome[] = [known, "successful", "a_word_of_next_year"];
// @ts-expect-error: the known part is closed.
export const unknown: KnownOutcome = "a_word_of_next_year";

export function read(event: DocumentReadEvent | FaceCapturedEvent): number {
  return event.type === "bgw.document.read.v1" ? event.data.checks.length : event.data.width_px;
}
export const pass = (message: Message): Message => message;
"""

pytestmark = [
    pytest.mark.thorough,
    pytest.mark.timeout(600),
    pytest.mark.skipif(
        not (ORACLES / ".node").exists(), reason="make .oracles/.node installs these programs"
    ),
]


def node(*arguments: str | Path, stdin: str = "", check: bool = True) -> subprocess.CompletedProcess[str]:
    path = f"{NODE}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        [NODE / "node", *arguments],
        input=stdin,
        env={**os.environ, "PATH": path, "NODE_PATH": str(ORACLES / "node_modules")},
        capture_output=True,
        text=True,
        timeout=500,
        check=check,
    )


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Every schema: ours, as they are in the repository, and those of two packages."""
    folder = tmp_path_factory.mktemp("packages")
    packages = DocumentSet((acme.VOCABULARY, kivu.VOCABULARY), HEAD, "test")
    for name, text in render_documents(packages).items():
        if name.startswith("schemas/"):
            (folder / Path(name).name).write_text(text)
    ours = [*CONTRACT.glob("schemas/*.json"), CONTRACT / "messages.json"]
    return sorted([*ours, *folder.glob("*.json")])


def test_typescript_of_every_file_compiles(files: list[Path], tmp_path: Path) -> None:
    document = tmp_path / "asyncapi.json"
    document.write_text(json.dumps(asyncapi()))

    generated = node(SCRIPTS / "node/generate_types.js", tmp_path / "types", *files, document)
    assert json.loads(generated.stdout) == []
    for generator in ("json-schema-to-typescript", "quicktype", "Modelina"):
        assert len(list((tmp_path / "types" / generator).iterdir())) >= len(files)

    (tmp_path / "types/json-schema-to-typescript/use.ts").write_text(USE)
    (tmp_path / "tsconfig.json").write_text(
        json.dumps(
            {
                "compilerOptions": {
                    "strict": True, "noEmit": True, "target": "ES2022", "module": "ESNext",
                    "moduleResolution": "bundler", "types": [],
                },
                "include": ["types/**/*.ts"],
            }
        )
    )  # fmt: skip
    compiled = node(ORACLES / "node_modules/typescript/bin/tsc", "-p", tmp_path, check=False)
    assert (compiled.returncode, compiled.stdout) == (0, "")


def test_each_type_has_one_name(tmp_path: Path) -> None:
    """A second type of one name, `Outcome1`, comes of a title that is there twice."""
    types = tmp_path / "types"
    node(SCRIPTS / "node/generate_types.js", types, CONTRACT / "messages.json")

    written = (types / "json-schema-to-typescript/messages.ts").read_text()
    names = [line.split()[2] for line in written.splitlines() if line.startswith("export ")]
    found = json.loads((CONTRACT / "messages.json").read_text())["$defs"]
    assert set(names) <= {"Message", *found}


def test_models_of_python_of_every_file_are_importable(files: list[Path], tmp_path: Path) -> None:
    done = subprocess.run(
        [ORACLES / "bin/python", SCRIPTS / "generate_models.py", tmp_path / "models", *files],
        capture_output=True,
        text=True,
        timeout=500,
        check=True,
    )

    assert json.loads(done.stdout) == []
    assert len(list((tmp_path / "models").glob("*.py"))) == len(files)


def problems(diagnostics: Iterable[dict[str, Any]]) -> set[tuple[str, str]]:
    """Return errors and warnings; not that the project has no public address yet (see pyproject.toml)."""
    return {
        (one["code"], "/".join(map(str, one["path"])))
        for one in diagnostics
        if one["severity"] <= 1 and one["code"] != "asyncapi-info-contact-properties"
    }


def test_asyncapi_documents_have_no_fault() -> None:
    text = (CONTRACT / "asyncapi.yaml").read_text()
    packages = asyncapi((acme.VOCABULARY, kivu.VOCABULARY))
    wrong = asyncapi((OURS,))
    wrong["operations"]["send device.state"]["action"] = "shout"

    done = node(
        SCRIPTS / "node/lint_asyncapi.js",
        stdin=json.dumps([text, json.dumps(packages), json.dumps(wrong)]),
    )
    found, of_packages, refused = json.loads(done.stdout)

    assert problems(found["diagnostics"]) == problems(of_packages["diagnostics"]) == set()
    assert len(found["channels"]) == len(asyncapi()["channels"])
    assert [one for one in refused["diagnostics"] if one["severity"] == 0]
