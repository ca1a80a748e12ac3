"""Drivers with simulated scanners, which were written independently from one description.

A fault ends a capture with its reason, within 300 ms of its cause.
"""

import asyncio
import contextlib
import io
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scanner_fixture import ScannerFixture, open_scanner, words
from support.devices.fingerprint_scanners import FINGER, USB_MODELS, simulated_scanner, two_fingers
from support.process.run_queue import waited_s

from drivers.command import CommandFailure
from drivers.driver import StateCode, Status
from drivers.fingerprint.observations import CaptureOutcome, FeedbackCode, FingerCaptured
from drivers.links.link import Cause, LinkError
from simulators.faults import Delayed
from simulators.fingerprint.zfm.module import ZfmModule

WITHIN_S = 0.3
MODELS = ("4500", "nb1010", "r503")


@contextlib.asynccontextmanager
async def desk_at(model: str, folder: Path, **settings: Any) -> AsyncIterator[ScannerFixture]:
    """Open and watch a driver with a simulated scanner."""
    async with (
        simulated_scanner(model, folder, **settings) as rig,
        open_scanner(rig.driver, rig.links, rig) as desk,
    ):
        yield desk


async def in_time(trial: Callable[[], Awaitable[float]]) -> None:
    """Check that at least one of three attempts is within the limit, without its waits for a processor."""
    took = []
    while len(took) < 3:
        before_s = waited_s()
        took.append(await trial() - (waited_s() - before_s))
        print(f"{1000 * took[-1]:.0f} ms")
        if took[-1] < WITHIN_S:
            return
    pytest.fail(f"took {took} seconds")


def now_s() -> float:
    return asyncio.get_running_loop().time()


def seen_by_host(desk: ScannerFixture, model: str) -> Any:
    """Return the image on the platen, without the parts that the protocol loses."""
    image = np.array(desk.device.platen.sense())
    if model == "r503":
        return image >> 4
    if model == "nb1010":
        return image
    turned = model == "4500"
    image = image[::-1, ::-1] if turned else image
    image[122] = image[123]  # the line that is not there
    image[(71, 121, 172, 289), -1] = 255  # the last byte of an enciphered block
    return image[::-1, ::-1] if turned else image


@pytest.mark.parametrize("model", [*USB_MODELS, "r503"])
async def test_print_is_captured_pixel_for_pixel(model: str, tmp_path: Path) -> None:
    async with desk_at(model, tmp_path) as desk:
        asked = desk.ask(position="left_thumb")
        await desk.told(FeedbackCode.PLACE)
        desk.device.platen.place(FINGER.touch())
        assert (await asked).outcome is CaptureOutcome.CAPTURED
        captured = await desk.next(FingerCaptured)
        expected = seen_by_host(desk, model)
        desk.device.platen.lift()
    with Image.open(io.BytesIO(captured.attachments[0].content)) as picture:
        shown = np.array(picture)
    if model == "r503":
        shown >>= 4
    differing = int((shown != expected).sum())
    assert differing == 0
    assert desk.driver.links.is_simulated


async def reach(moment: str, desk: ScannerFixture) -> None:
    """Run a requested capture to a moment."""
    rig = desk.device
    await desk.told(FeedbackCode.PLACE)
    if moment == "waiting":
        return
    if isinstance(rig.scanner, ZfmModule) and moment == "on its way":
        await rig.scanner.inject(Delayed(delay_s=0.2))
    rig.platen.place(FINGER.touch())
    await desk.told(
        {
            "on its way": FeedbackCode.KEEP_STILL,
            "assessing": FeedbackCode.ASSESSING,
            "lifting": FeedbackCode.LIFT,
        }[moment]
    )


MOMENTS = pytest.mark.parametrize("moment", ["waiting", "on its way", "assessing", "lifting"])


@MOMENTS
@pytest.mark.parametrize("model", MODELS)
async def test_capture_is_cancelled_at_any_moment(model: str, moment: str, tmp_path: Path) -> None:
    async with desk_at(model, tmp_path) as desk:

        async def trial() -> float:
            asked = desk.ask(best_of=2)
            await reach(moment, desk)
            begun_s = now_s()
            await desk.cancel()
            assert (await desk.ended()).outcome is CaptureOutcome.CANCELLED
            took_s = now_s() - begun_s
            with pytest.raises(CommandFailure):
                await asked
            while await desk.next_state() is not StateCode.ONLINE:
                pass
            desk.device.platen.lift()
            return took_s

        await in_time(trial)
        desk.device.platen.place(FINGER.touch())
        assert (await desk.ask()).outcome is CaptureOutcome.CAPTURED, "nothing is left of what was called off"


