"""Recordings of real scanners, replayed to the drivers through real libusb: the expected pictures."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

RECORDINGS = Path("/usr/share/installed-tests/libfprint-2")
"""Folder of Debian's libfprint-2-tests."""
PROGRAM = Path(__file__).parent / "replay_program.py"
IN_MEMORY = {"TMPDIR": "/dev/shm"} if os.access("/dev/shm", os.W_OK) else {}
"""umockdev builds a tree of a hundred small files at each start."""
SEED = 0x51EA2124
"""Seed of the images' keys in the recordings."""
SCANNERS = {
    "uru4000-4500": ("uru4000", {"port": "usb:05ba:000a", "image_seed": SEED}),
    "uru4000-msv2": (
        "uru4000",
        {"port": "usb:045E:00CA:{BE815DAD-15E4-0745-AA30-41DEBCAC5913}", "image_seed": SEED},
    ),
    "nb1010": ("nb1010", {"port": "usb:298d:1010@1-7"}),
}


def replayed(recording: Path, name: str, runs: int, *trace: str) -> list[dict[str, Any]]:
    """Return the report of each run."""
    driver, settings = SCANNERS[name]
    played = subprocess.run(
        [sys.executable, PROGRAM, recording, driver, json.dumps(settings), str(runs), *trace],
        env={
            **os.environ,
            **IN_MEMORY,
            "LD_PRELOAD": "libumockdev-preload.so.0",
            "PYTHONPATH": str(Path.cwd()),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert played.returncode == 0, played.stderr[-3000:]
    said = [json.loads(line) for line in played.stdout.splitlines()]
    assert len(said) == runs
    assert not [run for run in said if "failed" in run], played.stderr[-3000:]
    return said


@pytest.mark.parametrize("replays", [5, pytest.param(50, marks=pytest.mark.thorough)])
@pytest.mark.parametrize("name", SCANNERS)
def test_replay_gives_the_expected_pixels(name: str, replays: int) -> None:
    runs = replayed(RECORDINGS / name, name, replays)
    assert [run["differing"] for run in runs] == [0] * replays
    assert all(run["simulated"] for run in runs)


@pytest.mark.parametrize(
    ("name", "model", "serial_number", "firmware"),
    [
        (
            "uru4000-4500",
            "U.are.U® 4500 Fingerprint Reader",
            "{FB0B9071-2E08-7742-BC16-2FAA247CEF66}",
            "0010/0115",
        ),
        ("nb1010", "NB-1010-U", None, None),
    ],
)
def test_identity_of_a_recorded_scanner(
    name: str, model: str, serial_number: str | None, firmware: str | None
) -> None:
    identity = replayed(RECORDINGS / name, name, 1)[0]["identity"]
    assert identity["model"] == model
    assert (identity["serial_number"], identity["firmware"]) == (serial_number, firmware)


def test_trace_is_a_playable_recording(tmp_path: Path) -> None:
    name = "uru4000-msv2"
    for file in ("device", "capture.png"):
        shutil.copy(RECORDINGS / name / file, tmp_path)
    replayed(RECORDINGS / name, name, 1, str(tmp_path / "capture.pcapng"))
    assert [run["differing"] for run in replayed(tmp_path, name, 2)] == [0, 0]
