"""`borderpost sim`: requests of a command line to a simulated post."""

import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from gateway.cli import app
from gateway.cli import sim as sim_command
from gateway.cli._demo.running_demo import published
from gateway.testing.post.devices import simulated_devices, wait_for_devices

READER = """
[[simulator]]
name = "lane-1/reader"
kind = "document-bridge"
port = 0
dwell_s = 600
"""


def run(*words: str, environment: dict[str, str] | None = None) -> Result:
    return CliRunner().invoke(app, ["sim", *words], env=environment)


@pytest.fixture(scope="module")
def post() -> Iterator[Path]:
    """Run a post of one reader; its folder."""
    with tempfile.TemporaryDirectory(prefix="sim-") as name:
        folder = Path(name)
        (folder / "simulated.toml").write_text(READER)
        with simulated_devices(folder / "simulated.toml", folder) as (_, ready):
            assert wait_for_devices(ready)
            yield folder


@pytest.mark.parametrize(
    ("words", "request_"),
    [
        (("list",), {"do": "list"}),
        (("reset",), {"do": "reset"}),
        (("reset", "within_s=5"), {"do": "reset", "within_s": 5}),
        (
            ("insert", "lane-1/reader", "member=photocopy"),
            {"do": "insert", "name": "lane-1/reader", "member": "photocopy"},
        ),
        (
            ("insert", "lane-1/reader", 'fields={"surname": "Zorbane"}', "copied=true"),
            {"do": "insert", "name": "lane-1/reader", "fields": {"surname": "Zorbane"}, "copied": True},
        ),
        (
            ("fault", "lane-1/reader", "unplug", "for_s=2"),
            {"do": "fault", "name": "lane-1/reader", "fault": "unplug", "args": {"for_s": 2}},
        ),
        (
            ("wait", "lane-1/reader", "host_connected=true", "within_s=3"),
            {"do": "wait", "name": "lane-1/reader", "until": {"host_connected": True}, "within_s": 3},
        ),
    ],
)
def test_words_are_a_request(words: tuple[str, ...], request_: dict[str, Any]) -> None:
    assert sim_command.make_request(words[0], list(words[1:])) == request_


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("insert",), "insert: name the device, such as lane-1/reader"),
        (("fault", "lane-1/reader"), "fault: name the fault after the device"),
        (("insert", "lane-1/reader", "photocopy"), "photocopy: write arguments as NAME=VALUE"),
        (("list",), "no demo is running: name the control socket"),
    ],
)
def test_wrong_words_name_the_remedy(
    words: tuple[str, ...], error: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    ended = run(*words)
    assert ended.exit_code == os.EX_USAGE
    assert error in ended.stderr


def test_answers_of_a_post(post: Path) -> None:
    given = run("insert", "lane-1/reader", "member=photocopy", "--socket", str(post))
    assert (given.exit_code, json.loads(given.stdout)["truth"]["member"]) == (0, "photocopy")
    told = run("truth", environment={"BORDERPOST_SIMULATORS": str(post / "simulators.sock")})
    assert json.loads(told.stdout)["presented"][0]["forged"] == "whole page"
    refused = run("insert", "lane-1/reader", "member=somebody", "--socket", str(post))
    assert refused.exit_code == os.EX_DATAERR
    assert "member: 'somebody' is not one of ordinary," in refused.stderr


def test_post_of_a_running_demo_is_found(post: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (post / "post.toml").touch()
    with published(post / "post.toml"):
        assert run("reset").exit_code == 0


def test_absent_post_is_reported(tmp_path: Path) -> None:
    ended = run("list", "--socket", str(tmp_path))
    assert ended.exit_code == os.EX_UNAVAILABLE
    assert "no simulated post responds here" in ended.stderr
