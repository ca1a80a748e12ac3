"""The simulated RTSP camera, as FFmpeg and a minimal client see it."""

import asyncio
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice, pairwise
from typing import Any

import av
import pytest
from av.container import InputContainer
from PIL import Image
from sim_camera_fixture import USER, fault, running
from support.patience import PATIENCE_S

from simulators.camera.frame_stamp import FrameStamp
from simulators.camera.rtsp.camera import RtspCamera
from simulators.errors import SimulatorError

OPTIONS = {"rtsp_transport": "tcp", "analyzeduration": "100000", "probesize": "32768", "threads": "1"}
QUICK = {"frames_per_s": 30.0, "key_every_s": 0.2}


@contextmanager
def opened(url: str, user: str = "", read_s: float = 3.0) -> Iterator[InputContainer]:
    url = url.replace("//", f"//{user}@") if user else url
    with av.open(url, options=OPTIONS, timeout=(5.0, read_s)) as container:
        yield container


def stamps(url: str, count: int, user: str = "") -> list[FrameStamp]:
    with opened(url, user) as container:
        return [FrameStamp.read(frame.to_image()) for frame in islice(container.decode(video=0), count)]


@pytest.mark.parametrize(("size", "codec"), [("640x360", "h264"), ("1920x1080", "h264"), ("640x360", "h265")])
async def test_ffmpeg_gets_all_pictures_in_order(size: str, codec: str) -> None:
    async with running("camera-rtsp", size=size, codec=codec, **QUICK, **USER) as (camera, _):
        seen = await asyncio.to_thread(stamps, camera.url, 5, "watch:two%20words")
        assert [later.number - earlier.number for earlier, later in pairwise(seen)] == [1] * 4
        assert all(later.at_ms > earlier.at_ms for earlier, later in pairwise(seen))
        assert time.time() * 1000 - seen[-1].at_ms < 3000


async def test_opencv_reads_with_its_own_ffmpeg() -> None:
    cv2 = pytest.importorskip("cv2")

    def seen(url: str) -> list[FrameStamp]:
        stream = cv2.VideoCapture(url, cv2.CAP_FFMPEG)
        try:
            pictures = [stream.read() for _ in range(5)]
        finally:
            stream.release()
        return [FrameStamp.read(Image.fromarray(picture[:, :, ::-1])) for whole, picture in pictures if whole]

    async with running("camera-rtsp", **QUICK, **USER) as (camera, _):
        url = camera.url.replace("//", "//watch:two%20words@")
        stamps_seen = await asyncio.to_thread(seen, url)
        assert [later.number - earlier.number for earlier, later in pairwise(stamps_seen)] == [1] * 4


