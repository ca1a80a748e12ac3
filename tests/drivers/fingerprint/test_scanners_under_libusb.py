"""Drivers with simulated scanners through the real libusb: prints, and unplugging at any transfer."""

import asyncio
import json
import os
import random
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self

import pytest
from support.devices.fingerprint_scanners import FINGER, driver_of, usb_scanner
from support.patience import PATIENCE_S
from support.process import in_jail

from simulators.fingerprint.usb_scanner import UsbScanner
from simulators.usb.emulated_bus import EmulatedBus
from simulators.usb.faults import UnplugAt

PROGRAM = Path(__file__).with_name("libusb_program.py")
QUICK = {"4500": {"exposure_s": 0.01}, "nb1010": {"row_s": 0.0}}
UNPLUGS = 3


class Program:
    """The driver's process with its reports."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    @asynccontextmanager
    async def on(cls, bus: EmulatedBus, model: str, scanner: UsbScanner) -> AsyncIterator[Self]:
        said = scanner.description
        port = f"usb:{said.vendor_id:04x}:{said.product_id:04x}"
        process = await asyncio.create_subprocess_exec(
            sys.executable, in_jail.PROGRAM, "drivers.links.usb.link:UsbSettings", json.dumps({"port": port}),
            PROGRAM, driver_of(model), port,
            env=os.environ | bus.environment | {"PYTHONPATH": str(Path.cwd())},
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert process.stdin
        try:
            yield cls(process)
        finally:
            process.stdin.close()
            async with asyncio.timeout(PATIENCE_S):
                await process.communicate()
        assert process.returncode == 0, "libusb has not crashed"

    async def told(self, what: str) -> Any:
        """Return the next report of that name; others before it are skipped."""
        assert self._process.stdout
        async with asyncio.timeout(PATIENCE_S):
            while line := await self._process.stdout.readline():
                said = json.loads(line)
                if what in said:
                    return said[what]
        raise AssertionError("it has ended")


@pytest.mark.parametrize("model", QUICK)
async def test_reopened_scanner_captures_the_same_image(model: str) -> None:
    chance = random.Random(f"a {model} under libusb")
    scanner = usb_scanner(model, **QUICK[model])
    scanner.platen.place(FINGER.touch())
    async with EmulatedBus() as bus:
        bus.connect(1, scanner)
        async with Program.on(bus, model, scanner) as program:
            assert await program.told("opened") == scanner.description.product
            image = await program.told("image")
            for _ in range(UNPLUGS):
                scanner.inject_scanner_fault(UnplugAt(transfer=chance.randint(1, 60)))
                assert await program.told("failed") == "unplugged"
                scanner.replug()
                assert await program.told("image") == image
        scanner.close()
