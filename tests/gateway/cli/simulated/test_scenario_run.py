"""`borderpost scenario run` as a program: broker, simulated devices and gateway are real."""

import json
import os
import shutil
import signal
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from support.patience import PATIENCE_S
from support.process.demos import Demo

LIBRARY = Path(__file__).parents[4] / "config/scenarios"
PROGRAM = (sys.executable, "-c", "from gateway.cli import main; main()", "scenario", "run")
DISTURBED = 3
"""Runs of a pair, at most, until the machine has disturbed neither."""


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """Copy the scenarios with a post of one reader, which starts in half the time."""
    folder = tmp_path / "scenarios"
    shutil.copytree(LIBRARY, folder)
    post = (folder / "lane.toml").read_text().partition('[device."lane-1/barrier"]')[0]
    (folder / "lane.toml").write_text(post)
    simulated = (folder / "lane-simulated.toml").read_text().split("[[simulator]]")
    (folder / "lane-simulated.toml").write_text("[[simulator]]".join(simulated[:2]))
    return folder


@pytest.mark.thorough
@pytest.mark.long(30)
def test_two_runs_have_the_same_events(library: Path) -> None:
    scenario, again = library / "forged-documents.toml", library / "again.toml"
    shutil.copy(scenario, again)
    junit, events = library / "junit.xml", library / "events.json"
    for _ in range(DISTURBED):
        files = (str(scenario), str(again), "--junit", str(junit), "--events", str(events))
        with Demo(*PROGRAM, *files) as run:
            code = run.ended(2 * PATIENCE_S)  # two scenarios
            assert (run.left(), run.files()) == ([], [])
        first, second = json.loads(events.read_text()).values()
        if not first["disturbed"] and not second["disturbed"]:
            break
    assert code == os.EX_OK, run.screen
    assert first == second
    assert first["events"]["lane-1/reader"].count("document.read") == 3
    suites = ET.parse(junit).getroot()
    assert [(suite.get("tests"), suite.get("failures")) for suite in suites] == [("11", "0")] * 2


SCENARIOS = sorted(file.stem for file in LIBRARY.glob("*.toml") if not file.name.startswith("lane"))


@pytest.mark.thorough
@pytest.mark.parametrize("name", SCENARIOS)
def test_scenario_of_the_library_passes(name: str) -> None:
    with Demo(*PROGRAM, str(LIBRARY / f"{name}.toml")) as run:
        assert run.ended() == os.EX_OK, run.screen
        assert (run.left(), run.files()) == ([], [])


@pytest.mark.long(15)
def test_failed_expectation_names_fields_and_no_values(library: Path) -> None:
    scenario = library / "wrong.toml"
    text = (LIBRARY / "forged-documents.toml").read_text()
    text = text.replace('"optical.ir_ab_mr" = "failed"', '"optical.ir_ab_mr" = "successful"', 1)
    steps = text.split("[[step]]")
    scenario.write_text(
        "[[step]]".join(steps[:4]).replace("[step.expect]", "within_s = 5\n[step.expect]")
        + ("[[step]]\npause_s = 1\n")
    )
    with Demo(*PROGRAM, str(scenario), "--junit", str(library / "junit.xml")) as run:
        assert run.ended() == 1
        assert run.left() == []
    assert "1 document.read came; the last one differs in checks optical.ir_ab_mr" in run.screen
    assert "not run" in run.screen
    assert "UTO" not in (library / "junit.xml").read_text()


@pytest.mark.long(15)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
@pytest.mark.parametrize("moment", ["Waiting scenario", "passed .* usable"], ids=["start", "steps"])
def test_signal_ends_every_program(library: Path, number: signal.Signals, moment: str) -> None:
    scenario = library / "waiting.toml"
    scenario.write_text(
        'title = "Waiting scenario"\npost = "lane.toml"\nsimulated = "lane-simulated.toml"\n'
        '[[step]]\nusable = ["lane-1/reader"]\nwithin_s = 60\n[[step]]\npause_s = 600\n'
    )
    with Demo(*PROGRAM, str(scenario)) as run:
        run.shows(moment)
        os.kill(run.process.pid, number)
        assert run.ended() == os.EX_TEMPFAIL
        assert (run.left(), run.files()) == ([], [])
    assert "ended before the last step" in run.screen


@pytest.mark.long(20)
def test_results_of_ended_scenarios_are_written_when_a_later_one_is_interrupted(library: Path) -> None:
    head = 'post = "lane.toml"\nsimulated = "lane-simulated.toml"\n[[step]]\npause_s = '
    for name, pause_s in (("First", 0.1), ("Second", 600)):
        (library / f"{name}.toml").write_text(f'title = "{name} scenario"\n{head}{pause_s}\n')
    files = [str(library / f"{name}.toml") for name in ("First", "Second")]
    junit, events = library / "junit.xml", library / "events.json"
    with Demo(*PROGRAM, *files, "--junit", str(junit), "--events", str(events)) as run:
        run.shows("Second scenario")
        os.kill(run.process.pid, signal.SIGTERM)
        assert run.ended() == os.EX_TEMPFAIL
    suites = ET.parse(junit).getroot()
    assert [(suite.get("name"), suite.get("tests")) for suite in suites] == [("First scenario", "1")]
    assert list(json.loads(events.read_text())) == [files[0]]


@pytest.mark.long(15)
def test_gateway_that_ends_is_reported(library: Path) -> None:
    post = library / "lane.toml"
    post.write_text(post.read_text().replace('driver = "document-bridge"', 'driver = "no-such-driver"'))
    with Demo(*PROGRAM, str(library / "forged-documents.toml")) as run:
        assert run.ended() not in (os.EX_OK, os.EX_TEMPFAIL)
        assert (run.left(), run.files()) == ([], [])
    assert "no-such-driver" in run.screen
