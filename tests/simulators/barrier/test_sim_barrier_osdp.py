"""A card reader that speaks OSDP, used by libosdp's control panel over a pty."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import osdp_sys
import pytest
import serial
from hypothesis import given, settings
from hypothesis import strategies as st
from osdp import LogLevel, PDInfo
from osdp.constants import Command, Event
from support.patience import PATIENCE_S

from simulators.barrier.bus_faults import LostReply, WrongCrc
from simulators.barrier.faults import BoardsHung, PowerCut
from simulators.barrier.osdp.frames import OUT, OsdpReader
from simulators.barrier.osdp.site import OsdpSettings, OsdpSite
from simulators.barrier.timeline import RealClock
from simulators.barrier.wirelog import Cause, Effect, FrameFate, WireLog
from simulators.errors import SimulatorError
from simulators.faults import Noise, Unplug

KEY = "00112233445566778899aabbccddeeff"
OFF, ON, OFF_AFTER_TIMER, ON_AFTER_TIMER, ON_TIMED, OFF_TIMED = range(1, 7)


class Port:
    """libosdp's channel: a serial port."""

    id = 1

    def __init__(self, path: Path) -> None:
        self.port = serial.Serial(str(path), 9600, timeout=0)

    def read(self, size: int) -> bytes:
        return self.port.read(size)

    def write(self, data: bytes) -> int:
        return self.port.write(data) or 0

    def flush(self) -> None:
        self.port.flush()


