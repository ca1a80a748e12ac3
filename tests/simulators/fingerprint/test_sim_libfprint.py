"""libfprint's own drivers capture from the simulated scanners, through the real libusb."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.patience import PATIENCE_S

from simulators.fingerprint.fingers import Finger
from simulators.fingerprint.nb1010 import Nb1010
from simulators.fingerprint.uru4000 import Uru4000
from simulators.fingerprint.usb_scanner import UsbScanner
from simulators.usb.emulated_bus import EmulatedBus

CAPTURE = Path("/usr/libexec/installed-tests/libfprint-2/capture.py")
pytestmark = pytest.mark.skipif(not CAPTURE.exists(), reason="apt-get install libfprint-2-tests")


@pytest.fixture
async def bus() -> AsyncIterator[EmulatedBus]:
    async with EmulatedBus() as bus:
        yield bus


async def captured(bus: EmulatedBus, scanner: UsbScanner, driver: str, image: Path) -> np.ndarray:
    """Capture from a scanner with libfprint; the finger comes when it looks for one, and is lifted again."""
    bus.connect(1, scanner)
    program = await asyncio.create_subprocess_exec(
        "/usr/bin/python3", CAPTURE, image,
        env=os.environ | bus.environment | {"FP_DEVICE_EMULATION": "1", "FP_DRIVERS_ALLOWLIST": driver},
    )  # fmt: skip
    async with asyncio.timeout(PATIENCE_S):
        while not scanner.transfers:
            await asyncio.sleep(0.01)
        scanner.platen.place(Finger(5).touch())
        while not scanner.images:
            await asyncio.sleep(0.01)
        scanner.platen.lift()
        assert await program.wait() == 0
    scanner.close()
    with Image.open(image) as picture:
        return np.array(picture.convert("L"))


@pytest.mark.parametrize(("model", "upside_down"), [("4500", True), ("microsoft-v2", False), ("4000", False)])
async def test_libfprint_captures_from_uru4000(
    bus: EmulatedBus, tmp_path: Path, model: str, upside_down: bool
) -> None:
    scanner = Uru4000(model)
    image = await captured(bus, scanner, "uru4000", tmp_path / "image.png")
    scanner.platen.place(Finger(5).touch())
    source = scanner.platen.sense()
    if upside_down:
        image, source = image[::-1, ::-1], source[::-1, ::-1]
    expected = source.copy()
    expected[122] = source[123]  # the line marked not present
    for row in (71, 121, 172, 289):
        expected[row, -1] = 255  # the last byte of an encrypted block
    assert np.array_equal(image, expected)


async def test_libfprint_captures_from_nb1010(bus: EmulatedBus, tmp_path: Path) -> None:
    scanner = Nb1010()
    image = await captured(bus, scanner, "nb1010", tmp_path / "image.png")
    scanner.platen.place(Finger(5).touch())
    assert np.array_equal(image, scanner.platen.sense())
