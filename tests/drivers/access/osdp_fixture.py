"""A reader on a pty under the real driver: libosdp's peripheral with a frame log, or a minimal own one."""

import asyncio
import binascii
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from support.patience import PATIENCE_S

from drivers.access.osdp.driver import Osdp
from gateway.testing.open_driver import OpenDriver, open_driver
from simulators.barrier.osdp.site import OsdpSettings as SiteSettings
from simulators.barrier.osdp.site import OsdpSite
from simulators.barrier.timeline import RealClock
from simulators.barrier.wirelog import WireLog
from simulators.links.serial_line import SerialLine

KEY = "00112233445566778899aabbccddeeff"
ADDRESS = 101
OUTPUTS = [{"output": number, "operates": "lock", "max_pulse_s": 25.5} for number in range(3)]


@contextlib.asynccontextmanager
async def opened(port: Path, key: str | None = KEY, **settings: Any) -> AsyncIterator[OpenDriver[Osdp]]:
    """Open the driver on a port, as a worker does."""
    if key is not None:
        key_file = port.with_name("key")
        key_file.write_text(f"{key}\n")
        settings["key_file"] = key_file
    else:
        settings.setdefault("security", "clear")
    given = {"port": str(port), "address": ADDRESS, "outputs": OUTPUTS} | settings
    async with open_driver(Osdp, given) as there:
        yield there


@contextlib.asynccontextmanager
async def reader_site(tmp_path: Path, **given: Any) -> AsyncIterator[OsdpSite]:
    """libosdp's peripheral device with a log of every frame."""
    timeline = RealClock()
    wires = {"outputs": {"open": 0, "close": 1}, "inputs": {"open-limit": 0, "closed-limit": 1}}
    given = {"path": tmp_path / "reader", "key": KEY, "address": ADDRESS} | wires | given
    site = OsdpSite(SiteSettings.model_validate(given), timeline, WireLog(timeline))
    async with site.connected():
        yield site


POLL, ID, CAP, OUT = 0x60, 0x61, 0x62, 0x68
ACK, NAK, PDID, PDCAP, LSTATR, RAW, KEYPAD, BUSY = 0x40, 0x41, 0x45, 0x46, 0x48, 0x50, 0x53, 0x79


class SmallReader:
    """A reader without a secure channel and without libosdp."""

    def __init__(self, line: SerialLine, *, level: int = 4, noise: bytes = b"") -> None:
        self.line, self.noise = line, noise
        self.capabilities = bytes([2, level, 2, 9, 0, 0])
        self.to_tell: list[tuple[int, bytes]] = []
        self.answer_out: tuple[int, bytes] | None = (ACK, b"")
        self.outs: list[bytes] = []
        self.polls = 0
        self.mute = False
        self._held = b""
        line.on_received = self._received

    def _received(self, data: bytes) -> None:
        self._held += data
        while (start := self._held.find(0x53)) >= 0 and len(self._held) >= start + 4:
            end = start + int.from_bytes(self._held[start + 2 : start + 4], "little")
            if len(self._held) < end:
                return
            frame, self._held = self._held[start:end], self._held[end:]
            if not self.mute and (answer := self._answer(frame[5], frame[6:-2])) is not None:
                self._say(frame[4], *answer)

    def _answer(self, code: int, data: bytes) -> tuple[int, bytes] | None:
        match code:
            case 0x61:
                return PDID, bytes.fromhex("53494d 02 01 44332211 010203".replace(" ", ""))
            case 0x62:
                return PDCAP, self.capabilities
            case 0x68:
                self.outs.append(data)
                return self.answer_out
        self.polls += 1
        return self.to_tell.pop(0) if self.to_tell else (ACK, b"")

    def _say(self, control: int, code: int, data: bytes) -> None:
        length = 8 + len(data)
        body = bytes([0x53, ADDRESS | 0x80, length, 0, control & 0x07, code]) + data
        wire = body + binascii.crc_hqx(body, 0x1D0F).to_bytes(2, "little")
        self.line.call_soon(self.line.send(self.noise + wire))

    async def until(self, true: Callable[[], object]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not true():
                await asyncio.sleep(0.005)


@contextlib.asynccontextmanager
async def small_reader(tmp_path: Path, **given: Any) -> AsyncIterator[SmallReader]:
    async with SerialLine.open_at(tmp_path / "small", look_s=0.002) as line:
        yield SmallReader(line, **given)