class Panel:
    """A control panel, driven by the loop that runs the reader."""

    def __init__(self, path: Path, key: str | None) -> None:
        osdp_sys.set_loglevel(LogLevel.Emergency)
        self.port = Port(path)
        self.events: list[dict[str, Any]] = []
        info = PDInfo(101, self.port, scbk=bytes.fromhex(key) if key else None)
        self.panel = osdp_sys.ControlPanel([info.get()])
        self.panel.set_event_callback(lambda _number, event: self.events.append(event) or 0)

    async def until(self, true: Callable[[], object]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not true():
                self.panel.refresh()
                await asyncio.sleep(0.005)

    async def connect(self) -> None:
        await self.until(self.panel.sc_status)

    def out(self, relay: int, code: int, tenths: int = 0) -> None:
        command = {"command": Command.Output, "output_no": relay, "control_code": code, "timer_count": tenths}
        assert self.panel.submit_command(0, command)

    def of(self, event: int) -> list[dict[str, Any]]:
        return [one for one in self.events if one["event"] == event]


@asynccontextmanager
async def reader(tmp_path: Path, **given: Any) -> AsyncIterator[OsdpSite]:
    timeline = RealClock()
    wires = {"outputs": {"open": 0, "close": 1}, "inputs": {"open-limit": 0, "closed-limit": 1}}
    settings = OsdpSettings.model_validate({"path": tmp_path / "reader", "key": KEY} | wires | given)
    site = OsdpSite(settings, timeline, WireLog(timeline))
    async with site.connected():
        yield site


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[OsdpSite]:
    async with reader(tmp_path) as site:
        yield site


@pytest.fixture
async def panel(site: OsdpSite) -> AsyncIterator[Panel]:
    panel = Panel(site.settings.path, KEY)
    await panel.connect()
    yield panel
    panel.port.port.close()


async def test_secure_channel_and_frame_log(site: OsdpSite, panel: Panel) -> None:
    assert site.secure
    names = [frame.meaning for frame in site.log.frames][:8]
    assert names == ["ID", "PDID", "CAP", "PDCAP", "CHLNG", "CCRYPT", "SCRYPT", "RMAC_I"]
    assert all(frame.unit == 101 for frame in site.log.frames)
    assert not site.log.output_writes


async def test_timed_output_opens_boom(site: OsdpSite, panel: Panel) -> None:
    panel.out(0, ON_TIMED, tenths=2)
    await panel.until(lambda: len(site.log.contacts) == 2)
    (actuation,) = site.log.actuations
    assert (actuation.meaning, actuation.function) == ("output 0 on for 0.2 s", OUT)
    on, off = site.log.contacts
    assert (on.closed, on.request, off.closed, off.cause) == (
        True,
        actuation.number,
        False,
        Cause.PULSE_ENDED,
    )
    assert off.at_s - on.at_s == pytest.approx(0.2, abs=0.15)
    await panel.until(lambda: {"report": b"\x01" + bytes(7)}.items() <= (panel.events or [{}])[-1].items())
    assert site.barrier.signals["open-limit"]


async def test_new_host_gets_the_inputs(site: OsdpSite, panel: Panel) -> None:
    await panel.until(lambda: panel.of(Event.Status))
    assert panel.of(Event.Status)[0]["report"] == b"\x00\x01" + bytes(6)


async def test_control_codes(site: OsdpSite, panel: Panel) -> None:
    def closed() -> bool:
        return site.board.relays.is_closed(1)

    panel.out(1, ON)
    await panel.until(closed)
    panel.out(1, OFF_TIMED, tenths=1)
    await panel.until(lambda: not closed())
    await panel.until(closed)  # the permanent state is restored
    panel.out(1, ON_TIMED, tenths=3)
    panel.out(1, OFF_AFTER_TIMER)
    await panel.until(lambda: not closed())
    panel.out(1, ON_AFTER_TIMER)
    await panel.until(closed)
    panel.out(1, OFF)
    await panel.until(lambda: not closed())
    assert [frame.effect for frame in site.log.output_writes] == [
        Effect.ENERGISE,
        Effect.ENERGISE,
        Effect.ENERGISE,
        Effect.RELEASE,
        Effect.ENERGISE,
        Effect.RELEASE,
    ]


async def test_card_is_read(site: OsdpSite, panel: Panel) -> None:
    assert site.present_card(b"\x01\x02\x03\x40", 26)
    await panel.until(lambda: panel.of(Event.CardRead))
    (card,) = panel.of(Event.CardRead)
    assert (card["data"], card["length"]) == (b"\x01\x02\x03\x40", 26)
    assert "RAW" in [frame.meaning for frame in site.log.responses]


async def test_lost_answer_is_repeated_executed_once(site: OsdpSite, panel: Panel) -> None:
    site.inject(LostReply(of="writes"))
    panel.out(0, ON_TIMED, tenths=20)
    await panel.until(lambda: len(site.log.actuations) == 2)
    first, again = site.log.actuations
    assert first.wire == again.wire
    assert [answer.fate for answer in site.log.answers_to(first)] == [FrameFate.SUPPRESSED]
    assert len(site.log.contacts) == 1


async def test_hung_reader_ignores_hosts_and_cards(site: OsdpSite, panel: Panel) -> None:
    site.inject(BoardsHung())
    mark = len(site.log)
    await panel.until(lambda: site.log.after(mark).requests)
    assert {frame.fate for frame in site.log.after(mark).requests} == {FrameFate.NOT_RECEIVED}
    assert not site.present_card(b"\x01", 8)


async def test_channel_is_lost_with_power(site: OsdpSite, panel: Panel) -> None:
    panel.out(0, ON)
    await panel.until(lambda: site.board.relays.is_closed(0))
    site.inject(PowerCut(of="boards", for_s=0.1))
    assert site.log.contacts[-1].cause is Cause.POWER
    assert not site.secure
    await panel.until(lambda: site.log.machine_events("fault") and site.board.is_powered)
    panel.panel.disable_pd(0)
    await panel.until(lambda: not panel.panel.sc_status())
    panel.panel.enable_pd(0)
    await panel.until(lambda: site.secure)
    assert not site.board.relays.is_closed(0)


async def test_cable_and_noise(site: OsdpSite, panel: Panel) -> None:
    site.inject(Noise())
    await panel.until(lambda: site.log.responses[-1].meaning != "noise")
    site.inject(Unplug())
    assert not site.settings.path.is_symlink()
    with pytest.raises(SimulatorError, match="wrong-crc"):
        site.inject(WrongCrc())


async def test_foreign_address_and_invalid_bytes(site: OsdpSite) -> None:
    port = Port(site.settings.path)
    data = bytes.fromhex("ff530209000461000000000153650200")
    port.write(data)
    await site.log.until(lambda: b"".join(frame.wire for frame in site.log.requests) == data)
    port.port.close()
    elsewhere, *rest = site.log.requests
    assert (elsewhere.fate, elsewhere.unit) == (FrameFate.NOT_OURS, 2)
    assert {frame.fate for frame in rest} == {FrameFate.DAMAGED}


async def test_secure_channel_requires_key(tmp_path: Path) -> None:
    async with reader(tmp_path) as site:
        panel = Panel(site.settings.path, "ff" * 16)
        await panel.until(lambda: any(frame.meaning == "NAK" for frame in site.log.responses) or site.secure)
        assert not site.secure
        panel.port.port.close()


FRAMES = st.builds(
    lambda address, body: (
        b"\x53" + bytes([address]) + (len(body) + 8).to_bytes(2, "little") + b"\x04\x60" + body + b"\0\0"
    ),
    st.integers(0, 0x7E),
    st.binary(max_size=40),
)


@settings(max_examples=60)
@given(st.lists(FRAMES, max_size=5), st.lists(st.integers(1, 20), min_size=1), st.booleans())
def test_frames_in_any_pieces(frames: list[bytes], cuts: list[int], marked: bool) -> None:
    stream = b"".join((b"\xff" if marked else b"") + frame for frame in frames)
    found, reader, at, turn = [], OsdpReader(), 0, 0
    while at < len(stream):
        size = cuts[turn % len(cuts)]
        found += reader.feed(stream[at : at + size])
        at, turn = at + size, turn + 1
    assert b"".join(frame.wire for frame in found) == stream
    assert [frame.name for frame in found] == ["POLL"] * len(frames)
