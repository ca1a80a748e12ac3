"""Relay boards with their own serial port, on a pty, with the barrier behind them."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from sim_host import Host

from simulators.barrier.bus_faults import (
    DuplicatedReply,
    ExceptionReply,
    LateReply,
    LostReply,
    LostRequest,
)
from simulators.barrier.faults import BoardsHung, ClearFaults, PowerCut, SlowBus
from simulators.barrier.serial_site import SerialSettings, SerialSite
from simulators.barrier.timeline import RealClock
from simulators.barrier.wirelog import Cause, Effect, FrameFate, WireLog
from simulators.errors import SimulatorError
from simulators.faults import Noise, Unplug

ON = b"relay on 0\r"
ECHO = b"relay on 0\n\r>"
READ, READS_OFF, READS_ON = b"relay read 0\r", b"relay read 0\n\roff\n\r>", b"relay read 0\n\ron\n\r>"


@asynccontextmanager
async def linked(tmp_path: Path, **settings: Any) -> AsyncIterator[SerialSite]:
    timeline = RealClock()
    wires = {"outputs": {"open": 0, "close": 1}}
    given = SerialSettings.model_validate({"path": tmp_path / "relay", "model": "numato"} | wires | settings)
    site = SerialSite(given, timeline, WireLog(timeline))
    async with site.connected():
        yield site


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[SerialSite]:
    async with linked(tmp_path, inputs={"open-limit": 0, "closed-limit": 1}) as site:
        yield site


@pytest.fixture
def host(site: SerialSite, plug_host: Callable[[Path], Host]) -> Host:
    return plug_host(site.settings.path)


async def test_numato_opens_and_reads_boom(site: SerialSite, host: Host) -> None:
    closed, open_ = b"gpio read 1", b"gpio read 0"
    host.write(closed + b"\r")
    assert await host.read(17) == closed + b"\n\r1\n\r>"
    host.write(ON)
    assert await host.read(len(ECHO)) == ECHO
    await site.log.until(lambda: site.barrier.signals["open-limit"])
    host.write(open_ + b"\r")
    assert await host.read(17) == open_ + b"\n\r1\n\r>"
    (actuation,) = site.log.actuations
    assert (actuation.meaning, actuation.wire) == ("relay 0 on", ON)


async def test_faults_of_answers(site: SerialSite, host: Host) -> None:
    site.inject(LostReply(of="writes"))
    host.write(ON)
    await site.log.until(lambda: site.log.responses)
    host.write(READ)
    assert await host.read(len(READS_ON)) == READS_ON
    site.inject(LostRequest())
    host.write(b"relay off 0\r")
    await site.log.until(lambda: len(site.log.requests) == 3)
    site.inject(DuplicatedReply())
    host.write(READ)
    assert await host.read(2 * len(READS_ON)) == 2 * READS_ON
    site.inject(LateReply(delay_s=0.05))
    host.write(READ)
    assert await host.read(len(READS_ON)) == READS_ON
    assert [frame.fate for frame in site.log.requests] == [
        FrameFate.RECEIVED,
        FrameFate.RECEIVED,
        FrameFate.NOT_RECEIVED,
        FrameFate.RECEIVED,
        FrameFate.RECEIVED,
    ]
    assert [frame.fate for frame in site.log.responses] == [
        FrameFate.SUPPRESSED,
        FrameFate.SENT,
        FrameFate.SENT,
        FrameFate.REPEATED,
        FrameFate.LATE,
    ]
    with pytest.raises(SimulatorError, match="exception-reply: this fault is impossible here"):
        site.inject(ExceptionReply())


async def test_hung_and_slow_board(site: SerialSite, host: Host) -> None:
    site.inject(BoardsHung())
    host.write(ON)
    await site.log.until(lambda: site.log.requests)
    assert site.log.actuations[0].fate is FrameFate.NOT_RECEIVED
    site.inject(ClearFaults())
    site.inject(SlowBus(delay_s=0.05))
    host.write(READ)
    assert await host.read(len(READS_OFF)) == READS_OFF
    request, response = site.log.requests[-1], site.log.responses[-1]
    assert response.at_s - request.at_s >= 0.05


async def test_slow_board_keeps_order(site: SerialSite, host: Host) -> None:
    site.inject(SlowBus(delay_s=0.2))
    host.write(ON)
    await site.log.until(lambda: site.log.requests)
    site.inject(ClearFaults())
    host.write(b"relay off 0\r")
    await site.log.until(lambda: len(site.log.responses) == 2)
    assert [contact.closed for contact in site.log.contacts] == [True, False]


async def test_power_cut_discards_delayed_commands(site: SerialSite, host: Host) -> None:
    site.inject(SlowBus(delay_s=0.2))
    host.write(ON)
    await site.log.until(lambda: site.log.requests)
    site.inject(PowerCut(of="boards"))
    site.inject(ClearFaults())
    await asyncio.sleep(0.25)  # longer than the delay
    assert not site.log.contacts


async def test_noise_is_no_answer_to_anything(site: SerialSite, host: Host) -> None:
    await site.line.wait_for_host()
    noise = Noise(size=10)
    site.inject(noise)
    assert await host.read(10) == noise.data
    (frame,) = site.log.responses
    assert (frame.fate, frame.answers) == (FrameFate.DAMAGED, None)


@pytest.mark.parametrize("fault", [Unplug(for_s=0.05), PowerCut(of="boards", for_s=0.05)])
async def test_cable_is_the_supply(
    site: SerialSite, host: Host, plug_host: Callable[[Path], Host], fault: Any
) -> None:
    host.write(ON)
    assert await host.read(len(ECHO)) == ECHO
    site.inject(fault)
    assert await host.read_until_gone() == b""
    assert site.log.contacts[-1].cause is Cause.POWER
    await site.line.wait_for_host_close()
    while not site.settings.path.is_symlink():
        await site.line.wait_drained(within_s=0.01)
    back = plug_host(site.settings.path)
    back.write(READ)
    assert await back.read(len(READS_OFF)) == READS_OFF


async def test_lcus_has_no_answer_and_latches(tmp_path: Path, plug_host: Callable[[Path], Host]) -> None:
    async with linked(tmp_path, model="lcus", relays=2) as site:
        host = plug_host(site.settings.path)
        host.write(bytes.fromhex("A00101A2"))
        await site.log.until(lambda: site.log.contacts)
        host.write(b"\x00")
        await site.log.until(lambda: len(site.log.requests) == 2)
        host.close()
        await site.line.wait_for_host_close()
        assert site.board.relays.is_closed(0)
        assert [frame.effect for frame in site.log.requests] == [Effect.ENERGISE, Effect.NONE]
        assert site.log.requests[1].fate is FrameFate.DAMAGED
        assert not site.log.responses


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"model": "lcus", "relays": 9}, "at most 8 relays"),
        ({"model": "lcus", "gpios": 2}, "no inputs"),
        ({"path": "relay"}, "not an absolute path"),
    ],
)
async def test_nonexistent_boards_are_refused(tmp_path: Path, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        async with linked(tmp_path, **settings):
            pass
