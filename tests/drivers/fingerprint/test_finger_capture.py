"""Captures with any scanner: their events, and an outcome in every case."""

import asyncio
import io
import time
from typing import Any

import pytest
from PIL import Image
from pydantic import ValidationError
from scanner_fixture import ScannerFixture, ScriptedScanner, open_scripted_scanner, words
from support.devices.fingerprints import BLANK, print_of
from support.devices.self_tests import outcomes, run_self_test

from drivers.command import CommandFailure, CommandRefusal, RefusalReason
from drivers.driver import StateCode, Status
from drivers.fingerprint.commands import CaptureFinger
from drivers.fingerprint.observations import (
    CaptureEnded,
    CaptureOutcome,
    CapturePurpose,
    FeedbackCode,
    FingerCaptured,
    FingerPosition,
    QualityMeasureName,
    UnreadableReason,
)
from drivers.fingerprint.quality import MeasureName, QualityMeasure, load_measure
from drivers.fingerprint.raster import CaptureFailure, Raster
from drivers.fingerprint.scanner import ScannerSettings
from drivers.links.link import Action, Cause, LinkError
from drivers.observation import DataClass, Outcome
from drivers.self_test import SelfTestLevel

GOOD = print_of()
SMALL = print_of(size=(0.14, 0.14))
PULLED = LinkError(Cause.UNPLUGGED, "The scanner went away.", Action.REPLUG)
LIFTED = CaptureFailure(CaptureOutcome.LIFTED_TOO_EARLY)


async def test_capture_publishes_the_image() -> None:
    async with open_scripted_scanner(encodings=["png", "wsq"]) as (scanner, desk):
        asked = desk.ask(position="right_index", purpose="identification")
        await desk.told(FeedbackCode.PLACE)
        scanner.place(GOOD)
        done = await asked
        assert done.outcome is CaptureOutcome.CAPTURED
        await desk.ended()
        while await desk.next_state() is not StateCode.ONLINE:
            pass

    assert words(desk.everything) == [
        "[busy]",
        "place",
        "keep_still",
        "assessing",
        "finger.captured",
        "finger.capture_ended",
        "[online]",
    ]
    captured = next(said for said in desk.everything if isinstance(said, FingerCaptured))
    assert (captured.position, captured.purpose) == (
        FingerPosition.RIGHT_INDEX,
        CapturePurpose.IDENTIFICATION,
    )
    assert (captured.width_px, captured.height_px, captured.resolution_ppi) == (256, 288, 500)
    assert [image.role for image in captured.attachments] == ["png", "wsq"]
    png = Image.open(io.BytesIO(captured.attachments[0].content))
    assert png.tobytes() == GOOD.pixels.tobytes()
    assert tuple(round(dpi) for dpi in png.info["dpi"]) == (500, 500)


async def test_events_of_a_capture_are_traveller_data() -> None:
    async with open_scripted_scanner() as (scanner, desk):
        scanner.place(GOOD)
        await desk.ask()
        await desk.ended()
    events = [said for said in desk.everything if not isinstance(said, Status)]
    assert {event.transaction for event in events} == {"t-1"}
    assert {type(event).data_class for event in events} == {DataClass.TRAVELLER}


async def test_nothing_is_said_unasked() -> None:
    async with open_scripted_scanner() as (scanner, desk):
        scanner.place(GOOD)
        await asyncio.sleep(0.05)
        scanner.lift()
        await asyncio.sleep(0.05)
        assert desk.everything == []
        assert scanner.called == ["idle"]


async def test_best_of_several_placements() -> None:
    async with open_scripted_scanner(minimum_quality=99) as (scanner, desk):
        images = [SMALL, GOOD, print_of(noise=30)]
        asked = desk.ask(best_of=3)
        for image in images:
            await desk.told(FeedbackCode.PLACE)
            scanner.place(image)
            await desk.told(FeedbackCode.ASSESSING)
            scanner.lift()
        captured = await desk.next(FingerCaptured)
        assert (captured.attempt, captured.attempts, captured.best_of) == (2, 3, 3)
        assert captured.quality.outcome is Outcome.FAILED
        assert (await desk.ended()).outcome is CaptureOutcome.UNREADABLE
        assert (await asked).quality == captured.quality
    assert scanner.called[:8] == [
        "idle",
        "ready",
        "finger_on",
        "take",
        "finger_off",
        "finger_on",
        "take",
        "finger_off",
    ]


