"""`make demo`: its first output, and its end by Ctrl-C."""

import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.process.demos import COLUMNS, Demo, one_reader

MOMENTS = int(os.environ.get("BORDERPOST_INTERRUPTS", "8"))
"""Number of interrupted demos in a thorough run; 100 for a long one."""
QUICK = (1,)
"""Those of every run: one in the first second."""
SEED = int(os.environ.get("BORDERPOST_SEED", "18"))
LAST_S = float(os.environ.get("BORDERPOST_LAST_S", "8"))
"""Latest moment of an interrupt, in seconds after the start."""
MAKE = ("make", "--no-print-directory", "demo")


def interrupted_at(number: int) -> float:
    """Return the moment of one interrupt: half of them in the first second, while a program loads."""
    chance = random.Random(f"{SEED}/{number}")
    return chance.uniform(0, 1) if number % 2 else chance.uniform(0, LAST_S)


@pytest.mark.parametrize(
    "number",
    [pytest.param(n, marks=() if n in QUICK else pytest.mark.thorough) for n in range(MOMENTS)],
)
def test_interrupt_leaves_nothing(number: int) -> None:
    moment_s = interrupted_at(number)
    with Demo(*MAKE) as demo:
        while (left_s := demo.started_s + moment_s - time.monotonic()) > 0:
            demo.read(left_s)
        demo.interrupt()
        code = demo.ended()
        said = f"interrupted after {moment_s:.3f} s, exit code {code}:\n{demo.screen}"
        # GNU make ends by the signal itself, which a shell shows as 130.
        assert code in (0, -signal.SIGINT, 130), said
        assert "Traceback" not in demo.screen, said
        assert "Error" not in demo.screen, said
        assert not demo.left(), said
        assert not demo.files(), said


LOADING = """
import sys

class Interrupted:
    def find_spec(self, name, *_):
        if name == {module!r}:
            raise KeyboardInterrupt

sys.meta_path.insert(0, Interrupted())
from gateway.borderpost import main
sys.argv = ["borderpost", "--version"]
main()
"""


@pytest.mark.parametrize("module", ["typer", "gateway.cli", "rich.console"])
def test_interrupt_while_loading(module: str) -> None:
    program = [sys.executable, "-c", LOADING.format(module=module)]
    ended = subprocess.run(program, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "")


@pytest.mark.parametrize(
    "number",
    [
        signal.SIGTERM,
        pytest.param(signal.SIGINT, marks=pytest.mark.thorough),
        pytest.param(signal.SIGHUP, marks=pytest.mark.thorough),
    ],
)
@pytest.mark.long(6)
def test_each_signal_ends_a_demo(number: signal.Signals, tmp_path: Path) -> None:
    """A second Ctrl-C while it ends changes nothing."""
    with Demo(".venv/bin/borderpost", "demo", "--port", "0", *one_reader(tmp_path)) as demo:
        demo.shows("● online")
        os.kill(demo.process.pid, number)
        demo.shows("Summary")
        demo.interrupt()
        assert demo.ended() == 0, demo.screen
        assert "Traceback" not in demo.screen
        assert not demo.left()
        assert not demo.files()


@pytest.mark.long(40)
@pytest.mark.timeout(400)
def test_first_sight() -> None:
    """Read a document within 2 s of the banner; on a busy machine, within twice the time of the start."""
    with Demo(*MAKE) as demo:
        demo.shows("Ctrl-C ends the demo", 120)
        started_s = time.monotonic() - demo.started_s
        demo.shows(r"reader +simulated TD", 120)
        read_s = time.monotonic() - demo.started_s - started_s
        for lane in (1, 2, 3, 4):
            demo.shows(rf"lane-{lane}/reader +● online")
        demo.shows("lane-1/barrier +● online")
        begun = demo.screen
        for shown in ("chip by pace", "picture, 640x360", "print of right index"):
            demo.shows(shown, 90)
        demo.shows(r"→\s+replug", 90)  # first simulated unplugging
        demo.read(0.5)
        whole = demo.screen
    assert "no_device" not in begun
    assert "unknown" not in begun
    assert read_s < max(2, 2 * started_s), (started_s, begun)
    assert max(map(len, whole.splitlines())) <= COLUMNS
    cut = [line for line in whole.splitlines() if line.endswith("…")]
    assert all(re.search("simulated (TD|MRV)", line) for line in cut), cut
