"""Program that replays the recording of a real scanner to its driver, each time in a new process.

    LD_PRELOAD=libumockdev-preload.so.0 python replay_program.py RECORDING DRIVER SETTINGS RUNS [TRACE]

RECORDING is a folder as of libfprint's tests: `device`, `capture.pcapng` or `capture.ioctl`, and the picture
that must come out, `capture.png`. umockdev-run builds the emulated device and plays the recording. The
driver's process is forked from this one, which has loaded everything but libusb: that saves two thirds of a
run. Each run prints a line of JSON, and leaves what crossed the link in TRACE.
"""

import asyncio
import contextlib
import gc
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from drivers.driver import Driver
from drivers.fingerprint.assessment import Assessment
from drivers.fingerprint.capture import CaptureTransaction
from drivers.fingerprint.commands import CaptureFinger
from drivers.fingerprint.observations import CaptureOutcome, ImageQuality, QualityMeasureName
from drivers.fingerprint.raster import Pixels, Raster
from drivers.links.factory import LinkFactory
from drivers.links.recording.usb_trace import UsbTrace
from drivers.observation import Attachment, Outcome
from drivers.registry import load_driver

HOLD = 'echo "$UMOCKDEV_DIR"; read -r _'
"""Prints the folder of the emulated device, and keeps it until its standard input closes."""


def player(folder: Path) -> list[str]:
    """Return the command that emulates the recorded device."""
    device, pcapng, ioctl = (folder / name for name in ("device", "capture.pcapng", "capture.ioctl"))
    if pcapng.exists():
        path = device.read_text().splitlines()[0].removeprefix("P: ")
        replay = ["-p", f"/sys{path}={pcapng}"]
    else:
        node = ioctl.read_text().splitlines()[0].removeprefix("@DEV ")
        replay = ["-i", f"{node}={ioctl}"]
    return ["umockdev-run", "-d", str(device), *replay, "--", "sh", "-c", HOLD]


async def capture(
    driver_class: type[Driver[Any]], settings: dict[str, Any], trace: UsbTrace
) -> dict[str, Any]:
    """One capture as the gateway does it, from opening to closing, without a judge of the image."""
    taken: list[Pixels] = []

    async def keep(raster: Raster) -> Assessment:
        taken.append(raster.pixels)
        return Assessment(
            ImageQuality(measure=QualityMeasureName.UNKNOWN, value=None, outcome=Outcome.SUCCESSFUL)
        )

    async def bare(*_image: object) -> tuple[Attachment, ...]:
        return ()

    links = LinkFactory(transfers=trace.tap)
    driver: Any = driver_class(driver_class.settings_model(**settings), links)
    try:
        identity = await driver.open()
        transaction = CaptureTransaction(driver, CaptureFinger(), "t-1", lambda said: None, keep, bare)
        await transaction.run()
        done = await transaction.conclude()
        await driver.end_capture()
        assert done.outcome is CaptureOutcome.CAPTURED
        return {"identity": identity.model_dump(), "simulated": links.is_simulated, "pixels": taken[0]}
    finally:
        await driver.close()
        await links.close()


def run(
    driver: type[Driver[Any]], settings: dict[str, Any], expected: Pixels, trace_file: str | None
) -> None:
    """Run as the driver's process."""
    trace = UsbTrace()
    found = asyncio.run(capture(driver, settings, trace))
    pixels = found.pop("pixels")
    if trace_file is not None:
        Path(trace_file).write_bytes(trace.pcapng())
    differing = int((pixels != expected).sum()) if pixels.shape == expected.shape else -1
    print(json.dumps({"differing": differing, "shape": pixels.shape, **found}), flush=True)


def main(folder: Path, driver: str, settings: dict[str, Any], runs: int, trace_file: str | None) -> None:
    """Replay the recording `runs` times; a failed process is reported with its status."""
    driver_class = load_driver(driver)
    expected = np.asarray(Image.open(folder / "capture.png").convert("L"))
    gc.freeze()  # a process that ends would look through all of it, and copy it first
    # umockdev-run takes half a second to end: it is waited for in the end only. It plays transfers once, but
    # ioctls from the beginning to whoever opens the device.
    each_anew = (folder / "capture.pcapng").exists()
    with contextlib.ExitStack() as playing:
        for number in range(runs):
            if number == 0 or each_anew:
                pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
                emulated = playing.enter_context(subprocess.Popen(player(folder), text=True, **pipes))
                root = emulated.stdout.readline().strip()
            process = os.fork()
            if process == 0:
                os.environ["UMOCKDEV_DIR"] = root
                run(driver_class, settings, expected, trace_file)
                sys.exit(0)
            _, status = os.waitpid(process, 0)
            if status != 0:
                print(json.dumps({"failed": os.waitstatus_to_exitcode(status)}), flush=True)
            if each_anew:
                emulated.stdin.close()


if __name__ == "__main__":
    recording, driver_name, driver_settings, count, *trace_files = sys.argv[1:]
    main(
        Path(recording),
        driver_name,
        json.loads(driver_settings),
        int(count),
        trace_files[0] if trace_files else None,
    )