@MOMENTS
@pytest.mark.parametrize("model", MODELS)
async def test_scanner_unplugged_at_any_moment(model: str, moment: str, tmp_path: Path) -> None:
    async def trial() -> float:
        async with desk_at(model, tmp_path) as desk:
            asked = desk.ask(best_of=2)
            await reach(moment, desk)
            begun_s = now_s()
            desk.device.unplug()
            assert (await desk.ended()).outcome is CaptureOutcome.DEVICE_LOST
            took_s = now_s() - begun_s
            with pytest.raises(LinkError):
                await asked
            assert (await desk.next(LinkError)).cause in (Cause.UNPLUGGED, Cause.LINK_FAILED)
            return took_s

    await in_time(trial)


@pytest.mark.parametrize("model", MODELS)
async def test_a_finger_is_lifted_too_early(model: str, tmp_path: Path) -> None:
    async with desk_at(model, tmp_path) as desk:
        if model == "4500":
            # A lifted finger is detected in the next image. With the scanner's exposure of 130 ms that takes
            # 220 ms on a quiet machine; a shorter exposure leaves time for a busy one.
            desk.device.scanner.exposure_s = 0.05

        async def trial() -> float:
            asked = desk.ask()
            await desk.told(FeedbackCode.PLACE)
            desk.device.platen.place(FINGER.touch())
            await desk.told(FeedbackCode.KEEP_STILL)
            begun_s = now_s()
            desk.device.platen.lift()
            assert (await desk.ended()).outcome is CaptureOutcome.LIFTED_TOO_EARLY
            took_s = now_s() - begun_s
            assert (await asked).outcome is CaptureOutcome.LIFTED_TOO_EARLY
            return took_s

        await in_time(trial)
        assert "lifted_too_early" in words(desk.everything)


@pytest.mark.parametrize("model", ["4500", "nb1010"])
async def test_two_fingers_are_one_too_many(model: str, tmp_path: Path) -> None:
    async with desk_at(model, tmp_path) as desk:
        touches = two_fingers(apart_mm=11)
        for touch in touches:  # drawn while the scanner answers
            await asyncio.to_thread(desk.device.platen.render_ahead, touch)

        async def trial() -> float:
            asked = desk.ask()
            await desk.told(FeedbackCode.PLACE)
            desk.device.platen.place(*touches)
            await desk.told(FeedbackCode.ASSESSING)
            begun_s = now_s()
            assert (await desk.ended()).outcome is CaptureOutcome.WRONG_FINGER_COUNT
            took_s = now_s() - begun_s
            assert (await asked).outcome is CaptureOutcome.WRONG_FINGER_COUNT
            desk.device.platen.lift()
            return took_s

        await in_time(trial)
        assert "too_many_fingers" in words(desk.everything)
        assert "finger.captured" not in words(desk.everything)


@pytest.mark.parametrize("model", MODELS)
async def test_dirty_sensor_is_degraded_until_wiped(model: str, tmp_path: Path) -> None:
    async with desk_at(model, tmp_path, minimum_quality=75) as desk:
        platen = desk.device.platen
        await asyncio.to_thread(platen.render_ahead, FINGER.touch(), dirty=True)

        async def trial() -> float:
            platen.set_dirty(True)
            asked = desk.ask()
            await desk.told(FeedbackCode.PLACE)
            platen.place(FINGER.touch())
            await desk.told(FeedbackCode.ASSESSING)
            begun_s = now_s()
            assert (await desk.ended()).outcome is CaptureOutcome.SENSOR_DIRTY
            took_s = now_s() - begun_s
            await asked
            status = await desk.next(Status)
            assert (status.state, status.cause) == (StateCode.DEGRADED, Cause.SENSOR_DIRTY)
            return took_s

        await in_time(trial)
        platen.set_dirty(False)
        assert (await desk.ask()).outcome is CaptureOutcome.CAPTURED
        assert await desk.next_state() is StateCode.BUSY
        assert await desk.next_state() is StateCode.ONLINE


@pytest.mark.parametrize("model", MODELS)
async def test_a_finger_that_never_comes(model: str, tmp_path: Path) -> None:
    async with desk_at(model, tmp_path) as desk:

        async def trial() -> float:
            asked = desk.ask(timeout_s=1)
            await desk.told(FeedbackCode.PLACE)
            begun_s = now_s()
            assert (await desk.ended()).outcome is CaptureOutcome.TIMED_OUT
            with pytest.raises(CommandFailure):
                await asked
            return now_s() - begun_s - 1

        await in_time(trial)
