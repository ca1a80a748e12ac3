"""Replay of a recording as its device, on a pseudo-terminal, at a TCP port or as an HTTP service.

The player waits for the host's bytes and sends the device's bytes with their pauses; then it disconnects. A
request for the window size identifies it as a replay. On HTTP, a response belongs to the request before it: a
request made beside a stream cannot be told from the stream.
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
    from simulators.links.line import Line

ANSWER_S = 10.0
"""Seconds within which the driver must send the recorded bytes."""
SAME_CHUNK_S = 0.1
TURNS = 5
LOOK_S = 0.025
NO_PAUSE_LIMIT_S = 1e9
PTY_WIRES = ("serial", "keyboard", "hidraw")
"""Wires that a pseudo-terminal carries: bytes, and events of an input device or of uhid."""
_QUESTION = re.compile(rb"(?P<request>[A-Z]+ \S+)\n")
_STATUS = re.compile(rb"(?P<status>[0-9]{3})(?: (?P<type>.*))?\n")


class ReplayError(Exception):
    """The recording cannot be replayed, or the driver did not follow it; the message has the reason."""


@dataclass
class ReplayPlayer:
    """One recording, replayed once."""

    recording: Recording
    longest_pause_s: float = NO_PAUSE_LIMIT_S
    """Longer pauses are shortened to this, in seconds."""
    played_entries: int = 0
    """Number of entries that have been sent, or received."""

    async def play_on_line(self, line: "Line") -> None:
        """Act as a device on a line once a host opens it, then unplug; raises ReplayError."""
        await self.play_entries(line)
        await self._end(line)
        line.unplug()

    async def play_entries(self, line: "Line") -> None:
        """Act as a device on a line once a host opens it; raises ReplayError."""
        await line.wait_for_host()
        at_s, question, answer = 0.0, b"", b""
        for number, chunk in enumerate(self.recording.chunks, start=1):
            if chunk.direction == "out":
                try:
                    async with asyncio.timeout(ANSWER_S):
                        await self._await_request(line, chunk.data, question, answer)
                except TimeoutError:
                    raise ReplayError(
                        f"chunk {number}: the driver {self.recording.driver} does not send the bytes "
                        "that it sent when "
                        "this was recorded"
                    ) from None
                question, answer = chunk.data, b""
            else:
                answer += chunk.data
                if chunk.at_s - at_s > SAME_CHUNK_S:
                    await line.wait_drained(
                        within_s=ANSWER_S
                    )  # A pause counts from the moment at which the host has read.
                await self._pause(chunk.at_s - at_s)
                await line.send(chunk.data)
            at_s = chunk.at_s
            self.played_entries = number
        await line.wait_drained()

    async def _await_request(self, line: "Line", wanted: bytes, question: bytes, answer: bytes) -> None:
        """Wait for the host's bytes; a host that repeats the last request gets the last response again."""
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

    async def _end(self, line: "Line") -> None:
        """Wait for a silence, which ends pending frames.

        Another request shows that the last response was read.
        """
        answered = [chunk.direction for chunk in self.recording.chunks[-2:]] == ["out", "in"]
        with suppress(TimeoutError):
            async with asyncio.timeout(min(0.5, self.longest_pause_s)):
                await (line.wait_for_bytes() if answered else asyncio.Event().wait())

    @asynccontextmanager
    async def serve_http(self, port: int = 0) -> AsyncIterator[tuple[int, asyncio.Event]]:
        """Act as an HTTP service of this machine; yields its port, and an event that is set at the end."""
        waiting, finished = http_exchanges(self.recording), asyncio.Event()

        answering: set[asyncio.Task[None]] = set()

        async def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            answering.add(task)
            try:
                with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                    if (exchange := _next(waiting, await _request(reader))) is None:
                        writer.write(_head(404, "text/plain"))
                    else:
                        await self._answer(exchange, writer)
                        if not waiting:
                            await self._pause(0.5)  # A silence ends pending frames.
                            finished.set()
                    await writer.drain()
            finally:
                answering.discard(task)
                writer.transport.abort()

        server = await asyncio.start_server(accepted, "127.0.0.1", port)
        try:
            yield server.sockets[0].getsockname()[1], finished
        finally:
            server.close()
            for task in answering:
                task.cancel()
            await asyncio.gather(*answering, return_exceptions=True)

    async def _answer(self, exchange: "HttpExchange", writer: asyncio.StreamWriter) -> None:
        writer.write(_head(exchange.status, exchange.media_type))
        self.played_entries += 2
        for pause_s, part in exchange.parts:
            await self._pause(pause_s)
            writer.write(part)
            await writer.drain()
            self.played_entries += 1

    async def _pause(self, seconds: float) -> None:
        """Pause; chunks that arrived together are sent without a pause."""
        if seconds > SAME_CHUNK_S:
            await silence(min(seconds, self.longest_pause_s))


async def silence(seconds: float) -> None:
    """Pause in a few turns: a driver in this process sees the silence even if the process was stalled."""
    for _ in range(TURNS):
        await asyncio.sleep(seconds / TURNS)


@dataclass
class HttpExchange:
    """A request over HTTP, and its response."""

    request: bytes
    status: int = 404
    media_type: str = ""
    parts: list[tuple[float, bytes]] = field(default_factory=list)
    """Pauses in seconds, each with the bytes that followed."""


