"""Pictures over HTTP: made after their request, whole, and with authentication."""

import asyncio
import hashlib
import re
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from camera_fixture import ReceivedRequest, ScriptedHttpServer, jpeg, number_in, open_camera, part
from support.devices.self_tests import outcomes, run_self_test

from drivers.camera.commands import Subject, TakePicture
from drivers.camera.observations import FaceCaptured, SceneCaptured
from drivers.camera.snapshot import HttpSnapshotCamera
from drivers.command import CommandArguments, CommandFailure, CommandRefusal, Invocation, RefusalReason
from drivers.driver import BadFrame, StateCode, Status
from drivers.links.link import Cause, LinkError
from drivers.observation import redact
from drivers.self_test import SelfTestLevel

Answer = Callable[["Camera", ReceivedRequest], Awaitable[None]]


class Camera(ScriptedHttpServer):
    """A camera with numbered pictures and scripted responses."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(lambda asked: answer(self, asked))
        self.made = 0

    def picture(self, **how: Any) -> bytes:
        self.made += 1
        return jpeg(self.made, **how)


async def single(camera: Camera, asked: ReceivedRequest) -> None:
    await asked.answer(camera.picture())


def open_driver(camera: Camera, **settings: Any) -> Any:
    return open_camera(HttpSnapshotCamera, url=camera.url, path="/picture.jpg", **settings)


async def test_picture_is_event_with_times_and_attachment() -> None:
    async with Camera(single).running() as camera, open_driver(camera) as opened:
        done = await opened.capture(subject=Subject.PORTRAIT)
        captured = await opened.next(FaceCaptured)
        assert (done.frame_count, captured.frame_count, captured.width_px, captured.height_px) == (
            1,
            1,
            320,
            240,
        )
        assert captured.transaction == "t-1"
        (picture,) = captured.attachments
        assert (picture.role, picture.media_type) == ("picture", "image/jpeg")
        assert number_in(picture.content) == camera.made == 2
        assert 0 <= captured.latency_ms < 2000
        assert 0 <= captured.age_ms < 2000
        assert camera.asked[-1].path == "/picture.jpg"
        await opened.capture(subject=Subject.SCENE)
        await opened.next(SceneCaptured)


async def test_no_picture_is_old_or_torn() -> None:
    async def unsteady(camera: Camera, asked: ReceivedRequest) -> None:
        picture = camera.picture(width=160, height=120)
        match camera.made % 5:
            case 1:
                await asked.answer(picture[: len(picture) // 2])  # states that it is whole
            case 3:
                await asyncio.sleep(0.01)
                await asked.answer(picture)
            case _:
                await asked.answer(picture)

    async with Camera(unsteady).running() as camera, open_driver(camera) as opened:
        for _ in range(60):
            before = camera.made
            await opened.capture()
            (picture,) = (await opened.next(SceneCaptured)).attachments
            assert number_in(picture.content) > before


@pytest.mark.parametrize("length", [True, False])
async def test_first_picture_of_stream_is_discarded(length: bool) -> None:
    old = jpeg(999)

    async def stream(camera: Camera, asked: ReceivedRequest) -> None:
        await asked.stream()
        await asked.say(part(old, length=length))
        while True:
            await asked.say(part(camera.picture(), length=length), pause_s=0.005)

    async with Camera(stream).running() as camera, open_driver(camera) as opened:
        for _ in range(10):
            before = camera.made
            await opened.capture()
            (picture,) = (await opened.next(SceneCaptured)).attachments
            assert before < number_in(picture.content) < 999


async def test_discard_frames_is_configurable() -> None:
    async def late_by_one(camera: Camera, asked: ReceivedRequest) -> None:
        await asked.answer(jpeg(camera.made))
        camera.made += 1

    async with Camera(late_by_one).running() as camera, open_driver(camera, discard_frames=1) as opened:
        before = camera.made
        await opened.capture()
        (picture,) = (await opened.next(SceneCaptured)).attachments
        assert number_in(picture.content) == before + 1


async def _torn(asked: ReceivedRequest, picture: bytes, how: str) -> None:
    match how:
        case "shorter than its length":
            head = f"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: {len(picture)}\r\n\r\n"
            await asked.say(head.encode() + picture[:-500])
            asked.drop()
        case "without its end":
            await asked.answer(picture[:-2])
        case "undecodable":
            await asked.answer(picture.replace(b"\xff\xdb", b"\xff\xeb"))  # no quantisation
        case _:
            await asked.answer(b"\0" * 100)


@pytest.mark.parametrize(
    ("how", "fault"),
    [
        ("shorter than its length", "cut"),
        ("without its end", "cut"),
        ("undecodable", "undecodable"),
        ("zeros", "not_jpeg"),
    ],
)
async def test_torn_picture_is_bad_frame(how: str, fault: str) -> None:
    async def second_torn(camera: Camera, asked: ReceivedRequest) -> None:
        picture = camera.picture()
        if camera.made == 2:
            await _torn(asked, picture, how)
        else:
            await asked.answer(picture)

    async with Camera(second_torn).running() as camera, open_driver(camera) as opened:
        done = await opened.capture()
        assert done.frame_count == 1
        bad = await opened.next(BadFrame)
        assert (bad.fault, len(bad.wire) <= 64) == (fault, True)
        assert (await opened.next(Status)).state is StateCode.ONLINE
        (picture,) = (await opened.next(SceneCaptured)).attachments
        assert number_in(picture.content) == 3


async def test_camera_with_only_torn_pictures_is_degraded() -> None:
    whole = True

    async def some(camera: Camera, asked: ReceivedRequest) -> None:
        await asked.answer(camera.picture() if whole else camera.picture()[:-300])

    async with Camera(some).running() as camera, open_driver(camera, poll_s=0.01) as opened:
        whole = False
        with pytest.raises(CommandFailure) as failed:
            await opened.capture(timeout_s=5)
        assert failed.value.reason is RefusalReason.LINK_FAILED
        status = await opened.next(Status)
        assert (status.state, status.cause) == (StateCode.DEGRADED, Cause.DEVICE_FAULT)
        whole = True
        assert (await opened.next(Status)).state is StateCode.ONLINE


async def test_sharpest_of_several_is_chosen() -> None:
    async def one_sharp(camera: Camera, asked: ReceivedRequest) -> None:
        sharp = camera.made == 2
        await asked.answer(camera.picture(light=255 if sharp else 60, noise=20))

    async with Camera(one_sharp).running() as camera, open_driver(camera) as opened:
        done = await opened.capture(best_of=4)
        captured = await opened.next(SceneCaptured)
        assert (done.frame_count, captured.frame_count, captured.frame_number) == (4, 4, 2)
        assert number_in(captured.attachments[0].content) == 3


async def test_time_limit_chooses_best_so_far() -> None:
    async def slower_and_slower(camera: Camera, asked: ReceivedRequest) -> None:
        if camera.made >= 3:
            await asyncio.sleep(60)
        await asked.answer(camera.picture())

    async with Camera(slower_and_slower).running() as camera, open_driver(camera) as opened:
        assert (await opened.capture(best_of=10, timeout_s=2)).frame_count == 2
        with pytest.raises(CommandFailure) as failed:
            await opened.capture(timeout_s=0.1)
        assert failed.value.reason is RefusalReason.TIMED_OUT


async def test_capture_can_be_cancelled() -> None:
    waiting = asyncio.Event()

    async def stuck(camera: Camera, asked: ReceivedRequest) -> None:
        if camera.made:
            waiting.set()
            await asyncio.sleep(60)
        await asked.answer(camera.picture())

    async with Camera(stuck).running() as camera, open_driver(camera) as opened:
        asking = asyncio.create_task(opened.capture(timeout_s=30))
        await waiting.wait()
        await opened.driver.cancel(CommandArguments(), Invocation.local())
        with pytest.raises(CommandFailure) as failed:
            await asking
        assert failed.value.reason is RefusalReason.CANCELLED
        await opened.driver.cancel(CommandArguments(), Invocation.local())


async def test_late_command_takes_no_picture() -> None:
    async with Camera(single).running() as camera, open_driver(camera) as opened:
        with pytest.raises(CommandRefusal) as refused:
            await opened.driver.capture(TakePicture(), Invocation("c", "i", "t", 0))
        assert refused.value.reason is RefusalReason.EXPIRED
        assert camera.made == 1


# A camera behind a password.

REALM = 'realm="cam", nonce="abc123", qop="auth"'


def proves(asked: ReceivedRequest, password: str) -> bool:
    """RFC 7616, section 3.4.1, with MD5 and quality `auth`."""
    fields = dict(re.findall(r'(\w+)="?([^",]+)"?', asked.headers.get("authorization", "")))

    def md5(*words: str) -> str:
        return hashlib.md5(":".join(words).encode()).hexdigest()

    if fields.keys() < {"response", "nonce", "nc", "cnonce", "uri"}:
        return False
    mine = md5(
        md5("gw", "cam", password),
        fields["nonce"],
        fields["nc"],
        fields["cnonce"],
        "auth",
        md5(asked.method, asked.path),
    )
    return fields["response"] == mine and fields["uri"] == asked.path


async def test_digest_does_not_send_the_password() -> None:
    password = "right"

    async def guarded(camera: Camera, asked: ReceivedRequest) -> None:
        if proves(asked, password):
            await asked.answer(camera.picture())
        else:
            await asked.answer(b"", "text/html", "401 Unauthorized", WWW_Authenticate=f"Digest {REALM}")

    async with Camera(guarded).running() as camera:
        async with open_driver(camera, username="gw", password="right") as opened:
            await opened.capture()
            assert not any("right" in str(asked.headers) for asked in camera.asked)
            password = "changed"
            with pytest.raises(LinkError) as refused:
                await opened.capture()
            assert refused.value.cause is Cause.NO_PERMISSION
            assert (await opened.next(LinkError)) is refused.value, "the state follows"
            assert "right" not in refused.value.text + refused.value.how
        with pytest.raises(LinkError) as refused:
            async with open_driver(camera):
                pass
        assert "username" in refused.value.how


async def test_basic_sends_the_password() -> None:
    async def guarded(camera: Camera, asked: ReceivedRequest) -> None:
        assert asked.headers["authorization"] == "Basic Z3c6cmlnaHQ="
        await asked.answer(camera.picture())

    async with (
        Camera(guarded).running() as camera,
        open_driver(camera, username="gw", password="right", auth="basic") as opened,
    ):
        await opened.capture()


# Other devices and dead cameras.


async def test_device_without_pictures_is_wrong_device() -> None:
    async def page(_camera: Camera, asked: ReceivedRequest) -> None:
        await asked.answer(b"<html>log in</html>", "text/html")

    async def missing(_camera: Camera, asked: ReceivedRequest) -> None:
        await asked.answer(status="404 Not Found")

    async def empty(_camera: Camera, asked: ReceivedRequest) -> None:
        await asked.stream()
        asked.writer.close()

    for answer in (page, missing, empty):
        async with Camera(answer).running() as camera:
            with pytest.raises(LinkError) as refused:
                async with open_driver(camera):
                    pass
            assert refused.value.cause in (Cause.WRONG_DEVICE, Cause.LINK_FAILED)


async def test_dead_camera_is_reopened() -> None:
    async with Camera(single).running() as camera:
        async with open_driver(camera, poll_s=0.01) as opened:
            await camera.stop()
            error = await opened.next(LinkError)
            assert error.cause is Cause.NO_RESPONSE
            assert "the camera" in error.how
        await camera.start()
        async with open_driver(camera) as opened:
            await opened.capture()


async def test_broken_stream_in_capture_is_lost_link() -> None:
    async def broken(camera: Camera, asked: ReceivedRequest) -> None:
        await asked.stream()
        await asked.say(part(camera.picture()))
        if len(camera.asked) > 1:
            await asked.say(part(camera.picture())[:200])
            asked.drop()
        await asyncio.sleep(60)

    async with Camera(broken).running() as camera, open_driver(camera, timeout_s=0.2) as opened:
        with pytest.raises(LinkError):
            await opened.capture()
        assert (await opened.next(LinkError)).cause is Cause.LINK_FAILED


async def test_many_opens_leave_nothing() -> None:
    async with Camera(single).running() as camera:
        for _ in range(30):
            async with open_driver(camera):
                pass


async def test_two_cameras_stay_apart() -> None:
    async def other(camera: Camera, asked: ReceivedRequest) -> None:
        await asked.answer(jpeg(4000))

    shown = []
    async with (
        Camera(single).running() as one,
        Camera(other).running() as two,
        open_driver(one) as first,
        open_driver(two) as second,
    ):
        for opened in (first, second):
            await opened.capture()
            shown.append(number_in((await opened.next(SceneCaptured)).attachments[0].content))
    assert shown == [2, 4000]


async def test_picture_is_not_logged() -> None:
    async with Camera(single).running() as camera, open_driver(camera) as opened:
        await opened.capture()
        captured = await opened.next(SceneCaptured)
        assert captured.attachments[0].sha256 not in str(redact(captured))


async def test_self_test_keeps_only_measurements() -> None:
    async def torn(camera: Camera, asked: ReceivedRequest) -> None:
        await asked.answer(camera.picture()[:-40])

    async with Camera(single).running() as camera, open_driver(camera) as opened:
        seen = await run_self_test(opened.driver, SelfTestLevel.EXTERNAL)
        assert seen["picture.came"].outcome == "successful"
        assert "320 by 240" in seen["picture.came"].text
        assert {"picture.sharpness", "picture.brightness", "picture.contrast"} <= outcomes(seen).keys()
        camera.answering = lambda asked: torn(camera, asked)
        assert outcomes(await run_self_test(opened.driver, SelfTestLevel.EXTERNAL)) == {
            "picture.came": "failed"
        }
        assert (await opened.next(Status)).state is StateCode.DEGRADED
        assert not any(isinstance(said, FaceCaptured | SceneCaptured) for said in opened.said._queue)
