"""U.are.U scanners over USB/IP: wake-up from every state, and recovery from every fault."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from scanner_fixture import ScannerFixture, listened, words
from support.devices.fingerprints import print_of
from support.devices.self_tests import run_self_test
from support.devices.uru4000_fixture import (
    AWAIT_OFF,
    AWAIT_ON,
    CAPTURE,
    OFF,
    SILENCE,
    STALL,
    Uru4000Device,
    uru_device,
)
from support.devices.uru4000_images import WIDTH, encrypted, image_of, lost
from support.devices.usb_fixture import UsbipServer
from support.patience import PATIENCE_S

from drivers.command import CommandFailure, RefusalReason
from drivers.driver import BadFrame, Identity, Status
from drivers.fingerprint.commands import CaptureFinger
from drivers.fingerprint.observations import CaptureOutcome, FeedbackCode, FingerCaptured, UnreadableReason
from drivers.fingerprint.raster import CaptureFailure, Raster
from drivers.fingerprint.uru4000.driver import Uru4000, Uru4000Settings
from drivers.links.factory import LinkFactory
from drivers.links.link import Action, Cause, LinkError
from drivers.self_test import SelfTestLevel

ROWS = 24
BLOCKS = [(0x02, ROWS)]
KEY = 0x1F4C93E7


def some_rows(seed: int) -> Any:
    return np.random.default_rng(seed).integers(0, 255, (ROWS, WIDTH), np.uint8)


def sent(rows: Any) -> bytes:
    """Return a 4500's bytes of a picture: rotated, inverted, encrypted."""
    return image_of(encrypted(255 - rows[::-1, ::-1], BLOCKS, [KEY]), BLOCKS)


def expected(rows: Any) -> Any:
    return lost(rows[::-1, ::-1], BLOCKS)[::-1, ::-1]


PICTURES = [some_rows(seed) for seed in range(3)]
IMAGES = [sent(rows) for rows in PICTURES]


@dataclass
class Rig:
    """A driver with its scanner."""

    driver: Uru4000
    scanner: Uru4000Device
    server: UsbipServer
    identity: Identity

    async def until(self, *modes: int) -> None:
        """Wait until these are the last modes of the scanner."""
        async with asyncio.timeout(PATIENCE_S):
            while tuple(self.scanner.modes[-len(modes) :]) != modes:
                await asyncio.sleep(0.002)

    def said(self) -> list[Any]:
        return [self.driver._output_queue.get_nowait() for _ in range(self.driver._output_queue.qsize())]


@contextlib.asynccontextmanager
async def rig(prepare: Any = None, settings: dict[str, Any] | None = None, **ids: int) -> AsyncIterator[Rig]:
    """Open a driver; `prepare` prepares the scanner."""
    device, scanner = uru_device(**ids)
    if prepare is not None:
        prepare(scanner)
    with UsbipServer(device) as server:
        scanner.pull = server.unplug
        links = LinkFactory()
        driver = Uru4000(
            Uru4000Settings(port=server.address, quality="ridge_clarity", **(settings or {})), links
        )
        try:
            yield Rig(driver, scanner, server, await driver.open())
        finally:
            await driver.close()
            await links.close()


def desk_of(rig: Rig) -> contextlib.AbstractAsyncContextManager[ScannerFixture]:
    return listened(ScannerFixture(rig.driver, rig.scanner, rig.identity))


async def taken(rig: Rig, *images: bytes) -> Raster | CaptureFailure:
    """Capture one placement."""
    rig.scanner.place(*images)
    await rig.driver.wait_for_finger()
    return await rig.driver.capture_image()


async def test_it_says_who_it_is() -> None:
    async with rig() as uru:
        assert uru.identity == Identity(
            model="U.are.U", manufacturer="Tests", serial_number="{TEST}", firmware="0010/0115"
        )
        assert uru.scanner.modes == [], "nothing is lit before somebody asks"


async def test_self_test_reads_a_register_without_light() -> None:
    async with rig() as uru, desk_of(uru):
        seen = await run_self_test(uru.driver, SelfTestLevel.INTERNAL)
        assert seen["registers.answer"].measured is not None
        assert seen["registers.answer"].outcome in ("successful", "undetermined")
        assert uru.scanner.modes == []


def asleep(scanner: Uru4000Device) -> None:
    scanner.status = 0x81


def sleepy(scanner: Uru4000Device) -> None:
    scanner.wakes_after = 5


def stuck(scanner: Uru4000Device) -> None:
    scanner.status = 0x85


def silent_at_first(scanner: Uru4000Device) -> None:
    scanner.silent_wakeups = 2


def talkative(scanner: Uru4000Device) -> None:
    scanner.awake_reports = 3


