"""A scripted module on a serial line: it responds as in the manuals, or as the test sets it."""

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

from scanner_fixture import ScannerFixture, open_scanner
from support.devices.fingerprints import print_of

from drivers.fingerprint.zfm.driver import Zfm, ZfmSettings
from drivers.links.factory import LinkFactory
from simulators.links.serial_line import SerialLine

WIDTH, HEIGHT = 192, 192
IMAGE = bytes(range(256)) * (WIDTH * HEIGHT // 2 // 256)
"""A picture with every byte value."""
_PIXELS = print_of(WIDTH, HEIGHT, resolution_ppi=508).pixels >> 4
PRINT = (_PIXELS[:, 0::2] << 4 | _PIXELS[:, 1::2]).tobytes()
"""A picture that is a print."""
OK, NO_FINGER, FAILED, WRONG_PASSWORD, UNDEFINED = 0x00, 0x02, 0x03, 0x13, 0x19
Mangle = Callable[[bytes], bytes]


def frame(kind: int, content: bytes, address: bytes = b"\xff\xff\xff\xff") -> bytes:
    body = bytes([kind]) + struct.pack(">H", len(content) + 2) + content
    return b"\xef\x01" + address + body + struct.pack(">H", sum(body) % 65536)


def asked(instruction: int, parameters: bytes = b"") -> bytes:
    return frame(0x01, bytes([instruction]) + parameters)


class ScriptedZfmModule:
    """A module with its finger, image and responses."""

    def __init__(self, wire: SerialLine) -> None:
        self.wire = wire
        self.finger = False
        self.image = PRINT
        self.data_bytes = 128
        self.password = bytes(4)
        self.serial = b"SN000001"
        self.acks: dict[int, int] = {}
        """Confirmation codes that replace its own, by instruction."""
        self.mute: set[int] = set()
        self.mangle: Mangle = bytes
        """Modification of everything that it sends."""
        self.mangle_data: Mangle = bytes
        """Modification of every data packet."""
        self.pause_s = 0.0
        """Pause after each data packet, in seconds."""
        self.heard: list[int] = []
        self._buffer = b""
        self._saying: set[asyncio.Task[Any]] = set()
        self._answering = asyncio.Lock()
        wire.on_received = self._received

    def _received(self, data: bytes) -> None:
        self._buffer += data
        while len(self._buffer) >= 9:
            assert self._buffer[:2] == b"\xef\x01", "the host sends packets and nothing else"
            end = 9 + int.from_bytes(self._buffer[7:9], "big")
            if len(self._buffer) < end:
                return
            content, self._buffer = self._buffer[9 : end - 2], self._buffer[end:]
            self.heard.append(content[0])
            if content[0] not in self.mute:
                task = asyncio.ensure_future(self._answer(content[0], content[1:]))
                self._saying.add(task)
                task.add_done_callback(self._saying.discard)

    async def _answer(self, instruction: int, parameters: bytes) -> None:
        async with self._answering:
            code, extra = self._ack(instruction, parameters)
            code = self.acks.get(instruction, code)
            await self.wire.send(self.mangle(frame(0x07, bytes([code]) + (extra if code == OK else b""))))
            if instruction == 0x0A and code == OK:
                await self._send_image()

    def _ack(self, instruction: int, parameters: bytes) -> tuple[int, bytes]:
        match instruction:
            case 0x13:
                return (OK if parameters == self.password else WRONG_PASSWORD), b""
            case 0x01:
                return (OK if self.finger else NO_FINGER), b""
            case 0x0F:
                return OK, struct.pack(">HHHHIHH", 4, 9, 200, 3, 0xFFFFFFFF, 2, 6)
            case 0x3C:
                product = struct.pack(
                    ">16s4s8s2B8s4H", b"R503", b"0001", self.serial, 1, 2, b"S", WIDTH, HEIGHT, 1536, 200
                )
                return OK, product
            case 0x0A | 0x35 | 0x50 | 0x51:
                return OK, b""
            case _:
                return UNDEFINED, b""

    async def _send_image(self) -> None:
        for at in range(0, len(self.image), self.data_bytes):
            last = at + self.data_bytes >= len(self.image)
            part = frame(0x08 if last else 0x02, self.image[at : at + self.data_bytes])
            await self.wire.send(self.mangle(self.mangle_data(part)))
            if self.pause_s:
                await asyncio.sleep(self.pause_s)

    async def close(self) -> None:
        for task in list(self._saying):
            task.cancel()
        await asyncio.gather(*self._saying, return_exceptions=True)


def settings_of(port: Path, **more: Any) -> ZfmSettings:
    quick = {"model": "r503", "poll_s": 0.01, "response_timeout_s": 0.6, "quality": "ridge_clarity"}
    return ZfmSettings(**{"port": str(port)} | quick | more)


@contextlib.asynccontextmanager
async def module_at(port: Path) -> AsyncIterator[ScriptedZfmModule]:
    """Connect a module."""
    async with SerialLine.open_at(port, look_s=0.001) as wire:
        module = ScriptedZfmModule(wire)
        try:
            yield module
        finally:
            await module.close()


def opened(module: ScriptedZfmModule, **settings: Any) -> AbstractAsyncContextManager[ScannerFixture]:
    """Open and watch a driver on a module."""
    links = LinkFactory()
    return open_scanner(Zfm(settings_of(module.wire.path, **settings), links), links, module)


@contextlib.asynccontextmanager
async def zfm_at(port: Path, **settings: Any) -> AsyncIterator[ScannerFixture]:
    """Connect a module, and open a driver on it."""
    async with module_at(port) as module, opened(module, **settings) as desk:
        yield desk
