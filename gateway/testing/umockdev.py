"""Plays recordings of real USB devices to their drivers through the real libusb, by umockdev.

A recording is a folder as of libfprint's tests: `device` (umockdev-record), `capture.pcapng` or
`capture.ioctl`, and the picture that must come out, `capture.png`. A driver's own hook takes the picture:

    async def take(driver: Driver[Any]) -> NDArray[np.uint8]: ...   # in my_package/hooks.py, after `open`

    runs = play_folder(folder, "my-scanner", {"port": "usb:05ba:000a"}, "my_package.hooks:take")
    assert [run.differing_pixels for run in runs] == [0]
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PRELOAD = "libumockdev-preload.so.0"
IN_MEMORY = Path("/dev/shm")  # noqa: S108 - umockdev makes a folder of its own in it
"""Folder for the emulated device: umockdev builds a tree of a hundred small files at each start."""
ERROR_BYTES = 3000


class UmockdevError(Exception):
    """The recording was not played; the message has the reason."""


@dataclass(frozen=True)
class PictureRun:
    """Result of one run."""

    identity: dict[str, Any]
    shape: tuple[int, ...]
    """Height and width of the picture that was taken."""
    differing_pixels: int
    """Pixels that differ from the expected picture; -1: it has another shape."""
    is_simulated: bool
    """True if the link noticed that its device is emulated."""


def play_folder(
    folder: Path,
    driver: str,
    settings: Mapping[str, Any],
    hook: str,
    runs: int = 1,
    trace: Path | None = None,
) -> list[PictureRun]:
    """Play a recording, `runs` times, each in a new process; raises UmockdevError.

    `hook`: `module:function` that takes the picture with the open driver. `trace`: file for what crossed the
    link in the last run.
    """
    if shutil.which("umockdev-run") is None:
        raise UmockdevError("umockdev-run is not installed: sudo apt install umockdev")
    if missing := [name for name in ("device", "capture.png") if not (folder / name).exists()]:
        raise UmockdevError(f"{folder} has no {' and no '.join(missing)}, so it is no recording of a picture")
    in_memory = {"TMPDIR": str(IN_MEMORY)} if os.access(IN_MEMORY, os.W_OK) else {}
    played = subprocess.run(
        [
            *(sys.executable, "-m", "gateway.testing.umockdev_program", folder, driver, json.dumps(settings)),
            *(hook, str(runs), *([] if trace is None else [str(trace)])),
        ],
        env={
            **os.environ,
            **in_memory,
            "LD_PRELOAD": PRELOAD,
            "PYTHONPATH": os.pathsep.join(path or "." for path in sys.path),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    said = [json.loads(line) for line in played.stdout.splitlines()]
    if played.returncode or len(said) != runs or any("failed" in run for run in said):
        raise UmockdevError(f"{folder.name} was not played: {played.stderr[-ERROR_BYTES:]}")
    return [
        PictureRun(run["identity"], tuple(run["shape"]), run["differing"], run["simulated"]) for run in said
    ]
