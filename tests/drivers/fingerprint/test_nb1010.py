"""The NB-1010-U over USB/IP: polling, and recovery from every fault."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from scanner_fixture import ScannerFixture, listened
from support.devices.fingerprints import print_of
from support.devices.usb_fixture import UsbipServer
from support.patience import PATIENCE_S
from usbip import In, Interface, Out, USBDevice

from drivers.command import CommandFailure, RefusalReason
from drivers.driver import BadFrame, Identity
from drivers.fingerprint.nb1010 import Nb1010, Nb1010Settings
from drivers.fingerprint.observations import CaptureOutcome, FeedbackCode, FingerCaptured, UnreadableReason
from drivers.fingerprint.raster import CaptureFailure, Raster
from drivers.links.factory import LinkFactory
from drivers.links.link import Action, Cause, LinkError

PACKETS = 90


class Nb1010TestDevice(Interface):
    """One scanner, written from the protocol sheet."""

    commands = Out(0x02, "bulk", 64)
    answers = In(0x83, "bulk", 64)

    def __init__(self) -> None:
        super().__init__()
        self.bInterfaceClass = 0
        self.covered = 0
        self.picture = np.zeros((180, 256), np.uint8)
        self.heard: list[bytes] = []
        self.spoil: Callable[[list[bytes]], list[bytes]] = lambda packets: packets
        """Modification of an image's packets."""
        self.unplugs_at: int | None = None
        self.mute = False
        self.pull = lambda: None

    def on_out(self, ep: Any, data: bytes) -> None:
        self.heard.append(bytes(data))
        if len(self.heard) == self.unplugs_at:
            self.pull()
        match data[1]:
            case _ if self.mute:
                pass
            case 0x38 if data.hex() == "8038010008000000":
                self.answers.write(bytes.fromhex("803701001000000000000000") + bytes((self.covered, 0, 0, 0)))
            case 0x0D if data.hex() == "800d03000c00000000040000":
                self.answers.write(bytes.fromhex("80200300100000000000000000000000"))
            case 0x12 if data.hex() == "801204002000000002" + "00" * 19 + "20000000":
                self.answers.write(bytes.fromhex("80200400100000000000000003000000"))
                rows = self.picture.reshape(PACKETS, 512)
                for packet in self.spoil([bytes(25) + row.tobytes() + bytes(3) for row in rows]):
                    self.answers.write(packet)


@dataclass
class Rig:
    driver: Nb1010
    links: LinkFactory
    scanner: Nb1010TestDevice
    server: UsbipServer
    identity: Identity


@contextlib.asynccontextmanager
async def rig(unplugs_at: int | None = None, pid: int = 0x1010, *, mute: bool = False) -> AsyncIterator[Rig]:
    """An opened driver."""
    device = USBDevice(0x298D, pid, product="NB-1010-U", manufacturer="NEXT Biometrics")
    scanner = Nb1010TestDevice()
    device.add(scanner)
    scanner.unplugs_at = unplugs_at
    scanner.mute = mute
    scanner.picture = np.random.default_rng(1).integers(0, 256, (180, 256), np.uint8)
    with UsbipServer(device) as server:
        scanner.pull = server.unplug
        links = LinkFactory()
        driver = Nb1010(Nb1010Settings(port=server.address, quality="ridge_clarity"), links)
        try:
            yield Rig(driver, links, scanner, server, await driver.open())
        finally:
            await driver.close()
            await links.close()


def desk_of(rig: Rig) -> contextlib.AbstractAsyncContextManager[ScannerFixture]:
    return listened(ScannerFixture(rig.driver, rig.scanner, rig.identity))


async def test_a_picture_comes_as_it_is() -> None:
    async with rig() as nb:
        assert nb.identity == Identity(model="NB-1010-U", manufacturer="NEXT Biometrics")
        nb.scanner.covered = 0xF7
        await nb.driver.wait_for_finger()
        raster = await nb.driver.capture_image()
        assert isinstance(raster, Raster)
        assert np.array_equal(raster.pixels, nb.scanner.picture)
        assert raster.resolution_ppi == 385


async def test_another_device_is_refused() -> None:
    with pytest.raises(LinkError) as refused:
        async with rig(pid=0x2020):
            pass
    assert (refused.value.cause, refused.value.action) == (Cause.WRONG_DEVICE, Action.CONFIGURE)


async def test_silent_scanner_is_reported() -> None:
    with pytest.raises(LinkError) as refused:
        async with rig(mute=True):
            pass
    assert (refused.value.cause, refused.value.action) == (Cause.NO_RESPONSE, Action.REPLUG)


