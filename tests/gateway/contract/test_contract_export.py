"""config/contract equals the models, and other tools can read it."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from filelock import FileLock
from support.vendors import acme, kivu

from gateway.contract.asyncapi import asyncapi
from gateway.contract.export import DocumentDifference, compare, render_documents, write
from gateway.contract.registry import EVENTS, GATEWAY_EVENTS
from gateway.contract.topics import DeviceTopic, Position, SiteTopics

ROOT = Path(__file__).parents[3]
PARSER = "@asyncapi/parser@3.6.3"
READ = """
const { Parser } = require("@asyncapi/parser");
const read = async (text) => {
  const { document, diagnostics } = await new Parser().parse(text);
  const channels = document ? document.channels().all().map((channel) => channel.address()) : [];
  return { channels, diagnostics };
};
(async () => {
  const texts = JSON.parse(require("fs").readFileSync(0, "utf8")), found = [];
  for (const text of texts) found.push(await read(text));
  console.log(JSON.stringify(found));
})();
"""

TOKEN = "send gateway.fresh"
RETAINED = ("device.state", "gateway.state", ".description", ".last-value", "send device.claim", TOKEN)


def test_files_equal_models() -> None:
    assert [str(drift) for drift in compare(ROOT / "config/contract")] == []


def test_written_files_equal_models(tmp_path: Path) -> None:
    assert {drift.kind for drift in compare(tmp_path)} == {"missing"}
    assert len(write(tmp_path)) == len(render_documents())
    assert compare(tmp_path) == []
    assert write(tmp_path) == ()

    (tmp_path / "asyncapi.yaml").write_text("x")
    (tmp_path / "schemas/face.read.v1.data.json").write_text('{"$id": "urn:bgw:schema:face.read:v1"}')
    (tmp_path / "README.md").write_text("not ours")
    assert compare(tmp_path) == [
        DocumentDifference("asyncapi.yaml", "changed"),
        DocumentDifference("schemas/face.read.v1.data.json", "stray"),
    ]
    assert "borderpost contract" in str(compare(tmp_path)[0])

    write(tmp_path)
    assert compare(tmp_path) == []
    assert (tmp_path / "README.md").exists()


def test_every_topic_has_channel() -> None:
    channels = asyncapi()["channels"]
    topics = SiteTopics("{site}", "{gateway}")
    device = Position("{lane}", "{device}")

    assert {channel["address"] for channel in channels.values()} == {
        topics.gateway_state,
        topics.fresh,
        topics.description(device),
        topics.state(device),
        topics.claim(device),
        topics.command(device, "{verb}", "{station}"),
        topics.answer(device, "{station}"),
        topics.blob(device, "{event_id}", "{role}"),
        topics.preview(device, "{station}"),
        *(topics.event(device, event.event_type) for event in EVENTS if event not in GATEWAY_EVENTS),
        *(topics.event(topics.gateway_position, event.event_type) for event in GATEWAY_EVENTS),
        *(topics.last_value(device, event.event_type) for event in EVENTS if event.is_state),
    }


def test_only_states_are_retained() -> None:
    for name, operation in asyncapi()["operations"].items():
        binding = operation["bindings"]["mqtt"]
        assert binding["qos"] == 1
        assert binding["retain"] == name.endswith(RETAINED)
        assert ("messageExpiryInterval" in binding) == (not binding["retain"] or name == TOKEN)


def test_address_examples_are_topics() -> None:
    document = asyncapi()
    for channel in document["channels"].values():
        address = channel["address"]
        for name, parameter in document["components"]["parameters"].items():
            address = address.replace(f"{{{name}}}", parameter["examples"][0])
        assert "{" not in address
        assert ("_gw" in address) == (DeviceTopic.parse(address) is None)


def test_the_yaml_is_the_document() -> None:
    assert yaml.safe_load(render_documents()["asyncapi.yaml"]) == json.loads(json.dumps(asyncapi()))


@pytest.fixture(scope="session")
def asyncapi_parser() -> Path:
    """Directory where npm has installed AsyncAPI's own parser; once for all workers and runs."""
    if shutil.which("npm") is None or shutil.which("node") is None:
        pytest.skip("npm and node, from https://nodejs.org or apt install npm, read the AsyncAPI document")
    folder = ROOT / ".cache/npm"
    folder.mkdir(parents=True, exist_ok=True)
    installed = folder / "installed"
    with FileLock(folder / "lock"):
        if not installed.exists() or installed.read_text() != PARSER:
            command = [
                "npm",
                "install",
                "--no-fund",
                "--no-audit",
                "--silent",
                "--prefix",
                str(folder),
                PARSER,
            ]
            done = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)
            assert done.returncode == 0, f"{' '.join(command)}\n{done.stderr}"
            installed.write_text(PARSER)
    return folder


def parsed(parser: Path, *texts: str) -> list[dict[str, Any]]:
    """Parse texts with AsyncAPI's parser, in one process: each start costs half as much again."""
    done = subprocess.run(
        ["node", "--max-semi-space-size=64", "--single-threaded-gc", "-e", READ],
        input=json.dumps(texts),
        env={**os.environ, "NODE_PATH": str(parser / "node_modules")},
        cwd=parser,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


@pytest.mark.thorough
@pytest.mark.timeout(300)
def test_asyncapi_parser_accepts_document(asyncapi_parser: Path) -> None:
    text = (ROOT / "config/contract/asyncapi.yaml").read_text()
    wrong = asyncapi()
    wrong["operations"]["send device.state"]["action"] = "shout"

    packages = asyncapi((acme.VOCABULARY, kivu.VOCABULARY))

    found, of_packages, refused = parsed(asyncapi_parser, text, json.dumps(packages), json.dumps(wrong))

    # 0 is an error, 1 a warning; the rest is advice, such as to give an operation tags.
    for good in (found, of_packages):
        assert [one for one in good["diagnostics"] if one["severity"] <= 1] == []
    assert len(found["channels"]) == len(asyncapi()["channels"])
    assert [one for one in refused["diagnostics"] if one["severity"] == 0]
