"""Links to a device whose output is a fuzzer's script, and whole drivers on them.

A script is bytes with marks in it: `SILENT`, where the device pauses until it is written to or a time has
passed, and `CUT`, where its output is split into two reads.
"""

import asyncio
import os
from collections import deque
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn
from unittest import mock

import httpx

from drivers.command import CommandFailure, CommandRefusal, Invocation
from drivers.driver import BadFrame, Driver
from drivers.links.factory import LinkFactory
from drivers.links.hid.descriptor import DescriptorError, parse_descriptor
from drivers.links.hid.uhid import EventStream, parse_create, parse_input
from drivers.links.http.client import HttpLink, HttpSettings
from drivers.links.link import Action, Cause, LinkError
from drivers.links.recording.recording import Recording
from drivers.links.serial import SerialLink
from drivers.links.usb.transfers import TransferStalled, TransferTimedOut
from drivers.observation import Observation, redact
from fuzz.virtual_clock import run_in_virtual_time

RECORDINGS = Path(__file__).parents[1] / "recordings"
SILENT, CUT = b"|~|", b"|,|"
SILENCE_S = 1.0
STATUSES = (200, 200, 200, 200, 201, 204, 302, 400, 401, 404, 410, 500, 503)


def unplugged() -> LinkError:
    """Return the error at the end of every link."""
    return LinkError(Cause.UNPLUGGED, "It went away.", Action.REPLUG)


def recorded(name: str) -> tuple[bytes, ...]:
    """Return the output of a recording's device as one script."""
    recording = Recording.from_text((RECORDINGS / name).read_text())
    pieces, last_s = [], None
    for chunk in recording.chunks:
        if chunk.direction == "in":
            if last_s is not None:
                pieces.append(SILENT if chunk.at_s - last_s > 0.2 else CUT)
            pieces.append(chunk.data)
        last_s = chunk.at_s if chunk.direction == "in" else -1.0
    return (b"".join(pieces),)


class ScriptedLine(SerialLink):
    """A serial port, or an input device."""

    def __init__(self, script: bytes) -> None:
        self.usb = None
        self.name = self.serial_number = None
        self.is_simulated = self.is_replayed = False
        self.address = "the board"
        self.peer = f"script {os.getpid()} {id(self)}"
        self._pieces: deque[bytes | None] = deque()
        for piece in script.split(SILENT):
            self._pieces.extend(filter(None, piece.split(CUT)))
            self._pieces.append(None)
        self._silent_from: float | None = None
        self._written = asyncio.Event()

    async def read(self) -> bytes:
        while True:
            if self._silent_from is not None:
                with suppress(TimeoutError):
                    async with asyncio.timeout_at(self._silent_from + SILENCE_S):
                        await self._written.wait()
                self._silent_from = None
            if not self._pieces:
                raise unplugged()
            if (piece := self._pieces.popleft()) is not None:
                return piece
            self._silent_from = asyncio.get_running_loop().time()
            self._written.clear()

    def read_pending(self) -> bytes:
        return b""

    async def write(self, data: bytes) -> None:
        self._written.set()

    async def connect(self) -> None:
        """Do nothing, where a connection over TCP connects."""

    def abort(self) -> None:
        pass

    @property
    def unsent_bytes(self) -> int:
        return 0

    def discard_output(self) -> None:
        pass

    async def __aenter__(self) -> "ScriptedLine":
        return self

    async def __aexit__(self, *_: object) -> None:
        pass


class ScriptedHid(ScriptedLine):
    """A reader in HID mode: the script is events of uhid, the first of them its description."""

    def __init__(self, script: bytes) -> None:
        super().__init__(script)
        self._stream = EventStream()
        self._events: deque[bytes] = deque()

    async def _event(self) -> bytes:
        while not self._events:
            if self._stream.is_lost:
                raise unplugged()
            self._events.extend(self._stream.feed(await super().read()))
        return self._events.popleft()

    async def read(self) -> bytes:
        while (report := parse_input(await self._event())) is None:
            pass
        return report

    async def __aenter__(self) -> "ScriptedHid":
        while (info := parse_create(await self._event())) is None:
            pass
        self.info = info
        try:
            self.descriptor = self.write_descriptor = parse_descriptor(info.descriptor)
        except DescriptorError:
            raise unplugged() from None
        return self


