"""A simulated NB-1010-U, message by message as in the recording of a real one."""

import asyncio
from collections.abc import AsyncIterator

import numpy as np
import pytest

from simulators.errors import SimulatorError
from simulators.fingerprint.faults import StuckFinger, Trouble, ZeroImage, nb1010_fault
from simulators.fingerprint.fingers import Finger
from simulators.fingerprint.nb1010 import Nb1010
from simulators.usb.faults import UnplugAt
from simulators.usb.host import Host

OUT, IN = 0x02, 0x83
POLL, PREPARE = "8038010008000000", "800d03000c00000000040000"
CAPTURE = "8012040020000000" + "02" + "00" * 19 + "20000000"


class NbHost(Host):
    async def request(self, message: str) -> str:
        await self.write(OUT, bytes.fromhex(message))
        return (await self.read(IN, 16, 1)).hex()


@pytest.fixture
async def scanner() -> AsyncIterator[Nb1010]:
    scanner = Nb1010()
    yield scanner
    scanner.close()


@pytest.fixture
def host(scanner: Nb1010) -> NbHost:
    return NbHost(scanner)


def test_descriptors_are_as_recorded(scanner: Nb1010) -> None:
    assert scanner.descriptors[:18].hex() == "12010002000000408d29101001000102" + "0001"
    endpoints = "07058103400005" + "07050202400000" + "07058302400000"
    assert scanner.descriptors[27:].hex() == "090400000300000000" + endpoints


async def test_capture_as_recorded(scanner: Nb1010, host: NbHost) -> None:
    level = await host.request(POLL)
    assert (level[:16], int(level[24:26], 16) <= 0x30) == ("8037010010000000", True)
    scanner.platen.place(Finger(5).touch())
    assert await host.request(POLL) == "803701001000000000000000f7000000"
    assert await host.request(PREPARE) == "80200300100000000000000000000000"
    assert await host.request(CAPTURE) == "80200400100000000000000003000000"
    messages = [await host.read(IN, 540, 1) for _ in range(90)]
    assert messages[0][:25].hex() == "802100001c0200000000000001000000010000000001000001"
    assert messages[-1][:25].hex() == "802100001c0200000000000000000000b30000000001000001"
    rows = np.frombuffer(b"".join(message[25:537] for message in messages), np.uint8).reshape(180, 256)
    assert np.array_equal(rows, scanner.platen.sense())
    assert scanner.images == 1


async def test_invalid_message_is_not_answered(scanner: Nb1010, host: NbHost) -> None:
    for nonsense in ("", "80", "7f38010008000000", "8038010009000000", "8099010008000000"):
        await host.write(OUT, bytes.fromhex(nonsense))
    with pytest.raises(OSError, match="timed out"):
        await host.read(IN, 16, 0.02)
    await host.request(POLL)
    with pytest.raises(OSError, match="Broken pipe"):
        await host.control(0xC0, 4, 7, 0, 1)


async def test_faults(scanner: Nb1010, host: NbHost) -> None:
    scanner.inject_scanner_fault(StuckFinger(for_s=0.05))
    assert (await host.request(POLL))[24:26] == "f7"
    await asyncio.sleep(0.08)
    assert (await host.request(POLL))[24:26] == "04"
    scanner.inject_scanner_fault(ZeroImage())
    await host.request(CAPTURE)
    assert [await host.read(IN, 540, 1) for _ in range(90)] == [b""] * 90
    await host.request(CAPTURE)
    assert len(await host.read(IN, 540, 1)) == 540

    scanner.inject_scanner_fault(UnplugAt(transfer=10))
    for _ in range(9):
        await host.read(IN, 540, 1)
    with pytest.raises(OSError, match="shutdown"):
        await host.read(IN, 540, 1)
    scanner.replug()
    assert (await host.request(POLL))[24:26] == "04"
    with pytest.raises(ValueError, match="validation error"):
        nb1010_fault("trouble")
    with pytest.raises(SimulatorError, match="NB-1010-U cannot have Trouble"):
        scanner.inject_scanner_fault(Trouble())