@pytest.mark.parametrize("state", [asleep, sleepy, stuck, silent_at_first, talkative])
async def test_it_is_woken_from_any_state(state: Any) -> None:
    async with rig(state) as uru:
        assert isinstance(await taken(uru, IMAGES[0]), Raster)


async def test_microsoft_reader_challenge_and_orientation() -> None:
    def asks(scanner: Uru4000Device) -> None:
        scanner.challenge = bytes.fromhex("4dae5a0b1247a86c9fbf29fdcc178a74")

    async with rig(asks, vid=0x045E, pid=0x00CA) as uru:
        assert uru.scanner.answered == 1
        raster = await taken(uru, image_of(encrypted(255 - PICTURES[0], BLOCKS, [KEY]), BLOCKS))
        assert isinstance(raster, Raster)
        assert np.array_equal(raster.pixels, lost(PICTURES[0], BLOCKS))


@pytest.mark.parametrize(
    ("attribute", "value"), [("silent_wakeups", 9), ("wakes_after", 10**9)], ids=["silent", "asleep"]
)
async def test_failed_wake_up_is_reported(attribute: str, value: int) -> None:
    with pytest.raises(LinkError) as refused:
        async with rig(lambda scanner: setattr(scanner, attribute, value)):
            pass
    assert (refused.value.cause, refused.value.action) == (Cause.NO_RESPONSE, Action.REPLUG)


async def test_another_device_is_refused() -> None:
    with pytest.raises(LinkError) as refused:
        async with rig(vid=0x05BA, pid=0x0FFF):
            pass
    assert (refused.value.cause, refused.value.action) == (Cause.WRONG_DEVICE, Action.CONFIGURE)


async def test_image_is_decoded_pixel_for_pixel() -> None:
    async with rig() as uru:
        raster = await taken(uru, IMAGES[0])
        assert isinstance(raster, Raster)
        assert np.array_equal(raster.pixels, expected(PICTURES[0]))
        assert raster.resolution_ppi == 512
        assert uru.scanner.modes == [AWAIT_ON, CAPTURE, AWAIT_OFF]
        uru.scanner.lift()
        await uru.driver.wait_for_lift()
        await uru.driver.end_capture()
        assert uru.scanner.mode == OFF


async def test_a_clear_picture_needs_no_key() -> None:
    grey = np.full((ROWS, WIDTH), 240, np.uint8)
    async with rig() as uru:
        raster = await taken(uru, image_of(255 - grey, BLOCKS))
        assert isinstance(raster, Raster)
        assert np.array_equal(raster.pixels, grey)
        assert uru.scanner.seeds == []


async def test_key_seed_changes_unless_configured() -> None:
    async with rig() as uru:
        for image in IMAGES:
            await taken(uru, image)
        assert len(set(uru.scanner.seeds)) == 3
    async with rig(settings={"image_seed": 0x51EA2124}) as uru:
        for image in IMAGES[:2]:
            await taken(uru, image)
        assert uru.scanner.seeds == [0x51EA2124] * 2


@pytest.mark.parametrize(
    "bad",
    [b"", IMAGES[0][:5000], IMAGES[0][:64], STALL, bytes(6000)],
    ids=["empty", "cut", "head", "stall", "zero"],
)
async def test_image_is_requested_again_after_a_fault(bad: bytes) -> None:
    async with rig() as uru:
        uru.scanner.say(0x0800)
        raster = await taken(uru, bad, IMAGES[1])
        assert isinstance(raster, Raster)
        assert np.array_equal(raster.pixels, expected(PICTURES[1]))
        assert [type(said) for said in uru.said()] == [BadFrame]


async def test_missing_image_ends_the_placement() -> None:
    async with rig() as uru:
        assert await taken(uru, b"", b"", b"") == CaptureFailure(
            CaptureOutcome.UNREADABLE, UnreadableReason.DEVICE_ERROR
        )
        assert len(uru.said()) == 3
        assert isinstance(await taken(uru, IMAGES[0]), Raster)


async def test_early_lift_is_reported_at_once() -> None:
    async with rig() as uru:
        uru.scanner.place(SILENCE)
        await uru.driver.wait_for_finger()
        taking = asyncio.ensure_future(uru.driver.capture_image())
        await uru.until(CAPTURE)
        before = time.monotonic()
        uru.scanner.lift()
        assert await taking == CaptureFailure(CaptureOutcome.LIFTED_TOO_EARLY)
        assert time.monotonic() - before < 0.8
        await uru.driver.wait_for_lift()
        raster = await taken(uru, IMAGES[2])
        assert isinstance(raster, Raster)
        assert np.array_equal(raster.pixels, expected(PICTURES[2])), "nothing of the first is left"