@pytest.mark.parametrize("codec", ["h264", "h265"])
async def test_ffmpeg_program_reads_stream(codec: str) -> None:
    if (program := shutil.which("ffmpeg")) is None:
        pytest.skip("needs ffmpeg, from apt")
    async with running("camera-rtsp", codec=codec, **QUICK, **USER) as (camera, _):
        url = camera.url.replace("//", "//watch:two%20words@")
        options = ["-rtsp_transport", "tcp", "-i", url, "-frames:v", "5", "-fps_mode", "passthrough"]
        process = await asyncio.create_subprocess_exec(
            *(program, "-v", "error", *options, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"),
            stdout=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(PATIENCE_S):
            out, _ = await process.communicate()
    size = 640 * 360 * 3
    seen = [
        FrameStamp.read(Image.frombytes("RGB", (640, 360), out[at : at + size]))
        for at in range(0, len(out), size)
    ]
    assert (process.returncode, len(seen)) == (0, 5)
    assert all(later.number > earlier.number for earlier, later in pairwise(seen))


async def test_many_clients_and_no_idle_pictures() -> None:
    async with running("camera-rtsp", **QUICK) as (camera, _):
        both = await asyncio.gather(*(asyncio.to_thread(stamps, camera.url, 10) for _ in range(2)))
        assert {stamp.number for stamp in both[0]} & {stamp.number for stamp in both[1]}
        async with asyncio.timeout(PATIENCE_S):
            while camera.status()["streams"]:
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        count = camera.sensor.exposure_count
        await asyncio.sleep(0.1)
        assert camera.sensor.exposure_count == count


async def test_unauthorized_and_wrong_path_are_refused() -> None:
    async with running("camera-rtsp", **QUICK, **USER) as (camera, _):
        for user in ("", "watch:wrong"):
            with pytest.raises(av.error.HTTPUnauthorizedError):
                await asyncio.to_thread(stamps, camera.url, 1, user)
        await fault(camera, "not-found", times=4)
        with pytest.raises(av.error.HTTPNotFoundError):
            await asyncio.to_thread(stamps, camera.url, 1, "watch:two%20words")
        await fault(camera, "wrong-credentials")
        with pytest.raises(av.error.HTTPUnauthorizedError):
            await asyncio.to_thread(stamps, camera.url, 1, "watch:two%20words")


async def interrupted(
    camera: RtspCamera, what: Callable[[], Any], read_s: float = 3.0
) -> list[tuple[int, int]]:
    """Return the sizes until the stream ends, with `what` done after the third picture."""
    loop = asyncio.get_running_loop()

    def watch() -> list[tuple[int, int]]:
        sizes = []
        with opened(camera.url, read_s=read_s) as container:
            for frame in container.decode(video=0):
                sizes.append((frame.width, frame.height))
                if len(sizes) == 3:
                    asyncio.run_coroutine_threadsafe(what(), loop).result()
                if len(set(sizes)) == 2:
                    break
        return sizes

    return await asyncio.to_thread(watch)


async def test_killed_camera_ends_stream_and_returns() -> None:
    async with running("camera-rtsp", **QUICK) as (camera, _):
        sizes = await interrupted(camera, lambda: fault(camera, "service-dies", for_s=0.2))
        assert len(sizes) >= 3
        async with asyncio.timeout(PATIENCE_S):
            while not camera.server.is_running:
                await asyncio.sleep(0.01)
        assert await asyncio.to_thread(stamps, camera.url, 2)


async def test_stalled_camera_keeps_connections() -> None:
    async with running("camera-rtsp", **QUICK) as (camera, _):
        with pytest.raises(av.error.ExitError):
            await interrupted(camera, lambda: fault(camera, "stall"), read_s=0.3)
        assert await asyncio.to_thread(stamps, camera.url, 2)  # a client that connects after the others


async def test_stall_with_hold_time_ends() -> None:
    async with running("camera-rtsp", **QUICK) as (camera, _):
        await fault(camera, "stall", for_s=0.3)
        began_ms = time.time_ns() // 1_000_000
        (seen,) = await asyncio.to_thread(stamps, camera.url, 1)
        assert seen.at_ms - began_ms >= 290


async def test_size_changes_during_stream() -> None:
    async with running("camera-rtsp", **QUICK) as (camera, _):
        sizes = await interrupted(camera, lambda: fault(camera, "format-changed", size="1280x720"))
        assert (sizes[0], sizes[-1]) == ((640, 360), (1280, 720))


class Client:
    """Minimal RTSP client."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, url: str) -> None:
        self.reader, self.writer, self.url = reader, writer, url
        self.count = 0
        self.session = ""

    async def request(self, method: str, path: str = "", **headers: str) -> tuple[int, dict[str, str], str]:
        self.count += 1
        lines = [f"{method} {self.url}{path} RTSP/1.0", f"CSeq: {self.count}"]
        if self.session:
            lines.append(f"Session: {self.session}")
        lines += [f"{name}: {value}" for name, value in headers.items()]
        self.writer.write("\r\n".join([*lines, "", ""]).encode())
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers_by_name = dict(line.split(": ", 1) for line in head[1:] if line)
        assert headers_by_name["CSeq"] == str(self.count)
        body = await self.reader.readexactly(int(headers_by_name.get("Content-Length", 0)))
        return int(head[0].split()[1]), headers_by_name, body.decode()

    async def packet(self) -> bytes:
        head = await self.reader.readexactly(4)
        assert head[:2] == b"$\0"
        return await self.reader.readexactly(int.from_bytes(head[2:]))


async def connected(camera: RtspCamera) -> Client:
    return Client(*await asyncio.open_connection("127.0.0.1", camera.server.port), camera.url)


async def test_invalid_requests_are_refused() -> None:
    async with asyncio.timeout(PATIENCE_S), running("camera-rtsp") as (camera, _):
        client = await connected(camera)
        assert (await client.request("OPTIONS"))[0] == 200
        assert (await client.request("DESCRIBE", "er"))[0] == 404
        assert (await client.request("RECORD"))[0] == 501
        assert (await client.request("PLAY"))[0] == 454
        assert (await client.request("SETUP", "/track1", Transport="RTP/AVP;unicast;client_port=5000-5001"))[
            0
        ] == 461
        assert (await client.request("SETUP", "/track1", Transport="RTP/AVP/TCP;interleaved=x"))[0] == 400
        assert (await client.request("GET_PARAMETER"))[0] == 200
        client.writer.write(b"$\1\0\2hi")  # like a receiver's report
        assert (await client.request("TEARDOWN"))[0] == 454
        client.writer.write(b"GET / HTTP/1.1\r\n\r\n")
        assert await client.reader.read() == b""
        client.writer.close()


async def test_lost_packet_leaves_one_number_gap() -> None:
    async with asyncio.timeout(PATIENCE_S), running("camera-rtsp", **QUICK) as (camera, _):
        client = await connected(camera)
        _, _, description = await client.request("DESCRIBE")
        assert "sprop-parameter-sets=" in description
        _, headers_by_name, _ = await client.request(
            "SETUP", "/track1", Transport="RTP/AVP/TCP;unicast;interleaved=0-1"
        )
        client.session = headers_by_name["Session"].partition(";")[0]
        assert (await client.request("PLAY", Range="npt=0-"))[0] == 200
        packets = [await client.packet() for _ in range(40)]
        assert packets[0][12] & 0x1F == 7  # it begins with the parameter sets of a key picture
        numbers = [int.from_bytes(packet[2:4]) for packet in packets]
        assert {(later - earlier) % 65536 for earlier, later in pairwise(numbers)} == {1}
        assert {packet[8:12].hex().upper() for packet in packets} == {
            headers_by_name["Transport"].rpartition("ssrc=")[2]
        }
        ends = [packet for packet in packets if packet[1] & 0x80]
        assert len({packet[4:8] for packet in ends}) == len(ends)
        await fault(camera, "packet-loss")
        gap = 1
        while gap == 1:
            number = int.from_bytes((await client.packet())[2:4])
            gap = (number - numbers[-1]) % 65536
            numbers.append(number)
        assert gap == 2
        client.writer.write(
            f"TEARDOWN {client.url} RTSP/1.0\r\nCSeq: 9\r\nSession: {client.session}\r\n\r\n".encode()
        )
        assert (await client.reader.read()).endswith(b"\r\n\r\n")
        client.writer.close()


async def test_commands_of_control_socket() -> None:
    async with running("camera-rtsp") as (camera, _):
        assert await camera.handle_command("insert", {"people": 2}) == {}
        status = await camera.handle_command("status", {})
        assert (status["kind"], status["streams"], status["url"]) == ("camera-rtsp", 0, camera.url)
        for verb, arguments in [("dance", {}), ("fault", {"fault": "cut"}), ("insert", {"light": "odd"})]:
            with pytest.raises(SimulatorError):
                await camera.handle_command(verb, arguments)
