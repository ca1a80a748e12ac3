"""Recordings of real scanners, replayed to the drivers through real libusb: the expected pictures."""

import shutil
from pathlib import Path

import pytest

from gateway.testing.umockdev import PictureRun, UmockdevError, play_folder

RECORDINGS = Path("/usr/share/installed-tests/libfprint-2")
"""Folder of Debian's libfprint-2-tests."""
HOOK = "capture_hook:capture"
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


def replayed(recording: Path, name: str, runs: int, trace: Path | None = None) -> list[PictureRun]:
    """Return the result of each run."""
    driver, settings = SCANNERS[name]
    return play_folder(recording, driver, settings, HOOK, runs, trace)


@pytest.mark.parametrize("replays", [5, pytest.param(50, marks=pytest.mark.thorough)])
@pytest.mark.parametrize("name", SCANNERS)
def test_replay_gives_the_expected_pixels(name: str, replays: int) -> None:
    runs = replayed(RECORDINGS / name, name, replays)
    assert [run.differing_pixels for run in runs] == [0] * replays
    assert all(run.is_simulated for run in runs)


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
    identity = replayed(RECORDINGS / name, name, 1)[0].identity
    assert identity["model"] == model
    assert (identity["serial_number"], identity["firmware"]) == (serial_number, firmware)


def test_trace_is_a_playable_recording(tmp_path: Path) -> None:
    name = "uru4000-msv2"
    for file in ("device", "capture.png"):
        shutil.copy(RECORDINGS / name / file, tmp_path)
    replayed(RECORDINGS / name, name, 1, tmp_path / "capture.pcapng")
    assert [run.differing_pixels for run in replayed(tmp_path, name, 2)] == [0, 0]


def test_missing_program_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(UmockdevError, match="apt install umockdev"):
        replayed(RECORDINGS / "nb1010", "nb1010", 1)


def test_other_folder_is_no_recording(tmp_path: Path) -> None:
    with pytest.raises(UmockdevError, match=r"no device and no capture\.png"):
        replayed(tmp_path, "nb1010", 1)