async def test_sufficient_image_ends_the_capture() -> None:
    async with open_scripted_scanner(minimum_quality=20) as (scanner, desk):
        scanner.place(GOOD)
        done = await desk.ask(best_of=5)
        assert (done.outcome, done.attempts) == (CaptureOutcome.CAPTURED, 1)


async def test_without_minimum_every_placement_is_used() -> None:
    async with open_scripted_scanner() as (scanner, desk):
        asked = desk.ask(best_of=2)
        for image in (GOOD, SMALL):
            await desk.told(FeedbackCode.PLACE)
            scanner.place(image)
            await desk.told(FeedbackCode.ASSESSING)
            scanner.lift()
        done = await asked
        assert (done.outcome, done.attempts) == (CaptureOutcome.CAPTURED, 2)
        assert (await desk.next(FingerCaptured)).attempt == 1


@pytest.mark.parametrize(
    ("image", "outcome", "reason", "told"),
    [
        (LIFTED, CaptureOutcome.LIFTED_TOO_EARLY, None, FeedbackCode.LIFTED_TOO_EARLY),
        (
            CaptureFailure(CaptureOutcome.UNREADABLE, UnreadableReason.DEVICE_ERROR),
            CaptureOutcome.UNREADABLE,
            UnreadableReason.DEVICE_ERROR,
            None,
        ),
        (
            CaptureFailure(CaptureOutcome.SENSOR_DIRTY),
            CaptureOutcome.SENSOR_DIRTY,
            None,
            FeedbackCode.SENSOR_DIRTY,
        ),
        (print_of(400, fingers=2), CaptureOutcome.WRONG_FINGER_COUNT, None, FeedbackCode.TOO_MANY_FINGERS),
        (BLANK, CaptureOutcome.UNREADABLE, UnreadableReason.NO_RIDGES, FeedbackCode.PRESS_HARDER),
        (SMALL, CaptureOutcome.UNREADABLE, UnreadableReason.TOO_SMALL, FeedbackCode.PRESS_HARDER),
        (
            print_of(dark=205, light=245),
            CaptureOutcome.UNREADABLE,
            UnreadableReason.TOO_LIGHT,
            FeedbackCode.PRESS_HARDER,
        ),
        (
            print_of(dark=5, light=70),
            CaptureOutcome.UNREADABLE,
            UnreadableReason.TOO_DARK,
            FeedbackCode.PRESS_SOFTER,
        ),
        (
            print_of(centre=(0.15, 0.5)),
            CaptureOutcome.UNREADABLE,
            UnreadableReason.LOW_QUALITY,
            FeedbackCode.MOVE_RIGHT,
        ),
        (
            print_of(centre=(0.5, 0.85)),
            CaptureOutcome.UNREADABLE,
            UnreadableReason.LOW_QUALITY,
            FeedbackCode.MOVE_FORWARD,
        ),
        (print_of(noise=45), CaptureOutcome.UNREADABLE, UnreadableReason.LOW_QUALITY, None),
    ],
)
async def test_bad_images_end_with_their_reason(
    image: Raster | CaptureFailure,
    outcome: CaptureOutcome,
    reason: UnreadableReason | None,
    told: FeedbackCode | None,
) -> None:
    async with open_scripted_scanner(minimum_quality=80) as (scanner, desk):
        scanner.place(image)
        done = await desk.ask()
        ended = await desk.ended()
        assert (ended.outcome, ended.reason) == (done.outcome, done.reason) == (outcome, reason)
        assert told is None or str(told) in words(desk.everything)


