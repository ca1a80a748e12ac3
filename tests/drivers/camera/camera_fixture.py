"""A scripted HTTP server as camera, byte by byte, and an open driver with its output."""

import asyncio
import contextlib
import io
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import numpy as np
from PIL import Image
from support.patience import PATIENCE_S

from drivers.clock import boot_ns
from drivers.command import Invocation
from drivers.driver import Driver, Identity
from drivers.links.factory import LinkFactory
from drivers.links.link import LinkError

BITS = 16


def jpeg(
    number: int = 0,
    *,
    width: int = 320,
    height: int = 240,
    light: int = 255,
    noise: int = 40,
    quality: int = 80,
) -> bytes:
    """A picture that encodes a number as dark and light squares above a chequered ground."""
    ground = np.random.default_rng(number).integers(0, noise + 1, (height, width))
    ground += (np.indices((height, width)).sum(0) // 8 % 2) * (light - noise)
    for bit in range(BITS):
        size = width // BITS
        ground[:size, bit * size : (bit + 1) * size] = 255 if number >> bit & 1 else 0
    written = io.BytesIO()
    Image.fromarray(ground.astype(np.uint8)).save(written, "JPEG", quality=quality, optimize=True)
    return written.getvalue()


def number_in(picture: bytes) -> int:
    """Return the number in a picture."""
    with Image.open(io.BytesIO(picture)) as image:
        grey = np.asarray(image.convert("L"))
    size = grey.shape[1] // BITS
    return sum(int(grey[size // 2, bit * size + size // 2] > 127) << bit for bit in range(BITS))


class ReceivedRequest:
    """One request, and its response."""

    def __init__(self, head: bytes, body: bytes, writer: asyncio.StreamWriter) -> None:
        first, *lines = head.decode().split("\r\n")
        self.method, self.path, _ = first.split(" ")
        self.headers = {n.lower(): v.strip() for n, _, v in (line.partition(":") for line in lines if line)}
        self.body = body
        self.writer = writer

    async def say(self, *pieces: bytes, pause_s: float = 0.0) -> None:
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()
            await asyncio.sleep(pause_s)

    async def answer(
        self, body: bytes = b"", media_type: str = "image/jpeg", status: str = "200 OK", **headers: str
    ) -> None:
        lines = [f"HTTP/1.1 {status}", f"Content-Type: {media_type}", f"Content-Length: {len(body)}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        await self.say(("\r\n".join(lines) + "\r\n\r\n").encode() + body)

    async def stream(self, boundary: str = "myboundary") -> None:
        await self.say(
            f"HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary={boundary}\r\n"
            "Connection: close\r\n\r\n".encode()
        )

    def drop(self) -> None:
        self.writer.transport.abort()


def part(content: bytes, media_type: str = "image/jpeg", *, length: bool = True, name: str = "") -> bytes:
    """One part of a stream with the boundary `myboundary`."""
    lines = [f"Content-Type: {media_type}"]
    if name:
        lines.append(f'Content-Disposition: form-data; name="{name}"; filename="{name}"')
    if length:
        lines.append(f"Content-Length: {len(content)}")
    return b"--myboundary\r\n" + "\r\n".join(lines).encode() + b"\r\n\r\n" + content + b"\r\n"


Answering = Callable[[ReceivedRequest], Awaitable[None]]


class ScriptedHttpServer:
    """Responds to every request by a function that may be replaced at any time."""

    def __init__(self, answering: Answering) -> None:
        self.answering = answering
        self.asked: list[ReceivedRequest] = []
        self.port = 0
        self._talking: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["ScriptedHttpServer"]:
        await self.start()
        try:
            yield self
        finally:
            await self.stop()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._accepted, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        self._server.close()
        talking = list(self._talking)
        for task in talking:
            task.cancel()
        await asyncio.gather(*talking, return_exceptions=True)

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._talking.add(task)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(
                    (int(x.split(b":")[1]) for x in head.lower().split(b"\r\n") if b"content-length" in x), 0
                )
                asked = ReceivedRequest(head[:-4], await reader.readexactly(length), writer)
                self.asked.append(asked)
                await self.answering(asked)
        except (asyncio.IncompleteReadError, asyncio.CancelledError, OSError):
            pass
        finally:
            self._talking.discard(task)
            writer.transport.abort()


class CameraFixture:
    """An open driver and its output."""

    def __init__(self, driver: Driver[Any], identity: Identity) -> None:
        self.driver = driver
        self.identity = identity
        self.said: asyncio.Queue[Any] = asyncio.Queue()

    async def next(self, kind: type[Any] = object) -> Any:
        """Return the next output of that type; others are skipped."""
        async with asyncio.timeout(PATIENCE_S):
            while not isinstance(said := await self.said.get(), kind):
                pass
        return said

    async def capture(self, **wanted: Any) -> Any:
        command = type(self.driver).commands["capture"]
        call = Invocation("c-1", "lane-1", "t-1", boot_ns() + 3_000_000_000)
        return await getattr(self.driver, "capture")(command.arguments_type(**wanted), call)  # noqa: B009

    async def listen(self) -> None:
        async with contextlib.aclosing(self.driver.watch()) as observations:  # type: ignore[type-var]
            try:
                async for observation in observations:
                    self.said.put_nowait(observation)
            except LinkError as error:
                self.said.put_nowait(error)


@contextlib.asynccontextmanager
async def open_camera(kind: type[Driver[Any]], **settings: Any) -> AsyncIterator[CameraFixture]:
    """Open a driver and collect its output."""
    links = LinkFactory()
    driver = kind(kind.settings_model(**settings), links)
    listening = None
    try:
        opened = CameraFixture(driver, await driver.open())
        listening = asyncio.create_task(opened.listen())
        yield opened
    finally:
        if listening is not None:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
        await driver.close()
        await links.close()


async def inject_fault(simulated: Any, fault: str, **arguments: Any) -> None:
    """Inject a fault into a simulated camera."""
    await simulated.handle_command("fault", {"fault": fault, "args": arguments})