class ScriptedUsb:
    """A device on USB: the script's pieces between silences are its transfers, one after the other."""

    is_simulated = True

    def __init__(self, script: bytes, vendor_id: int, product_id: int) -> None:
        self._pieces = deque(script.split(SILENT))
        self.identity = SimpleNamespace(
            vendor_id=vendor_id, product_id=product_id, product=None, manufacturer=None, serial_number=None
        )

    def _next(self, size: int) -> bytes:
        if not self._pieces:
            raise unplugged()
        piece = self._pieces.popleft()
        if piece == b"stalled":
            raise TransferStalled(Cause.NO_RESPONSE, "It refuses.", Action.REPLUG)
        if piece == b"late":
            raise TransferTimedOut(Cause.NO_RESPONSE, "It is silent.", Action.REPLUG)
        if piece[:1] == b"*" and piece[1:].isdigit():  # a number of zeros: an image is long
            piece = bytes(int(piece[1:9]))
        return piece[:size]

    async def control_in(self, request: int, value: int, index: int, size: int, **_: Any) -> bytes:
        await asyncio.sleep(0.001)
        return self._next(size)

    async def control_out(self, *_: Any, **__: Any) -> None:
        await asyncio.sleep(0.001)

    async def write(self, *_: Any, **__: Any) -> None:
        await asyncio.sleep(0.001)

    async def read(self, endpoint: int, size: int, **_: Any) -> bytes:
        await asyncio.sleep(0.001)
        return self._next(size)

    async def start_read(self, endpoint: int, size: int, **more: Any) -> "asyncio.Future[bytes]":
        reading = asyncio.ensure_future(self.read(endpoint, size, **more))
        reading.add_done_callback(lambda done: done.cancelled() or done.exception())
        return reading

    def listen(self, endpoint: int, size: int) -> "ScriptedUsb":
        self._interrupt_bytes = size
        return self

    async def next(self) -> bytes:
        return await self.read(0, self._interrupt_bytes)

    def clear(self) -> None:
        pass

    async def wait_until_unplugged(self) -> NoReturn:
        await asyncio.sleep(SILENCE_S)
        raise unplugged()


class ScriptedTransport(httpx.AsyncBaseTransport):
    """A service: the script's pieces are its answers. Each is a byte for the status, its type, and a body."""

    def __init__(self, script: bytes) -> None:
        self._pieces = deque(script.split(SILENT))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(0.001)
        if not self._pieces:
            raise httpx.ConnectError("It went away.")
        head, _, body = self._pieces.popleft().partition(b"\n")
        status = STATUSES[head[0] % len(STATUSES)] if head else 200
        media_type = bytes(c for c in head[1:] if 0x20 <= c < 0x7F).strip()
        return httpx.Response(status, headers=[(b"content-type", media_type)], stream=_Body(body.split(CUT)))


class _Body(httpx.AsyncByteStream):
    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = chunks

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self._chunks:
            yield chunk


class ScriptedHttpLink(HttpLink):
    """An HTTP link to that service."""

    def __init__(self, settings: HttpSettings, transport: httpx.AsyncBaseTransport) -> None:
        super().__init__(settings, lambda direction, chunk: None, lambda word: None)
        self._transport = transport

    async def __aenter__(self) -> "ScriptedHttpLink":
        self._client = httpx.AsyncClient(transport=self._transport, follow_redirects=False)
        return self


class ScriptedLinkFactory(LinkFactory):
    """Links of a driver, all of which use the script."""

    def __init__(self, script: bytes, usb: tuple[int, int] = (0, 0)) -> None:
        super().__init__()
        self.script = script
        self._ids = usb
        self._answers = ScriptedTransport(script)
        self._line: ScriptedLine | None = None

    async def serial(self, settings: Any) -> Any:
        self._line = self._line or ScriptedLine(self.script)
        return self._line

    keyboard = serial

    async def hid(self, settings: Any) -> Any:
        return await self._open.enter_async_context(ScriptedHid(self.script))

    async def modbus(self, settings: Any) -> Any:
        line = await self.serial(settings)
        with (
            mock.patch("drivers.links.modbus.link.SerialLink", return_value=line),
            mock.patch("drivers.links.modbus.link.TcpLink", return_value=line),
        ):
            return await super().modbus(settings)

    async def usb(self, settings: Any, interface: Any = None) -> Any:
        return ScriptedUsb(self.script, *self._ids)

    async def http(self, settings: Any) -> Any:
        return await self._open.enter_async_context(ScriptedHttpLink(settings, self._answers))


def run_driver(
    kind: type[Driver[Any]], settings: dict[str, Any], links: LinkFactory, *commands: tuple[str, Any]
) -> None:
    """Open a driver, send its commands, consume its output as a worker does, and close it."""
    run_in_virtual_time(_run(kind(kind.settings_model.model_validate(settings), links), links, commands))


async def _run(driver: Driver[Any], links: LinkFactory, commands: Iterable[tuple[str, Any]]) -> None:
    calls: list[asyncio.Task[None]] = []
    try:
        await driver.open()
        calls += [asyncio.create_task(_call(driver, verb, request)) for verb, request in commands]
        async for item in driver.watch():
            if isinstance(item, Observation):
                type(item).model_validate_json(item.model_dump_json())  # as a workstation reads it
                str(redact(item))
            elif isinstance(item, BadFrame):
                assert item.fault
                assert isinstance(item.wire, bytes)
    except LinkError as error:
        _sentence(error.text)
    finally:
        for task in calls:
            task.cancel()
        ends = await asyncio.gather(*calls, return_exceptions=True)
        await driver.close()
        await links.close()
    for end in ends:
        if isinstance(end, Exception):
            raise end


def _sentence(text: str) -> None:
    assert text
    assert "\n" not in text


async def _call(driver: Driver[Any], verb: str, request: Any) -> None:
    with suppress(CommandRefusal, CommandFailure, LinkError):
        await getattr(driver, driver.commands[verb].method)(request, Invocation.local(5))
