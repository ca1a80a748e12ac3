"""An RTSP server (RFC 2326) with one stream of H.264 or H.265, over TCP only.

Pictures are taken and encoded while there are clients, once for all of them; each client starts with a key
picture of its own moment.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from math import inf
from types import TracebackType
from typing import Literal, ParamSpec, TypeVar

from simulators.camera.faults import ActiveFaults, NotFound, PacketLoss, Slow, Stall, WaitingFaults
from simulators.camera.rtsp.encoder import CLOCK_HZ, Encoder
from simulators.camera.rtsp.h264 import H264
from simulators.camera.rtsp.h265 import H265
from simulators.camera.rtsp.messages import Request, next_request, response
from simulators.camera.rtsp.session import Session
from simulators.camera.sensor import Sensor
from simulators.camera.slow_writer import delayed
from simulators.http.access import AccessControl
from simulators.links.tcp_listener import HOST
from simulators.links.tcp_service import TcpService

PATH = "/stream"
TRACK = "track1"
METHODS = "OPTIONS, DESCRIBE, SETUP, PLAY, PAUSE, GET_PARAMETER, SET_PARAMETER, TEARDOWN"
Codec = Literal["h264", "h265"]
CODECS: Mapping[Codec, type[Encoder]] = {"h264": H264, "h265": H265}

P = ParamSpec("P")
T = TypeVar("T")


class RtspServer(TcpService):
    """One camera's stream. Requests get the faults `not-found` and `slow`, pictures the others."""

    def __init__(
        self,
        sensor: Sensor,
        access: AccessControl,
        port: int = 0,
        frames_per_s: float = 10.0,
        key_every_s: float = 2.0,
        slices: int = 1,
        codec: Codec = "h264",
    ) -> None:
        super().__init__(port)
        self.sensor = sensor
        self.access = access
        self.frames_per_s = frames_per_s
        self.key_every_s = key_every_s
        self.slices = slices
        self.codec = codec
        self.requests_meet = WaitingFaults()
        self.pictures_meet = WaitingFaults()
        self.sessions: set[Session] = set()
        self._watched = asyncio.Event()
        self._recheck = asyncio.Event()
        self._stalled_until_s = 0.0
        self._encoder: Encoder | None = None
        # One thread, and not one of the loop's: an encoder must not be used concurrently, nor wait for other
        # work.
        self._encoding = ThreadPoolExecutor(1, thread_name_prefix="encoder")

    @property
    def url(self) -> str:
        """Address of its stream."""
        return f"rtsp://{HOST}:{self.port}{PATH}"

    @property
    def client_count(self) -> int:
        """Number of clients that get pictures."""
        return sum(session.playing for session in self.sessions)

    def inject_fault(self, fault: NotFound | Slow | Stall | PacketLoss) -> None:
        """Inject a fault of the next requests or pictures, depending on its kind."""
        match fault:
            case NotFound() | Slow():
                self.requests_meet.add(fault)
            case PacketLoss():
                self.pictures_meet.add(fault)
            case Stall(hold_s=hold_s, for_s=for_s):
                lasts_s = hold_s or for_s or inf
                self._stalled_until_s = asyncio.get_running_loop().time() + lasts_s

    def clear_faults(self) -> None:
        """Discard the pending faults, and end a stall."""
        self.requests_meet.clear()
        self.pictures_meet.clear()
        self._stalled_until_s = 0.0
        self._recheck.set()

    # Pictures

    async def run(self) -> None:
        """Send pictures to the clients, until cancelled."""
        loop = asyncio.get_running_loop()
        due_s = loop.time()
        while True:
            await self._watched.wait()
            await self._stall()
            await self._shoot(self.pictures_meet.take())
            due_s = max(due_s + 1 / self.frames_per_s, loop.time())
            await asyncio.sleep(due_s - loop.time())

    async def _stall(self) -> None:
        """Send nothing during a stall.

        Until its end or, without one, until all its clients have disconnected.
        """
        watching, loop = set(self.sessions), asyncio.get_running_loop()
        while (rest_s := self._stalled_until_s - loop.time()) > 0:
            if rest_s == inf and not watching & self.sessions:
                self._stalled_until_s = 0.0
                return
            self._recheck.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(None if rest_s == inf else rest_s):
                    await self._recheck.wait()

    async def _shoot(self, met: ActiveFaults) -> None:
        sessions = [session for session in self.sessions if session.playing]
        at = int(time.monotonic() * CLOCK_HZ)
        requested = any(session.needs_key for session in sessions)
        payloads, key = await self._in_thread(self._encoded, at, requested)
        for session in sessions:
            session.show(payloads, at, key=key, lose=met.get(PacketLoss))

    def _encoded(self, at: int, force_key: bool) -> tuple[list[bytes], bool]:
        """Return the payloads of a present picture, and whether it refers to none before it."""
        image = self.sensor.expose().image
        encoder = self._encoder_of(image.size)
        units = encoder.units(image, at, key=force_key)
        return [payload for unit in units for payload in encoder.payloads(unit)], encoder.is_key(units)

    def _encoder_of(self, size: tuple[int, int]) -> Encoder:
        if self._encoder is None or self._encoder.size != size:
            kind = CODECS[self.codec]
            self._encoder = kind(size, self.frames_per_s, self.key_every_s, self.slices)
        return self._encoder

    async def _in_thread(self, work: Callable[P, T], *arguments: P.args, **_: P.kwargs) -> T:
        """Run work that would block the loop: a picture of 1080p takes tens of milliseconds."""
        return await asyncio.get_running_loop().run_in_executor(self._encoding, work, *arguments)

    # Requests

    async def handle_connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one client, and send it pictures, until it disconnects."""
        mine: list[Session] = []
        try:
            while (request := await next_request(reader)) is not None:
                self.note(request)
                met = self.requests_meet.take()
                await delayed(met)
                status, headers, body = await self._answer(request, met, mine, writer)
                sequence = request.headers.get("cseq", "0")
                writer.write(response(status, sequence, headers, body))
                await writer.drain()
                if status == 200 and request.method == "TEARDOWN":
                    return
                if status == 200 and request.method in ("PLAY", "PAUSE"):
                    # After the answer: no picture may precede it.
                    for session in mine:
                        session.playing = request.method == "PLAY"
                    self._watch()
        finally:
            self.sessions -= set(mine)
            self._recheck.set()
            self._watch()

    def _watch(self) -> None:
        if self.client_count:
            self._watched.set()
        else:
            self._watched.clear()

    async def _answer(
        self, request: Request, met: ActiveFaults, mine: list[Session], writer: asyncio.StreamWriter
    ) -> tuple[int, Mapping[str, str], str]:
        if request.method == "OPTIONS":
            return 200, {"Public": METHODS}, ""
        authorization = request.headers.get("authorization", "")
        challenge = self.access.refusal(request.method, request.url, authorization)
        if challenge is not None:
            return 401, {"WWW-Authenticate": challenge}, ""
        if NotFound in met or request.path not in (PATH, f"{PATH}/{TRACK}"):
            return 404, {}, ""
        match request.method:
            case "DESCRIBE":
                base = request.url.rstrip("/") + "/"
                return 200, {"Content-Base": base}, await self._described()
            case "SETUP":
                return self._set_up(request, mine, writer)
            case "PLAY" | "PAUSE" | "TEARDOWN" | "GET_PARAMETER" | "SET_PARAMETER":
                return self._in_session(request, mine)
        return 501, {}, ""

    async def _described(self) -> str:
        encoder = await self._in_thread(self._encoder_of, self.sensor.size)
        return (
            f"v=0\r\no=- 0 0 IN IP4 {HOST}\r\ns=Simulated camera\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\n"
            f"a=control:*\r\n{encoder.description}a=control:{TRACK}\r\n"
        )

    def _set_up(
        self, request: Request, mine: list[Session], writer: asyncio.StreamWriter
    ) -> tuple[int, Mapping[str, str], str]:
        requested = dict(
            part.strip().partition("=")[::2] for part in request.headers.get("transport", "").split(";")
        )
        if "RTP/AVP/TCP" not in requested:
            return 461, {}, ""
        channel = requested.get("interleaved", "0-1").partition("-")[0]
        if not (channel.isdecimal() and int(channel) < 255):
            return 400, {}, ""
        session = Session(writer, int(channel))
        mine.append(session)
        self.sessions.add(session)
        transport = f"RTP/AVP/TCP;unicast;interleaved={channel}-{int(channel) + 1};ssrc={session.ssrc:08X}"
        return 200, {"Session": f"{session.name};timeout=60", "Transport": transport}, ""

    def _in_session(self, request: Request, mine: list[Session]) -> tuple[int, Mapping[str, str], str]:
        name = request.headers.get("session", "").partition(";")[0]
        if not name and request.method.endswith("PARAMETER"):
            return 200, {}, ""
        session = next((each for each in mine if each.name == name), None)
        if session is None:
            return 454, {}, ""
        headers = {"Session": name}
        if request.method == "PLAY":
            session.needs_key = True
            headers |= {"Range": "npt=now-", "RTP-Info": f"url={request.url.rstrip('/')}/{TRACK}"}
        return 200, headers, ""

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop, even while streaming."""
        await super().__aexit__(kind, error, trace)
        self._encoding.shutdown()
