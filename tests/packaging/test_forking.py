"""Reports of `--forks`: every outcome, also of a process that dies."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
SOME = """
import os, pathlib, signal, warnings
import pytest

made = []

@pytest.fixture(scope="module")
def made_once():
    made.append(os.getpid())
    yield made
    assert made == [os.getpid()]

@pytest.mark.parametrize("number", range(20))
def test_together(made_once, number):
    assert len(made_once) == 1

@pytest.fixture(scope="module")
def built_once():
    with pathlib.Path(__file__).with_name("built").open("a") as file:
        file.write("once")

@pytest.mark.long(9)
@pytest.mark.parametrize("number", range(3))
def test_long(built_once, number):
    pass

@pytest.mark.parametrize("number", range(20))
def test_apart(number, tmp_path):
    print("said by", os.getpid())
    assert number != 13, "thirteen"

def test_of_one_that_dies():
    os.kill(os.getpid(), signal.SIGKILL)

def test_that_warns():
    warnings.warn("careful")

def test_after_them():
    pass

@pytest.mark.skip(reason="not today")
def test_skipped():
    pass
"""


BREAKING = """
import os
pytest_plugins = ["support.process.forking"]
ours = os.getpid()

def pytest_unconfigure():
    assert os.getpid() == ours, "something was left"
"""


def run(folder: Path, conftest: str, tests: str) -> subprocess.CompletedProcess[str]:
    (folder / "conftest.py").write_text(conftest)
    (folder / "test_some.py").write_text(tests)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-W", "error", "-ra", "--forks", "2"]
    command += [
        "--rootdir",
        str(folder),
        "-o",
        f"pythonpath={shlex.quote(str(TESTS))}",
        "-o",
        "markers=long",
        str(folder),
    ]
    alone = os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "COLUMNS": "200"}
    # Without a limit of its own: it computes all the time, and a busy machine makes it wait for each part.
    return subprocess.run(command, env=alone, capture_output=True, text=True, check=False)


def test_outcomes_reported_after_death(tmp_path: Path) -> None:
    done = run(tmp_path, 'pytest_plugins = ["support.process.forking"]\n', SOME)

    assert done.returncode == pytest.ExitCode.TESTS_FAILED, done.stdout + done.stderr
    assert "3 failed, 43 passed, 1 skipped" in done.stdout
    assert "test_apart[13] - AssertionError: thirteen" in done.stdout
    assert "test_of_one_that_dies - the process that ran it ended: -9" in done.stdout
    assert "test_that_warns - UserWarning: careful" in done.stdout
    assert (tmp_path / "built").read_text() == "once"
    assert len(re.findall(r"^said by \d", done.stdout, re.MULTILINE)) == 1


def test_error_after_tests_fails_run(tmp_path: Path) -> None:
    done = run(tmp_path, BREAKING, "def test_one(): pass\ndef test_other(): assert 1 == 2\n")

    assert done.returncode == pytest.ExitCode.TESTS_FAILED, done.stdout + done.stderr
    assert "1 failed, 1 passed, 1 error" in done.stdout
    assert "AssertionError: something was left" in done.stdout
    assert "test_other - assert 1 == 2" in done.stdout
