"""Random trials of barriers on every kind of board: no invariant is broken, and each lost guard is found."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from adversary.barrier.guards import GUARDS, patched
from adversary.barrier.judge.records import Wire
from adversary.barrier.rig.posts import BOARDS, PRELOADED
from adversary.barrier.trials import run_trial

TESTS = Path(__file__).parents[2]
QUICK_S = 25.0
"""Virtual time of a trial in `make test`, in seconds."""
IN_PROCESS = tuple(board for board in BOARDS if board not in PRELOADED)
THEMES = ("people", "lossy", "kills")
FOUND = (
    ("wirenboard-tcp", 15054),  # a lease between release and reopening
    ("numato", 20004),  # closed by hand as soon as it is open again
    ("lcus", 20044),  # the same, by a welded contact
    ("generic-pulse", 20001),  # a lease after a restart in the middle of a closing
    ("osdp", 24047),  # an adapter that holds a frame for half a second
    ("numato", 40034),  # an emergency in a closing that began between the ends
    ("generic-watchdog", 36033),  # an emergency that only the identification of the board has read
    ("generic-pulse", 48012),  # another master in the middle of a closing, without a stop contact
    ("wirenboard-tcp", 48113),  # a reopening that arrives just when it is due again
    ("generic-watchdog", 48071),  # a stop while the end of another pulse is lost
    ("generic-watchdog", 48123),  # the same, by lost responses
    ("kmtronic", 48115),  # a second stop behind a time relay
    ("wirenboard-rtu", 48079),  # a board given up whose relay had just been acknowledged as open
    ("wirenboard-rtu", 48108),  # another master that holds a closing, without a stop contact
    ("waveshare-rtu", 50037),  # a stop of two doors at the loss of a slow line
    ("wirenboard-tcp", 50138),  # the same of one door, whose board hangs up
)
"""Boards and seeds of trials that have found faults of the driver, all mended since."""


@pytest.mark.long(6)
@pytest.mark.parametrize("board", IN_PROCESS)
def test_trial_breaks_nothing(board: str) -> None:
    for theme in THEMES:
        trial = run_trial(board, 1, seconds=QUICK_S, theme=theme)
        assert not trial.violations, f"{trial.name}\n" + "\n".join(map(str, trial.violations))


@pytest.mark.thorough
@pytest.mark.timeout(900)
@pytest.mark.parametrize("board", IN_PROCESS)
def test_trials_break_nothing(board: str) -> None:
    for seed in range(1, 16):
        trial = run_trial(board, seed)
        assert not trial.violations, f"{trial.name}\n" + "\n".join(map(str, trial.violations))


@pytest.mark.thorough
@pytest.mark.parametrize(("board", "seed"), FOUND)
def test_trial_that_has_found_a_fault_breaks_nothing(board: str, seed: int) -> None:
    trial = run_trial(board, seed)
    assert not trial.violations, f"{trial.name}\n" + "\n".join(map(str, trial.violations))


def run_module(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a module of the trials in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(TESTS), str(TESTS.parent)))}
    command = [sys.executable, "-m", *arguments]
    return subprocess.run(
        command, env=environment, cwd=TESTS.parent, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    "more",
    [
        ("--theme", "kills", "--trials", "1", "--seconds", "25"),
        pytest.param(("--trials", "15"), marks=pytest.mark.thorough),
        # Many times unplugged in one life: each time lines are requested anew.
        pytest.param(("--seed", "1046", "--trials", "1"), marks=pytest.mark.thorough),
    ],
)
def test_gpio_trials_break_nothing(more: tuple[str, ...]) -> None:
    """Under umockdev's preload library, which a process must be started with."""
    done = run_module("adversary.barrier", "--board", "gpio", *more)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 violations" in done.stdout


@pytest.mark.parametrize(("board", "seed"), [("waveshare-tcp", 7), ("numato", 2)])
def test_trial_repeated_by_its_seed(board: str, seed: int) -> None:
    first, second = (run_trial(board, seed, seconds=15.0, theme="outages") for _ in range(2))
    assert {one.connection for one in first.records if isinstance(one, Wire)} > {1}  # it has reconnected
    assert [(one.at_s, type(one)) for one in first.records] == [
        (one.at_s, type(one)) for one in second.records
    ]


@pytest.mark.parametrize("name", GUARDS)
def test_guard_is_in_the_source(name: str) -> None:
    assert patched(GUARDS[name])


@pytest.mark.thorough
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", GUARDS)
def test_lost_guard_is_found(name: str) -> None:
    done = run_module("adversary.barrier.guards", name)
    assert done.returncode == 0, done.stdout + done.stderr
