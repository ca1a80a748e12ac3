"""Plays a recording as the device that it was recorded of: on a pseudo-terminal, or as an HTTP service.

What the host said is waited for, what the device said is said, with its pauses; then it goes away. Whoever
asks is told that this is a replay. On HTTP, answers belong to the question before them: what was asked beside
a stream cannot be told from the stream.
"""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drivers.command import Invocation
from drivers.driver import BadFrame, Driver, Identity, PreviewFrame, Status
from drivers.links.device_node import REPLAY_WINDOW_SIZE, SIMULATED
from drivers.links.factory import LinkFactory
from drivers.links.link import LinkError
from drivers.links.recording.endpoints import EndpointKey, endpoint_key, with_endpoint
from drivers.links.recording.recording import Chunk, Recording
from drivers.observation import Observation
from drivers.registry import load_driver

if TYPE_CHECKING:
    from simulators.links.serial_line import SerialLine

ANSWER_S = 10.0
"""How long the driver may take to say what it said when recorded, in seconds."""
SAME_CHUNK_S = 0.1
NO_PAUSE_LIMIT_S = 1e9
_QUESTION = re.compile(rb"(?P<request>[A-Z]+ \S+)\n")
_STATUS = re.compile(rb"(?P<status>[0-9]{3})(?: (?P<type>.*))?\n")


class ReplayError(Exception):
    """A recording cannot be played, or was not understood; says why."""


@dataclass
class ReplayPlayer:
    """One recording, played once."""

    recording: Recording
    longest_pause_s: float = NO_PAUSE_LIMIT_S
    """Longer pauses are shortened to this, in seconds."""

    async def play_on_pty(self, line: "SerialLine") -> None:
        """Be a device on a serial line, from when a host opens it, and unplug; raises CannotPlay."""
        await line.wait_for_host()
        at_s, question, answer = 0.0, b"", b""
        for number, chunk in enumerate(self.recording.chunks, start=1):
            if chunk.direction == "out":
                try:
                    async with asyncio.timeout(ANSWER_S):
                        await self._asked(line, chunk.data, question, answer)
                except TimeoutError:
                    raise ReplayError(
                        f"chunk {number}: the driver {self.recording.driver} does not say what it said when "
                        "this was recorded"
                    ) from None
                question, answer = chunk.data, b""
            else:
                answer += chunk.data
                if chunk.at_s - at_s > SAME_CHUNK_S:
                    await line.wait_drained(within_s=ANSWER_S)  # a pause counts from when the host has read
                await self._pause(chunk.at_s - at_s)
                await line.send(chunk.data)
            at_s = chunk.at_s
        await line.wait_drained()
        await self._end(line)
        line.unplug()

    async def _asked(self, line: "SerialLine", wanted: bytes, question: bytes, answer: bytes) -> None:
        """Wait until the host says that; whoever did not get the last answer in time gets it again."""
        while True:
            await line.wait_for_bytes()
            if wanted in line.received_bytes:
                line.discard_received(wanted)
                return
            if question and question in line.received_bytes:
                line.discard_received(question)
                await line.send(answer)
            else:
                await line.wait_for_more()

    async def _end(self, line: "SerialLine") -> None:
        """A silence ends what is pending; who asks again has done with the last answer."""
        answered = [chunk.direction for chunk in self.recording.chunks[-2:]] == ["out", "in"]
        with suppress(TimeoutError):
            async with asyncio.timeout(min(0.5, self.longest_pause_s)):
                await (line.wait_for_bytes() if answered else asyncio.Event().wait())

    @asynccontextmanager
    async def serve_http(self, port: int = 0) -> AsyncIterator[tuple[int, asyncio.Event]]:
        """Be an HTTP service of this machine; gives its port, and what is set when all is said."""
        waiting, said = http_exchanges(self.recording), asyncio.Event()

        answering: set[asyncio.Task[None]] = set()

        async def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            answering.add(task)
            try:
                with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                    if (asked := _next(waiting, await _request(reader))) is None:
                        writer.write(_head(404, "text/plain"))
                    else:
                        await self._answer(asked, writer)
                        if not waiting:
                            await self._pause(0.5)  # a silence ends what is pending
                            said.set()
                    await writer.drain()
            finally:
                answering.discard(task)
                writer.transport.abort()

        server = await asyncio.start_server(accepted, "127.0.0.1", port)
        try:
            yield server.sockets[0].getsockname()[1], said
        finally:
            server.close()
            for task in answering:
                task.cancel()
            await asyncio.gather(*answering, return_exceptions=True)

    async def _answer(self, exchange: "HttpExchange", writer: asyncio.StreamWriter) -> None:
        writer.write(_head(exchange.status, exchange.media_type))
        for pause_s, part in exchange.parts:
            await self._pause(pause_s)
            writer.write(part)
            await writer.drain()

    async def _pause(self, seconds: float) -> None:
        """Chunks that came together are said at once."""
        if seconds > SAME_CHUNK_S:
            await asyncio.sleep(min(seconds, self.longest_pause_s))