async def test_dirt_beside_a_print_degrades_the_scanner() -> None:
    dirty = print_of(size=(0.25, 0.3))
    dirty.pixels[:30] = 40
    async with open_scripted_scanner(minimum_quality=80) as (scanner, desk):
        scanner.place(dirty)
        done = await desk.ask()
        assert done.outcome is CaptureOutcome.SENSOR_DIRTY
        assert await desk.next(FingerCaptured), "an image is never held back for it"
        status = await desk.next(Status)
        assert (status.state, status.cause, status.action) == (
            StateCode.DEGRADED,
            Cause.SENSOR_DIRTY,
            Action.CLEAN,
        )
        scanner.place(GOOD)
        await desk.ask()
        assert await desk.next_state() is StateCode.BUSY
        assert await desk.next_state() is StateCode.ONLINE


async def test_no_finger_is_a_timeout() -> None:
    async with open_scripted_scanner() as (_, desk):
        asked = desk.ask(timeout_s=1)
        assert (await desk.ended()).outcome is CaptureOutcome.TIMED_OUT
        with pytest.raises(CommandFailure) as failed:
            await asked
        assert failed.value.reason is RefusalReason.TIMED_OUT


async def test_timeout_publishes_the_image_of_a_resting_finger() -> None:
    async with open_scripted_scanner(minimum_quality=99) as (scanner, desk):
        scanner.place(GOOD)
        asked = desk.ask(timeout_s=1, best_of=2)
        await desk.told(FeedbackCode.LIFT)
        assert (await desk.next(FingerCaptured)).attempts == 1
        assert (await desk.ended()).outcome is CaptureOutcome.TIMED_OUT
        await asyncio.wait({asked})


async def test_timeout_after_a_sufficient_image_is_success() -> None:
    async with open_scripted_scanner() as (scanner, desk):
        scanner.place(GOOD)
        assert (await desk.ask(timeout_s=1, best_of=2)).outcome is CaptureOutcome.CAPTURED


async def reach(step: str, scanner: ScriptedScanner, desk: ScannerFixture) -> None:
    """Run a capture to a step, and block it there."""
    match step:
        case "finger_on":
            await desk.told(FeedbackCode.PLACE)
        case "take":
            scanner.stuck.clear()
            scanner.place(GOOD)
            await desk.told(FeedbackCode.KEEP_STILL)
        case "finger_off":
            scanner.place(GOOD)
            await desk.told(FeedbackCode.LIFT)
        case "assessing":
            scanner.place(GOOD)
            await desk.told(FeedbackCode.ASSESSING)


STEPS = pytest.mark.parametrize("step", ["finger_on", "take", "assessing", "finger_off"])


@STEPS
async def test_capture_is_cancelled_at_any_moment(step: str) -> None:
    async with open_scripted_scanner() as (scanner, desk):
        asked = desk.ask(best_of=2)
        await reach(step, scanner, desk)
        begun_s = asyncio.get_running_loop().time()
        await desk.cancel()
        assert (await desk.ended()).outcome is CaptureOutcome.CANCELLED
        assert asyncio.get_running_loop().time() - begun_s < 0.3
        with pytest.raises(CommandFailure) as failed:
            await asked
        assert failed.value.reason is RefusalReason.CANCELLED
        scanner.stuck.set()
        while await desk.next_state() is not StateCode.ONLINE:
            pass
        assert "rest" in scanner.called
        assert "finger.captured" not in words(desk.everything)


@STEPS
async def test_link_loss_ends_capture_and_watch(step: str) -> None:
    async with open_scripted_scanner() as (scanner, desk):
        asked = desk.ask(best_of=2)
        await reach(step, scanner, desk)
        begun_s = asyncio.get_running_loop().time()
        scanner.lost.set_result(PULLED)
        assert (await desk.ended()).outcome is CaptureOutcome.DEVICE_LOST
        assert asyncio.get_running_loop().time() - begun_s < 0.3
        assert await desk.next(LinkError) is PULLED
        with pytest.raises(LinkError):
            await asked