async def test_finger_placement_and_lift_are_detected() -> None:
    async with rig() as nb:
        waiting = asyncio.ensure_future(nb.driver.wait_for_finger())
        async with asyncio.timeout(PATIENCE_S):
            nb.scanner.covered = 0x30
            while len(nb.scanner.heard) < 4:
                await asyncio.sleep(0.01)
            assert not waiting.done()
            nb.scanner.covered = 0x31
            await waiting
            nb.scanner.covered = 0x30
            await nb.driver.wait_for_lift()


def cut(packets: list[bytes]) -> list[bytes]:
    return [*packets[:40], packets[40][:100], *packets[41:]]


def ends(packets: list[bytes]) -> list[bytes]:
    return packets[:40]


@pytest.mark.parametrize("spoilt", [cut, ends])
async def test_incomplete_image_is_captured_again(spoilt: Any) -> None:
    async with rig() as nb:
        nb.scanner.covered = 0xF7

        def once(packets: list[bytes]) -> list[bytes]:
            nb.scanner.spoil = lambda packets: packets
            return spoilt(packets)

        nb.scanner.spoil = once
        raster = await nb.driver.capture_image()
        assert isinstance(raster, Raster)
        assert np.array_equal(raster.pixels, nb.scanner.picture), "nothing of the first is in it"
        assert isinstance(nb.driver._output_queue.get_nowait(), BadFrame)


async def test_missing_image_ends_the_placement() -> None:
    async with rig() as nb:
        nb.scanner.covered = 0xF7
        nb.scanner.spoil = ends
        assert await nb.driver.capture_image() == CaptureFailure(
            CaptureOutcome.UNREADABLE, UnreadableReason.DEVICE_ERROR
        )
        nb.scanner.spoil = lambda packets: packets
        assert isinstance(await nb.driver.capture_image(), Raster)


async def test_early_lift_is_reported() -> None:
    async with rig() as nb:
        nb.scanner.spoil = ends
        assert await nb.driver.capture_image() == CaptureFailure(CaptureOutcome.LIFTED_TOO_EARLY)


async def test_cancelled_capture_does_not_affect_the_next() -> None:
    async with rig() as nb, desk_of(nb) as desk:
        nb.scanner.picture = print_of(256, 180, resolution_ppi=385).pixels
        nb.scanner.covered = 0xF7
        middle = asyncio.Event()
        loop = asyncio.get_running_loop()

        def stuck(packets: list[bytes]) -> list[bytes]:
            nb.scanner.spoil = lambda packets: packets
            loop.call_soon_threadsafe(middle.set)
            return packets[:40]

        nb.scanner.spoil = stuck
        asked = desk.ask()
        await middle.wait()
        await desk.cancel()
        with pytest.raises(CommandFailure) as failed:
            await asked
        assert failed.value.reason is RefusalReason.CANCELLED
        assert (await desk.ask(within_s=10)).outcome is CaptureOutcome.CAPTURED
        captured = await desk.next(FingerCaptured)
        assert (captured.width_px, captured.height_px, captured.resolution_ppi) == (256, 180, 385)


async def test_refused_request_is_repeated() -> None:
    async with rig() as nb:
        nb.scanner.covered = 0xF7
        nb.scanner.answers.stall()
        await nb.driver.wait_for_finger()
        assert isinstance(await nb.driver.capture_image(), Raster)


async def test_reopening_leaks_nothing() -> None:
    # The fixtures of conftest.py count descriptors, threads and tasks.
    async with rig() as nb:
        await nb.links.close()
        for _ in range(300):
            links = LinkFactory()
            await Nb1010(nb.driver.settings, links).open()
            await links.close()


async def test_unplugging_at_any_command_has_a_cause() -> None:
    async def live_until(command: int) -> None:
        async with rig(unplugs_at=command) as nb:
            nb.scanner.covered = 0xF7
            await nb.driver.wait_for_finger()
            await nb.driver.capture_image()

    for number in range(1, 5):
        with pytest.raises(LinkError) as gone:
            await live_until(number)
        assert gone.value.cause is Cause.UNPLUGGED, number


@pytest.mark.parametrize("busy", [False, True])
async def test_unplugging_ends_the_watch(busy: bool) -> None:
    async with rig() as nb, desk_of(nb) as desk:
        if busy:
            desk.ask()
            await desk.told(FeedbackCode.PLACE)
        before = time.monotonic()
        nb.server.unplug()
        assert (await desk.next(LinkError)).cause is Cause.UNPLUGGED
        assert time.monotonic() - before < 0.8


async def test_cpu_cost_of_waiting_for_a_finger() -> None:
    async with rig() as nb, desk_of(nb) as desk:
        desk.ask()
        await desk.told(FeedbackCode.PLACE)
        before_s = time.process_time()
        await asyncio.sleep(1)
        # The budget is 2 % of a core; this machine does other things, and the scanner runs in this process.
        assert time.process_time() - before_s < 0.1