@dataclass
class HttpExchange:
    """A question over HTTP, and what was answered."""

    request: bytes
    status: int = 404
    media_type: str = ""
    parts: list[tuple[float, bytes]] = field(default_factory=list)
    """Pauses in seconds, and what came after them."""


def http_exchanges(recording: Recording) -> list[HttpExchange]:
    """What was asked and answered; raises CannotPlay."""
    found: list[HttpExchange] = []
    at_s, begun = 0.0, False
    for number, chunk in enumerate(recording.chunks, start=1):
        if chunk.direction == "out":
            if (asked := _QUESTION.match(chunk.data)) is None:
                raise ReplayError(f"chunk {number} is no question over HTTP")
            found.append(HttpExchange(asked["request"]))
            begun = False
        elif not found:
            raise ReplayError(f"chunk {number} answers nothing that was asked: the recording begins midway")
        elif not begun:
            if (status := _STATUS.fullmatch(chunk.data)) is None:
                raise ReplayError(f"chunk {number} is no status of an answer")
            found[-1].status, found[-1].media_type = int(status["status"]), (status["type"] or b"").decode()
            begun = True
        else:
            found[-1].parts.append((chunk.at_s - at_s, chunk.data))
        at_s = chunk.at_s
    return found


async def _request(reader: asyncio.StreamReader) -> bytes:
    """Method and path of a request, whose body is read and let go."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
    await reader.readexactly(int(length[1]) if length else 0)
    return head.rpartition(b" HTTP/")[0].partition(b"\r\n")[0] if b" HTTP/" in head else head


def _next(waiting: list[HttpExchange], request: bytes) -> HttpExchange | None:
    """The next answer to that question; a path may have begun with what is configured elsewhere."""
    method, _, path = request.partition(b" ")
    for at, exchange in enumerate(waiting):
        asked, _, of = exchange.request.partition(b" ")
        if asked == method and of.endswith(path):
            return waiting.pop(at)
    return None


def _head(status: int, media_type: str) -> bytes:
    """An answer that lasts until it is hung up."""
    return (
        f"HTTP/1.1 {status} Replayed\r\nContent-Type: {media_type}\r\n{SIMULATED}: {REPLAY_WINDOW_SIZE.decode()}\r\n"
        "Connection: close\r\n\r\n"
    ).encode("latin-1")


def address_setting(recording: Recording) -> EndpointKey:
    """The setting that says where the device is; raises CannotPlay where nothing can be it."""
    place = endpoint_key(load_driver(recording.driver).settings_model)
    if recording.transfers or not all(isinstance(entry, Chunk) for entry in recording.entries):
        raise ReplayError("what crossed USB cannot be played: `borderpost pcapng` shows it to Wireshark")
    playable = "url" if recording.wire == "http" else recording.wire in ("serial", "keyboard") and "port"
    if place is not None and playable and place.endswith(playable):
        return place
    raise ReplayError(
        f"what crossed {recording.wire} cannot be played: only serial lines, keyboards and HTTP can"
    )


@asynccontextmanager
async def play(player: ReplayPlayer, folder: Path) -> AsyncIterator[dict[str, Any]]:
    """Play beside the caller, in that folder; gives the settings of who shall listen. Raises CannotPlay."""
    from simulators.links.serial_line import SerialLine

    async with AsyncExitStack() as stack:
        settings, place = player.recording.settings, address_setting(player.recording)
        if place == "url":
            port, _ = await stack.enter_async_context(player.serve_http())
            yield with_endpoint(settings, place, f"http://127.0.0.1:{port}")
            return
        line = await stack.enter_async_context(SerialLine.open_at(folder / "port", replays=True))
        playing = asyncio.create_task(player.play_on_pty(line))
        try:
            yield with_endpoint(settings, place, str(line.path))
        except BaseException:
            playing.cancel()
            with suppress(asyncio.CancelledError):
                await playing
            raise
        await playing


async def observe(
    player: ReplayPlayer, folder: Path
) -> AsyncIterator[Identity | Observation | BadFrame | Status | PreviewFrame]:
    """What the driver says to a recording, from who answers to the end; raises LinkError and CannotPlay."""
    recording = player.recording
    driver_class = load_driver(recording.driver)
    links = LinkFactory()
    async with play(player, folder) as given:
        settings: Any = driver_class.settings_model.model_validate(given)
        driver = driver_class(settings, links)
        asking: asyncio.Future[None] | None = None
        try:
            yield await driver.open()
            asking = asyncio.ensure_future(_asked(driver, recording))
            async with aclosing(driver.watch()) as observations:  # type: ignore[type-var]
                with suppress(LinkError):  # it goes away in the end
                    async for observation in observations:
                        yield observation
            await asking
        finally:
            if asking is not None:
                asking.cancel()
            await driver.close()
            await links.close()


async def _asked(driver: Driver[Any], recording: Recording) -> None:
    """Give the command that the recorded device was given."""
    if recording.commands is not None:
        verb, request = recording.commands
        command = driver.commands[verb]
        await getattr(driver, command.method)(
            command.arguments_type.model_validate(request), Invocation.local()
        )