async def test_link_loss_at_rest_ends_the_watch() -> None:
    async with open_scripted_scanner() as (scanner, desk):
        scanner.lost.set_result(PULLED)
        assert await desk.next(LinkError) is PULLED


async def test_cancelled_command_cancels_the_capture() -> None:
    async with open_scripted_scanner() as (_, desk):
        asked = desk.ask()
        await desk.told(FeedbackCode.PLACE)
        asked.cancel()
        assert (await desk.ended()).outcome is CaptureOutcome.CANCELLED


async def test_repeated_and_late_cancel_succeed() -> None:
    async with open_scripted_scanner() as (scanner, desk):
        asked = desk.ask()
        await reach("take", scanner, desk)
        await desk.cancel()
        await desk.cancel()
        await asyncio.wait({asked})
        await desk.cancel()
        scanner.stuck.set()
        assert await desk.next_state() is StateCode.ONLINE
        scanner.lost.set_result(PULLED)
        asked = desk.ask()
        while not asked.done():
            await desk.cancel()
            await asyncio.sleep(0)


def slowly(name: MeasureName) -> QualityMeasure:
    time.sleep(0.3)
    return load_measure(name)


def never(_name: MeasureName) -> QualityMeasure:
    raise PULLED


async def test_slow_measure_does_not_delay_the_capture(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("drivers.fingerprint.scanner.load_measure", slowly)
    async with open_scripted_scanner() as (scanner, desk):
        scanner.place(GOOD)
        asked = desk.ask(within_s=0.1)
        called_off = desk.ask(within_s=0.05)
        with pytest.raises(CommandRefusal):
            await called_off
        assert (await asked).outcome is CaptureOutcome.CAPTURED


async def test_cancel_while_the_measure_loads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("drivers.fingerprint.scanner.load_measure", slowly)
    async with open_scripted_scanner() as (scanner, desk):
        asked = desk.ask()
        assert await desk.next_state() is StateCode.BUSY
        await desk.cancel()
        assert (await desk.ended()).outcome is CaptureOutcome.CANCELLED
        assert "finger_on" not in scanner.called
        await asyncio.wait({asked})


async def test_unloadable_measure_is_reported_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("drivers.fingerprint.scanner.load_measure", never)
    async with open_scripted_scanner() as (_, desk):
        assert await desk.next(LinkError) is PULLED


async def test_late_command_is_refused() -> None:
    async with open_scripted_scanner() as (_, desk):
        with pytest.raises(CommandRefusal) as refused:
            await desk.ask(within_s=-1)
        assert refused.value.reason is RefusalReason.EXPIRED


async def test_cancelling_nothing_is_done() -> None:
    async with open_scripted_scanner() as (_, desk):
        await desk.cancel()


async def test_closing_answers_waiting_commands() -> None:
    async with open_scripted_scanner() as (_, desk):
        asked = desk.ask()
        await desk.told(FeedbackCode.PLACE)
    assert asked.cancelled()


async def test_driver_error_ends_the_capture() -> None:
    async with open_scripted_scanner() as (scanner, desk):
        scanner.place(ZeroDivisionError())
        asked = desk.ask()
        assert (await desk.ended()).outcome is CaptureOutcome.DEVICE_LOST
        with pytest.raises(CommandFailure):
            await asked


async def test_image_that_breaks_the_program_is_not_published() -> None:
    async with open_scripted_scanner(encodings=["wsq"]) as (scanner, desk):
        scanner.place(GOOD)
        scanner._encoded = lambda *_: 1 / 0
        asked = desk.ask()
        assert (await desk.ended()).outcome is CaptureOutcome.DEVICE_LOST
        with pytest.raises(CommandFailure):
            await asked
        assert "finger.captured" not in words(desk.everything)


async def test_second_capture_waits_for_rest() -> None:
    async with open_scripted_scanner() as (scanner, desk):
        scanner.place(GOOD, GOOD)
        first = desk.ask()
        await desk.told(FeedbackCode.ASSESSING)
        scanner.stuck.clear()
        await first
        second = desk.ask()
        third = desk.ask()
        with pytest.raises(CommandRefusal) as refused:
            await third
        assert refused.value.reason is RefusalReason.BUSY
        scanner.stuck.set()
        assert (await second).outcome is CaptureOutcome.CAPTURED


async def test_capture_without_a_timely_start_is_refused() -> None:
    async with open_scripted_scanner() as (scanner, desk):
        scanner.place(GOOD)
        first = desk.ask()
        await desk.told(FeedbackCode.ASSESSING)
        scanner.stuck.clear()
        await first
        with pytest.raises(CommandRefusal) as refused:
            await desk.ask(within_s=0.05)
        assert refused.value.reason is RefusalReason.BUSY
        late = desk.ask()
        await asyncio.sleep(0)
        await desk.cancel()
        with pytest.raises(CommandRefusal) as refused:
            await late
        assert refused.value.reason is RefusalReason.CANCELLED
        scanner.stuck.set()
    assert words(desk.everything).count("finger.capture_ended") == 1


async def test_unsupported_positions_are_refused() -> None:
    async with open_scripted_scanner() as (_, desk):
        with pytest.raises(CommandRefusal) as refused:
            await desk.ask(position="right_four")
        assert refused.value.reason is RefusalReason.NOT_SUPPORTED
        assert desk.everything == []


async def test_the_lamp_shows_what_is_said() -> None:
    async with open_scripted_scanner() as (scanner, desk):
        scanner.place(GOOD)
        await desk.ask()
        assert scanner.shown == [FeedbackCode.PLACE, FeedbackCode.KEEP_STILL, FeedbackCode.ASSESSING]


async def test_measure_has_its_own_minimum() -> None:
    async with open_scripted_scanner() as (scanner, desk):
        scanner.place(GOOD)
        quality = (await desk.ask(purpose="enrolment")).quality
        assert quality is not None
        assert (quality.measure, quality.required_minimum) == (QualityMeasureName.RIDGE_CLARITY, None)
        assert quality.outcome is Outcome.UNDETERMINED


@pytest.mark.parametrize(
    "wrong",
    [
        {"position": "right_index", "missing": ["right_index"]},
        {"position": "right_four", "missing": ["left_ring"]},
        {"position": "both_thumbs", "missing": ["left_thumb", "right_thumb"]},
        {"encodings": ["jpeg"]},
        {"encodings": []},
        {"best_of": 0},
        {"timeout_s": 0.5},
    ],
)
def test_contradictory_request_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        CaptureFinger(**wrong)


def test_missing_fingers_reduce_the_count() -> None:
    assert CaptureFinger(position="right_four", missing_fingers=["right_ring", "right_little"]).count == 2


def test_unknown_encoding_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValidationError, match="choose among png, wsq"):
        ScannerSettings(encodings=["jpeg2000"])


def test_position_codes_of_the_standards() -> None:
    assert [position.code for position in FingerPosition] == [*range(11), 13, 14, 15]
    assert FingerPosition.from_code(7) is FingerPosition.LEFT_INDEX
    assert FingerPosition.from_code(99) is FingerPosition.UNKNOWN


def test_ended_capture_is_logged_in_full() -> None:
    assert CaptureEnded.unredacted_fields >= set(CaptureEnded.model_fields) - {"transaction", "wire"}


async def test_self_test_captures_a_print_and_reports_the_platen() -> None:
    async with open_scripted_scanner() as (scanner, desk):
        assert outcomes(await run_self_test(scanner, SelfTestLevel.INTERNAL)) == {
            "glass.clean": "undetermined"
        }
        trying = asyncio.ensure_future(run_self_test(scanner, SelfTestLevel.INTERACTIVE))
        await desk.told(FeedbackCode.PLACE)
        scanner.place(GOOD)
        seen = await trying
        assert seen["finger.taken"].outcome == "successful"
        assert seen["finger.taken"].measured is not None
        while await desk.next_state() is not StateCode.ONLINE:
            pass
        assert outcomes(await run_self_test(scanner, SelfTestLevel.INTERNAL)) == {"glass.clean": "successful"}
