"""Simulated USB devices under the real libusb: pyusb in a child, umockdev's preload between."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Self

import pytest
from support.patience import PATIENCE_S
from usb_gadget import BELL, IN, OUT, Gadget

from simulators.usb.emulated_bus import EmulatedBus
from simulators.usb.faults import ShortPacket, Stall, UnplugAt

PROGRAM = Path(__file__).with_name("umockdev_program.py")


class Program:
    """The child process and its expressions."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    @asynccontextmanager
    async def on(cls, bus: EmulatedBus) -> AsyncIterator[Self]:
        process = await asyncio.create_subprocess_exec(
            sys.executable, PROGRAM, env=os.environ | bus.environment,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert process.stdin
        try:
            yield cls(process)
        finally:
            process.stdin.close()
            async with asyncio.timeout(PATIENCE_S):
                code = await process.wait()
        assert code == 0

    async def does(self, what: str) -> str:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(what.encode() + b"\n")
        async with asyncio.timeout(PATIENCE_S):
            return (await self._process.stdout.readline()).decode().rstrip()

    async def sees(self, there: bool) -> None:
        """Wait until it finds the device, or no longer does."""
        async with asyncio.timeout(PATIENCE_S):
            while await self.does("find()") != str(there):
                await asyncio.sleep(0.005)


@pytest.fixture
async def gadget() -> AsyncIterator[Gadget]:
    gadget = Gadget()
    yield gadget
    gadget.close()


@pytest.fixture
async def bus(gadget: Gadget) -> AsyncIterator[EmulatedBus]:
    async with EmulatedBus() as bus:
        bus.connect(1, gadget)
        yield bus


@pytest.fixture
async def program(bus: EmulatedBus) -> AsyncIterator[Program]:
    async with Program.on(bus) as program:
        assert await program.does("find()") == "True"
        yield program


async def test_transfers_of_every_kind(program: Program, gadget: Gadget) -> None:
    assert await program.does("names()") == "('Nobody, Inc.', 'Gädget', 'G1')"
    assert await program.does("kernel_driver()") == "False"
    assert await program.does("device.set_configuration()") == "None"
    assert await program.does("control(0x40, 4, 7, 0, b'\\x05')") == "1"
    assert await program.does("control(0xC0, 4, 7, 0, 1)") == r"b'\x05'"
    assert await program.does(f"write({OUT}, b'\\x03' * 111040)") == "111040"
    whole = (111040, b"\x03" * 4, 3 * 111040)
    assert await program.does(f"read({IN}, 111424)") == repr(whole)
    gadget.ring(b"dong")
    assert await program.does(f"read({BELL}, 8)") == "b'dong'"


async def test_errors_match_linux(program: Program, gadget: Gadget) -> None:
    assert await program.does("control(0xC0, 5, 7, 0, 1)") == "errno 32"
    assert await program.does(f"read({BELL}, 8, 50)") == "errno 110"
    gadget.inject(Stall(of="bulk"))
    assert await program.does(f"read({IN}, 8)") == "errno 32"
    assert await program.does(f"device.clear_halt({IN})") == "None"
    gadget.inject(ShortPacket(at=3))
    await program.does(f"write({OUT}, b'12345678')")
    assert await program.does(f"read({IN}, 8)") == "b'123'"
    assert await program.does("device.reset()") == "None"
    assert gadget.starts == 1


async def test_program_sees_unplug_and_replug(program: Program, gadget: Gadget) -> None:
    for _ in range(20):
        assert await program.does("control(0xC0, 4, 7, 0, 1)") == r"b'\xee'"
        reading = asyncio.create_task(program.does(f"read({BELL}, 8, 5000)"))
        while not gadget.is_in_requested(BELL):
            await asyncio.sleep(0.001)
        gadget.unplug()
        assert await reading == "errno 19"
        assert await program.does("control(0xC0, 4, 7, 0, 1)") == "errno 19"
        await program.sees(False)
        gadget.replug()
        await program.sees(True)


@pytest.mark.parametrize("transfer", [1, 2, 3, 6, 12])
async def test_cable_pulled_at_any_transfer(program: Program, gadget: Gadget, transfer: int) -> None:
    gadget.inject(UnplugAt(transfer=transfer))
    answers = [await program.does("control(0xC0, 4, 7, 0, 1)") for _ in range(transfer + 1)]
    assert answers[: transfer - 1] == [r"b'\xee'"] * (transfer - 1)
    assert answers[transfer - 1 :] == ["errno 19"] * 2


async def test_interface_has_one_program(bus: EmulatedBus, program: Program) -> None:
    async with Program.on(bus) as other:
        assert await program.does("usb.util.claim_interface(device, 0)") == "None"
        assert await other.does("find()") == "True"
        assert await other.does("usb.util.claim_interface(device, 0)") == "errno 16"
        assert await program.does("usb.util.release_interface(device, 0)") == "None"
        assert await other.does("usb.util.claim_interface(device, 0)") == "None"


async def test_two_devices_stay_apart(bus: EmulatedBus, program: Program, gadget: Gadget) -> None:
    other = Gadget("G2")
    bus.connect(2, other)
    serials = "sorted(d.serial_number for d in usb.core.find(find_all=True, idVendor=0x1209))"
    while await program.does(serials) != "['G1', 'G2']":
        await asyncio.sleep(0.005)
    other.unplug()
    while await program.does(serials) != "['G1']":
        await asyncio.sleep(0.005)
    other.close()


async def test_waiting_costs_little(program: Program, gadget: Gadget) -> None:
    """Delay empty reaps: libusb reaps continuously, and the delay keeps this process from spinning."""
    before = os.times()
    assert await program.does(f"read({BELL}, 8, 1000)") == "errno 110"
    after = os.times()
    assert (after.user - before.user) + (after.system - before.system) < 0.4
