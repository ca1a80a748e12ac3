"""`borderpost accept-driver` and the criteria as tests of pytest, for a package of another vendor."""

import json
import os
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from support.accepted_package import NAME, Install, install
from typer.testing import CliRunner

from gateway.cli import app
from gateway.testing import acceptance, behaviour, pytest_plugin

__all__ = ["install"]

PLUGIN = "gateway.testing.pytest_plugin"


def run(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["accept-driver", *words])
    return done.exit_code, done.output


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try few places; what each criterion tries is tested elsewhere."""
    monkeypatch.setattr(acceptance, "PLACES", 2)
    monkeypatch.setattr(behaviour, "NOISES", 2)


def test_sound_package_is_accepted(install: Install, quick: None) -> None:
    install()
    code, said = run(NAME, "--opens", "2", "--json")
    report = json.loads(said)
    assert (code, report["package"], report["accepted"]) == (0, NAME, True), said
    (driver,) = report["drivers"]
    assert (driver["driver"], driver["grade"]) == (NAME, "silver")
    outcomes = {one["criterion"]: (one["outcome"], one["required"]) for one in driver["criteria"]}
    assert outcomes["cut frame"] == ("held", True)
    assert outcomes["anonymized"] == ("not held", False)


def test_table_says_what_to_do(install: Install, quick: None) -> None:
    install((', description="Silence that ends a frame, in seconds."', ""))
    code, said = run(NAME, "--opens", "2")
    assert code == 1
    assert "acme-scale: not accepted, grade none" in said
    assert "No description: gap_s." in said
    assert "Add Field(description=...)" in said


def test_unusable_driver_is_tried_no_further(install: Install) -> None:
    install(('family = Family("scale")', "family = 3"))
    code, said = run(NAME, "--json")
    assert code == 1
    assert [one["criterion"] for one in json.loads(said)["drivers"][0]["criteria"]] == ["loads"]


def test_unknown_names_end_the_command(install: Install) -> None:
    install()
    code, said = run("acme")
    assert (code, "No package named acme is installed here" in said) == (os.EX_NOINPUT, True), said
    code, said = run(NAME, "--driver", "other")
    assert (code, "it has acme-scale" in said) == (os.EX_NOINPUT, True), said


def test_plugin_is_installed() -> None:
    (point,) = (one for one in entry_points(group="pytest11") if one.value == PLUGIN)
    assert point.load() is pytest_plugin


def pytest_in(site: Path, *words: str) -> tuple[int, str]:
    """Run pytest in an empty project; return its exit code and output."""
    project = site.parent / "project"
    project.mkdir()
    (project / "pyproject.toml").write_text(f'[tool.pytest.ini_options]\naccept_drivers = ["{NAME}"]\n')
    (project / "test_own.py").write_text("def test_own():\n    pass\n")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", PLUGIN, "-p", "no:cacheprovider", "-rs", "-v", *words],
        cwd=project,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(site), *sys.path]),
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.long(2)
def test_one_line_makes_each_criterion_a_test(install: Install) -> None:
    site = install(("Source: Acme, ", "Acme, "))
    code, said = pytest_in(site, "-k", "own or source or described or self-test")
    assert code == 1
    assert "1 failed, 2 passed, 1 skipped" in said
    assert "No module of it names the source of its protocol." in said
    assert "for a higher grade: It has no self-test." in said


def test_named_file_runs_alone(install: Install) -> None:
    code, said = pytest_in(install(), "test_own.py")
    assert (code, "1 passed" in said) == (0, True), said


def test_unknown_package_is_a_usage_error(install: Install) -> None:
    code, said = pytest_in(install(), "--accept-drivers", "acme", "test_own.py")
    assert (code, "No package named acme is installed here" in said) == (4, True), said
