"""Program that plays the recording of a real device to its driver, each time in a new process.

    LD_PRELOAD=libumockdev-preload.so.0 python -m gateway.testing.umockdev_program \\
        FOLDER DRIVER SETTINGS HOOK RUNS [TRACE]

umockdev-run builds the emulated device and plays the recording. The driver's process is forked from this one,
which has loaded everything but libusb: that saves two thirds of a run. Each run prints a line of JSON.
"""

import asyncio
import contextlib
import gc
import importlib
import json
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from drivers.driver import Driver
from drivers.links.factory import LinkFactory
from drivers.links.recording.usb_trace import UsbTrace
from drivers.registry import load_driver

Pixels = NDArray[np.uint8]
Hook = Callable[[Driver[Any]], Awaitable[Pixels]]
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


async def take_picture(
    driver_class: type[Driver[Any]], settings: dict[str, Any], hook: Hook, trace: UsbTrace
) -> tuple[dict[str, Any], Pixels]:
    """Open the driver, let the hook take a picture, and close it; return facts and the picture."""
    links = LinkFactory(transfers=trace.tap)
    driver = driver_class(driver_class.settings_model.model_validate(settings), links)
    try:
        identity = await driver.open()
        pixels = await hook(driver)
        return {"identity": identity.model_dump(), "simulated": links.is_simulated}, pixels
    finally:
        await driver.close()
        await links.close()


def run(
    driver: type[Driver[Any]], settings: dict[str, Any], hook: Hook, expected: Pixels, trace_file: str | None
) -> None:
    """Run as the driver's process."""
    trace = UsbTrace()
    facts, pixels = asyncio.run(take_picture(driver, settings, hook, trace))
    if trace_file is not None:
        Path(trace_file).write_bytes(trace.pcapng())
    differing = int((pixels != expected).sum()) if pixels.shape == expected.shape else -1
    print(json.dumps({"differing": differing, "shape": pixels.shape, **facts}), flush=True)  # noqa: T201


def main(
    folder: Path, driver: str, settings: dict[str, Any], hook_name: str, runs: int, trace_file: str | None
) -> None:
    """Play the recording `runs` times; a failed process is reported with its status."""
    driver_class = load_driver(driver)
    module, _, function = hook_name.partition(":")
    hook: Hook = getattr(importlib.import_module(module), function)
    expected = np.asarray(Image.open(folder / "capture.png").convert("L"))
    gc.freeze()  # a process that ends would look through all of it, and copy it first
    # umockdev-run takes half a second to end: it is waited for in the end only. It plays transfers once, but
    # ioctls from the beginning to whoever opens the device.
    each_anew = (folder / "capture.pcapng").exists()
    emulated: subprocess.Popen[str] | None = None
    root = ""
    with contextlib.ExitStack() as playing:
        for _ in range(runs):
            if emulated is None or each_anew:
                pipes = subprocess.PIPE
                emulated = playing.enter_context(
                    subprocess.Popen(player(folder), text=True, stdin=pipes, stdout=pipes)
                )
                assert emulated.stdin is not None
                assert emulated.stdout is not None
                root = emulated.stdout.readline().strip()
            process = os.fork()
            if process == 0:
                os.environ["UMOCKDEV_DIR"] = root
                run(driver_class, settings, hook, expected, trace_file)
                sys.exit(0)
            _, status = os.waitpid(process, 0)
            if status != 0:
                failed = os.waitstatus_to_exitcode(status)
                print(json.dumps({"failed": failed}), flush=True)  # noqa: T201
            if each_anew and emulated.stdin is not None:
                emulated.stdin.close()


if __name__ == "__main__":
    recording, driver_name, driver_settings, taking, count, *trace_files = sys.argv[1:]
    main(
        Path(recording),
        driver_name,
        json.loads(driver_settings),
        taking,
        int(count),
        trace_files[0] if trace_files else None,
    )