def http_exchanges(recording: Recording) -> list[HttpExchange]:
    """Return the requests with their responses; raises ReplayError."""
    found: list[HttpExchange] = []
    at_s, begun = 0.0, False
    for number, chunk in enumerate(recording.chunks, start=1):
        if chunk.direction == "out":
            if (match := _QUESTION.match(chunk.data)) is None:
                raise ReplayError(f"chunk {number} is not an HTTP request")
            found.append(HttpExchange(match["request"]))
            begun = False
        elif not found:
            raise ReplayError(f"chunk {number} is a response without a request: the recording begins midway")
        elif not begun:
            if (status := _STATUS.fullmatch(chunk.data)) is None:
                raise ReplayError(f"chunk {number} is not an HTTP status line")
            found[-1].status, found[-1].media_type = int(status["status"]), (status["type"] or b"").decode()
            begun = True
        else:
            found[-1].parts.append((chunk.at_s - at_s, chunk.data))
        at_s = chunk.at_s
    return found


async def _request(reader: asyncio.StreamReader) -> bytes:
    """Return method and path of a request; its body is read and discarded."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
    await reader.readexactly(int(length[1]) if length else 0)
    return head.rpartition(b" HTTP/")[0].partition(b"\r\n")[0] if b" HTTP/" in head else head


def _next(waiting: list[HttpExchange], request: bytes) -> HttpExchange | None:
    """Return the next response to that request; the start of a path may be configured differently."""
    method, _, path = request.partition(b" ")
    for at, exchange in enumerate(waiting):
        asked_method, _, target = exchange.request.partition(b" ")
        if asked_method == method and target.endswith(path):
            return waiting.pop(at)
    return None


def _head(status: int, media_type: str) -> bytes:
    """Return the head of a response that lasts until the connection is closed."""
    return (
        f"HTTP/1.1 {status} Replayed\r\nContent-Type: {media_type}\r\n{SIMULATED}: "
        f"{REPLAY_WINDOW_SIZE.decode()}\r\n"
        "Connection: close\r\n\r\n"
    ).encode("latin-1")


def address_setting(recording: Recording) -> EndpointKey:
    """Return the setting with the device's address; raises ReplayError if the player cannot replace it."""
    place = endpoint_key(load_driver(recording.driver).settings_model)
    if recording.transfers or not all(isinstance(entry, Chunk) for entry in recording.entries):
        raise ReplayError(
            "a recording of USB cannot be replayed: `borderpost pcapng` converts it for Wireshark"
        )
    playable = "url" if recording.wire == "http" else recording.wire in (*PTY_WIRES, "tcp") and "port"
    if place is not None and playable and place.endswith(playable):
        return place
    raise ReplayError(
        f"a recording of {recording.wire} cannot be replayed: only serial lines, TCP, keyboards, hidraw and "
        "HTTP can"
    )


def replayed_line(recording: Recording, folder: Path, look_s: float = LOOK_S) -> "Line":
    """Return the line on which a recording is played: a port in that folder, or a TCP port.

    `look_s`: interval at which a pseudo-terminal without a host looks for one, in seconds.
    """
    from simulators.links.serial_line import SerialLine
    from simulators.links.tcp_line import TcpLine

    if recording.wire == "tcp":
        return TcpLine.open_at()
    return SerialLine.open_at(folder / "port", look_s=look_s, replays=True)


@asynccontextmanager
async def play(player: ReplayPlayer, folder: Path) -> AsyncIterator[dict[str, Any]]:
    """Replay beside the caller, in that folder; yields the settings for the driver. Raises ReplayError."""
    async with AsyncExitStack() as stack:
        settings, place = player.recording.settings, address_setting(player.recording)
        if place == "url":
            port, _ = await stack.enter_async_context(player.serve_http())
            yield with_endpoint(settings, place, f"http://127.0.0.1:{port}")
            return
        line = await stack.enter_async_context(replayed_line(player.recording, folder))
        playing = asyncio.create_task(player.play_on_line(line))
        try:
            yield with_endpoint(settings, place, line.address)
        except BaseException:
            playing.cancel()
            with suppress(asyncio.CancelledError):
                await playing
            raise
        await playing


async def observe(
    player: ReplayPlayer, folder: Path
) -> AsyncIterator[Identity | Observation | BadFrame | Status | PreviewFrame]:
    """Yield the driver's identity and observations for a recording; raises LinkError and ReplayError."""
    recording = player.recording
    driver_class = load_driver(recording.driver)
    links = LinkFactory()
    async with play(player, folder) as given:
        settings: Any = driver_class.settings_model.model_validate(given)
        driver = driver_class(settings, links)
        asking: asyncio.Future[None] | None = None
        try:
            yield await driver.open()
            asking = asyncio.ensure_future(_send_recorded_command(driver, recording))
            async with aclosing(driver.watch()) as observations:  # type: ignore[type-var]
                with suppress(LinkError):  # The device disconnects at the end.
                    async for observation in observations:
                        yield observation
            await asking
        finally:
            if asking is not None:
                asking.cancel()
            await driver.close()
            await links.close()


async def _send_recorded_command(driver: Driver[Any], recording: Recording) -> None:
    """Send the driver the command that was recorded."""
    if recording.commands is not None:
        verb, request = recording.commands
        command = driver.commands[verb]
        await getattr(driver, command.method)(
            command.arguments_type.model_validate(request), Invocation.local()
        )