async def test_lift_is_waited_for_only_if_needed() -> None:
    async with rig() as uru:
        await taken(uru, IMAGES[0])
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await uru.driver.wait_for_lift()
        uru.scanner.lift()
        await uru.driver.wait_for_lift()
        await uru.driver.wait_for_lift()


async def test_after_a_rest_it_is_woken_again() -> None:
    async with rig() as uru:
        for image, rows in zip(IMAGES, PICTURES, strict=True):
            await uru.driver.prepare_capture(CaptureFinger())
            raster = await taken(uru, image)
            assert isinstance(raster, Raster)
            assert np.array_equal(raster.pixels, expected(rows))
            await uru.driver.end_capture()
        assert uru.scanner.wake_count == 3


async def test_a_capture_by_command() -> None:
    picture = print_of(WIDTH, ROWS * 12, resolution_ppi=512).pixels
    blocks = [(0x02, 255), (0x02, ROWS * 12 - 255)]
    image = image_of(encrypted(255 - picture[::-1, ::-1], blocks, [KEY]), blocks)
    async with rig() as uru, desk_of(uru) as desk:
        asked = desk.ask(position="right_index")
        await desk.told(FeedbackCode.PLACE)
        uru.scanner.place(image)
        assert (await asked).outcome is CaptureOutcome.CAPTURED
        captured = await desk.next(FingerCaptured)
        assert (captured.width_px, captured.height_px) == (WIDTH, ROWS * 12)
        await uru.until(OFF)
        assert words(desk.everything)[:3] == ["[busy]", "place", "keep_still"]


@pytest.mark.parametrize("at", [AWAIT_ON, CAPTURE])
async def test_capture_after_a_cancelled_one(at: int) -> None:
    async with rig() as uru, desk_of(uru) as desk:
        asked = desk.ask()
        await desk.told(FeedbackCode.PLACE)
        if at == CAPTURE:
            uru.scanner.place(SILENCE)
        await uru.until(at)
        before = time.monotonic()
        await desk.cancel()
        with pytest.raises(CommandFailure) as failed:
            await asked
        assert time.monotonic() - before < 0.8
        assert failed.value.reason is RefusalReason.CANCELLED
        await uru.until(OFF)
        uru.scanner.finger = False
        again = desk.ask(within_s=10)
        await desk.told(FeedbackCode.PLACE)
        uru.scanner.place(image_of(255 - np.full((ROWS, WIDTH), 240, np.uint8), BLOCKS))
        assert (await again).attempts == 1


async def test_reopening_leaks_nothing() -> None:
    # The fixtures of conftest.py count descriptors, threads and tasks.
    device, _ = uru_device()
    with UsbipServer(device) as server:
        for _ in range(50):
            links = LinkFactory()
            driver = Uru4000(Uru4000Settings(port=server.address, quality="ridge_clarity"), links)
            await driver.open()
            await driver.close()
            await links.close()


async def test_unplugging_at_any_transfer_has_a_cause() -> None:
    async def live_until(transfer: int | None) -> int:
        async with rig(lambda scanner: setattr(scanner, "unplugs_at", transfer)) as uru:
            await taken(uru, IMAGES[0])
            await uru.driver.end_capture()
            return uru.scanner.controls

    transfers = await live_until(None)
    assert transfers > 10
    for number in range(1, transfers + 1):
        with pytest.raises(LinkError) as gone:
            await live_until(number)
        assert gone.value.cause in (Cause.UNPLUGGED, Cause.NO_DEVICE), number


@pytest.mark.parametrize("busy", [False, True])
async def test_unplugging_ends_the_watch(busy: bool) -> None:
    async with rig() as uru, desk_of(uru) as desk:
        if busy:
            desk.ask()
            await desk.told(FeedbackCode.PLACE)
        before = time.monotonic()
        uru.server.unplug()
        assert (await desk.next(LinkError)).cause is Cause.UNPLUGGED
        assert time.monotonic() - before < 0.8


async def test_closing_in_a_capture_switches_the_lamp_off() -> None:
    async with rig() as uru, desk_of(uru) as desk:
        desk.ask()
        await uru.until(AWAIT_ON)
    assert uru.scanner.mode == OFF


async def test_cpu_cost_of_waiting_for_a_finger() -> None:
    async with rig() as uru, desk_of(uru) as desk:
        desk.ask()
        await uru.until(AWAIT_ON)
        before_s = time.process_time()
        await asyncio.sleep(1)
        # The budget is 2 % of a core; this machine does other things, and the scanner runs in this process.
        assert time.process_time() - before_s < 0.1
        assert [said for said in desk.everything if isinstance(said, Status)][1:] == []
