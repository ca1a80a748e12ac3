"""Files of scenarios: what they may say, and how their errors are reported."""

import os
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from typer.testing import CliRunner

from gateway.cli import app
from gateway.cli._scenario.junit import write_junit
from gateway.cli._scenario.player import StepOutcome, StepResult
from gateway.cli._scenario.run import ScenarioResult
from gateway.cli._scenario.scenario import ScenarioError, differing, load_scenario

LIBRARY = sorted(
    file
    for file in (Path(__file__).parents[4] / "config/scenarios").glob("*.toml")
    if not file.name.startswith("lane")
)
HEAD = 'title = "A test"\npost = "post.toml"\nsimulated = "simulated.toml"\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("post.toml", "simulated.toml"):
        (tmp_path / name).write_text("")
    return tmp_path


@pytest.mark.parametrize("file", LIBRARY, ids=lambda file: file.stem)
def test_scenarios_of_the_library_are_valid(file: Path) -> None:
    assert load_scenario(file).step


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("title = ", "Invalid value"),
        (HEAD, "step: Field required"),
        (
            HEAD + "[[step]]\n",
            "step 1: a step has one of simulator, command, expect, usable, unusable, pause_s",
        ),
        (HEAD + '[[step]]\npause_s = 1\nusable = ["lane-1/reader"]\n', "step 1: a step has one of"),
        (HEAD + "[[step]]\npause_s = 1\n[[step]]\npause_s = 0\n", "step 2, pause_s: Input should be greater"),
        (
            HEAD + '[[step]]\ncommand = { position = "lane 1", verb = "open" }\n',
            "step 1, command, position: ",
        ),
        (HEAD.replace("post.toml", "absent.toml") + "[[step]]\npause_s = 1\n", "post: "),
        (HEAD + 'mood = "good"\n[[step]]\npause_s = 1\n', "mood: Extra inputs are not permitted"),
    ],
)
def test_errors_name_file_step_and_field(folder: Path, text: str, error: str) -> None:
    file = folder / "scenario.toml"
    file.write_text(text)
    with pytest.raises(ScenarioError) as caught:
        load_scenario(file)
    assert str(caught.value).startswith(f"{file}: ")
    assert error in str(caught.value)


def test_command_ends_before_anything_runs(tmp_path: Path) -> None:
    ended = CliRunner().invoke(app, ["scenario", "run", str(tmp_path / "absent.toml")])
    assert ended.exit_code == os.EX_DATAERR
    assert "absent.toml: No such file or directory" in ended.stderr


def test_fields_are_compared_at_any_depth() -> None:
    found = {"overall_outcome": "failed", "mrz": {"issuer": "UTO", "number": "X1"}}
    assert list(differing({"overall_outcome": "failed", "mrz": {"issuer": "UTO"}}, found)) == []
    assert list(differing({"mrz": {"issuer": "QMA", "sex": "F"}, "chip": {}}, found)) == [
        "mrz.issuer",
        "mrz.sex",
        "chip",
    ]


def test_report_for_ci(tmp_path: Path) -> None:
    steps = [
        StepResult("insert", StepOutcome.PASSED, 0.25),
        StepResult("expect", StepOutcome.FAILED, 1.5, "no document.read came within 1.5 s"),
        StepResult("remove", StepOutcome.NOT_RUN),
    ]
    results = {
        "one.toml": ScenarioResult("One", steps),
        "two.toml": ScenarioResult("Two", error="ended\nlog"),
    }
    write_junit(tmp_path / "junit.xml", results)
    one, two = ET.parse(tmp_path / "junit.xml").getroot()
    assert [one.get(key) for key in ("name", "tests", "failures", "skipped", "errors", "time")] == [
        "One", "3", "1", "1", "0", "1.750",
    ]  # fmt: skip
    failure = one.find("testcase/failure")
    assert failure is not None
    assert failure.get("message") == "no document.read came within 1.5 s"
    assert [two.get(key) for key in ("tests", "failures", "errors")] == ["1", "0", "1"]
    error = two.find("testcase/error")
    assert error is not None
    assert error.get("message") == "ended"


@pytest.mark.parametrize("option", ["--junit", "--events"])
@pytest.mark.parametrize("name", ["missing/results", "."])
def test_file_of_results_is_refused_before_the_run(folder: Path, option: str, name: str) -> None:
    (folder / "scenario.toml").write_text(HEAD + "[[step]]\npause_s = 600\n")
    result = CliRunner().invoke(
        app, ["scenario", "run", str(folder / "scenario.toml"), option, str(folder / name)]
    )
    assert result.exit_code == os.EX_CANTCREAT
    assert "cannot be written" in result.output
