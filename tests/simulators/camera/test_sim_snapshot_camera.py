"""The simulated snapshot camera, as its clients and the control socket see it."""

import asyncio
import time
from itertools import islice, pairwise

import av
import httpx
import pytest
from PIL import UnidentifiedImageError
from sim_camera_fixture import DIGEST, USER, fault, image_of, running, stamp_of
from support.patience import PATIENCE_S

from simulators.camera.frame_stamp import FrameStamp, UnreadableError
from simulators.errors import SimulatorError

PICTURE, VIDEO = "/snapshot.jpg", "/video.mjpg"


@pytest.mark.parametrize("size", ["640x360", "1920x1080"])
async def test_picture_is_taken_at_request_time(size: str) -> None:
    async with running("camera-snapshot", size=size) as (_, client):
        for number in range(3):
            asked_ms = time.time_ns() // 1_000_000
            answer = await client.get(PICTURE)
            stamp = stamp_of(answer.content)
            assert stamp.number == number
            assert asked_ms <= stamp.at_ms <= time.time_ns() // 1_000_000
        assert answer.headers["Content-Type"] == "image/jpeg"
        assert answer.headers["X-Borderpost-Simulated"] == "1"
        assert "{}x{}".format(*image_of(answer.content).size) == size
        assert (await client.get("/other.jpg")).status_code == 404


async def test_password_is_required() -> None:
    async with running("camera-snapshot", **USER) as (camera, client):
        assert (await client.get(PICTURE, auth=DIGEST)).status_code == 200
        assert (await client.get(VIDEO)).status_code == 401
        assert (await client.get(PICTURE, auth=("watch", "two words"))).status_code == 401
        await fault(camera, "wrong-credentials", for_s=0.5)
        assert (await client.get(PICTURE, auth=DIGEST)).status_code == 401
        while (await client.get(PICTURE, auth=DIGEST)).status_code == 401:
            await asyncio.sleep(0.02)
    async with running("camera-snapshot", auth="basic", **USER) as (_, client):
        assert (await client.get(PICTURE, auth=("watch", "two words"))).status_code == 200


async def pictures(client: httpx.AsyncClient, count: int) -> list[bytes]:
    """Return the first parts of the stream, split by hand."""
    data = b""
    async with client.stream("GET", VIDEO) as stream:
        assert "multipart/x-mixed-replace; boundary=" in stream.headers["Content-Type"]
        boundary = stream.headers["Content-Type"].rpartition("=")[2].encode()
        async for piece in stream.aiter_raw():
            data += piece
            if data.count(b"--" + boundary) > count:
                break
    parts = data.split(b"--" + boundary + b"\r\n")[1 : count + 1]
    return [part.partition(b"\r\n\r\n")[2].removesuffix(b"\r\n") for part in parts]


async def test_stream_has_new_pictures_at_its_rate() -> None:
    async with running("camera-snapshot", frames_per_s=40) as (camera, client):
        asked_ms = time.time_ns() // 1_000_000
        stamps = [stamp_of(jpeg) for jpeg in await pictures(client, 5)]
        assert [later.number - earlier.number for earlier, later in pairwise(stamps)] == [1] * 4
        assert stamps[-1].at_ms - asked_ms >= 4 * 25
        while camera.status()["streams"]:
            await asyncio.sleep(0.01)


async def test_ffmpeg_reads_the_stream() -> None:
    def numbers(url: str) -> list[int]:
        with av.open(url, format="mpjpeg", timeout=5) as container:
            frames = islice(container.decode(video=0), 4)
            return [FrameStamp.read(frame.to_image()).number for frame in frames]

    async with running("camera-snapshot", frames_per_s=60) as (_, client):
        seen = await asyncio.to_thread(numbers, f"{client.base_url}/video.mjpg".replace("//video", "/video"))
        assert [later - earlier for earlier, later in pairwise(seen)] == [1] * 3


async def test_missing_partial_and_invalid_pictures() -> None:
    async with running("camera-snapshot") as (camera, client):
        await fault(camera, "not-found", times=2)
        statuses = [(await client.get(path)).status_code for path in (PICTURE, VIDEO, PICTURE)]
        assert statuses == [404, 404, 200]

        await fault(camera, "half-picture")
        half = await client.get(PICTURE)
        assert int(half.headers["Content-Length"]) == len(half.content)
        with pytest.raises(OSError, match="truncated"):
            image_of(half.content)

        await fault(camera, "garbage")
        assert (await client.get(PICTURE)).headers["Content-Type"] == "image/jpeg"
        await fault(camera, "garbage")
        with pytest.raises(UnidentifiedImageError):
            image_of((await client.get(PICTURE)).content)

        await fault(camera, "wrong-type")
        page = await client.get(PICTURE)
        assert (page.status_code, page.headers["Content-Type"]) == (200, "text/html")

        await fault(camera, "cut", at=700)
        with pytest.raises(httpx.RemoteProtocolError, match="received 700 bytes"):
            await client.get(PICTURE)

        await fault(camera, "no-length")
        bare = await client.get(PICTURE)
        assert not bare.headers.keys() & {"content-length", "transfer-encoding"}
        assert stamp_of(bare.content)


async def test_slow_stalled_and_stopped_camera() -> None:
    async with running("camera-snapshot") as (camera, client):
        await fault(camera, "slow", delay_s=0.2)
        began_s = time.monotonic()
        stamp_of((await client.get(PICTURE)).content)
        assert time.monotonic() - began_s >= 0.2

        await fault(camera, "stall")
        with pytest.raises(httpx.ReadTimeout):
            await client.get(PICTURE, timeout=0.1)
        await fault(camera, "stall", hold_s=0.1)
        assert stamp_of((await client.get(PICTURE)).content)

        await fault(camera, "service-dies", for_s=0.1)
        with pytest.raises(httpx.TransportError):
            await client.get(PICTURE)
        while True:
            try:
                assert stamp_of((await client.get(PICTURE)).content)
                break
            except httpx.ConnectError:
                await asyncio.sleep(0.02)


async def test_stale_picture_and_wrong_clock() -> None:
    async with running("camera-snapshot") as (camera, client):
        await fault(camera, "stale-picture", for_s=1)
        stamps = {stamp_of((await client.get(PICTURE)).content) for _ in range(3)}
        assert len(stamps) == 1
        await fault(camera, "wrong-clock", ahead_s=-86400)
        while (stamp := stamp_of((await client.get(PICTURE)).content)) in stamps:
            await asyncio.sleep(0.02)
        assert abs(stamp.at_ms - time.time() * 1000) < 5000


async def test_faults_affect_single_pictures() -> None:
    async with running("camera-snapshot", frames_per_s=60) as (camera, client):
        await fault(camera, "slow", delay_s=0.01)
        await fault(camera, "half-picture", times=2)
        torn = 0
        for jpeg in await pictures(client, 4):
            try:
                stamp_of(jpeg)
            except (OSError, UnreadableError):
                torn += 1
        assert torn == 2
        while camera.status()["streams"]:
            await asyncio.sleep(0.01)
        await fault(camera, "cut")
        async with asyncio.timeout(PATIENCE_S), client.stream("GET", VIDEO) as stream:
            data = b"".join([piece async for piece in stream.aiter_raw()])
        assert data.count(b"\xff\xd9") < 2  # the connection ends, as at the end of the stream


async def test_commands_of_control_socket() -> None:
    async with running("camera-snapshot") as (camera, client):
        one = image_of((await client.get(PICTURE)).content).crop((0, 60, 640, 330))
        assert await camera.handle_command("insert", {"people": 2, "light": "dark", "for_s": 60}) == {}
        two = image_of((await client.get(PICTURE)).content).crop((0, 60, 640, 330))
        assert one.tobytes() != two.tobytes()
        status = await camera.handle_command("status", {})
        assert (status["pictures"], status["requests"], status["kind"]) == (2, 2, "camera-snapshot")
        for verb, arguments in [
            ("dance", {}),
            ("fault", {"fault": "rain"}),
            ("fault", {"fault": "slow", "args": {"delay_s": -1}}),
            ("insert", {"people": 9}),
        ]:
            with pytest.raises(SimulatorError):
                await camera.handle_command(verb, arguments)


async def test_faults_happen_at_their_times() -> None:
    faults = [{"at_s": 0.05, "every_s": 60, "fault": "not-found", "for_s": 60}]
    async with running("camera-snapshot", faults=faults) as (_, client):
        assert (await client.get(PICTURE)).status_code == 200
        async with asyncio.timeout(2):
            while (await client.get(PICTURE)).status_code != 404:
                await asyncio.sleep(0.01)
