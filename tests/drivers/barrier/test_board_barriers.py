"""Barrier drivers on simulated boards over real links: inputs are reported, each command is one frame."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from support.patience import PATIENCE_S

from drivers import clock
from drivers.barrier.commands import OpenBarrier
from drivers.barrier.driver import BarrierDriver
from drivers.barrier.observations import BarrierState, MovementState
from drivers.command import CommandArguments, Invocation
from drivers.driver import Driver, StateCode, Status
from drivers.links.factory import LinkFactory
from drivers.links.link import Cause, LinkError
from drivers.links.settings import Settings
from drivers.registry import load_driver
from simulators.barrier.boards.lcus import Lcus
from simulators.barrier.boards.wirenboard import WirenBoard
from simulators.barrier.bus_faults import LostReply, WrongCrc
from simulators.barrier.modbus_site import USUAL_INPUTS, USUAL_OUTPUTS, ModbusSettings, ModbusSite
from simulators.barrier.serial_site import SerialSettings, SerialSite
from simulators.barrier.site import BarrierSite
from simulators.barrier.timeline import RealClock
from simulators.barrier.wirelog import Effect, WireLog
from simulators.faults import Noise, Unplug

DOOR = {"open": 0, "close": 1, "stop": 2, "open_limit": 0, "closed_limit": 1, "presence": 4}
WIRED = {"doors": [DOOR], "emergency": USUAL_INPUTS["fire"]}
SLOW = {"start_timeout_s": 10, "open_timeout_s": 30, "close_timeout_s": 30}
NUMATO = {
    "model": "numato",
    "relays": 4,
    "inputs": 8,
    "time_relay_s": 1,
    "inputs_open_when_cut": True,
    "response_timeout_s": 1,
}
WIRES = {"outputs": USUAL_OUTPUTS, "inputs": USUAL_INPUTS}


@asynccontextmanager
async def modbus_at(path: Path | None, model: str = "waveshare-8") -> AsyncIterator[ModbusSite]:
    """A barrier on a Modbus board."""
    inputs = {signal: at for signal, at in USUAL_INPUTS.items() if at < (6 if model == "wirenboard-6" else 8)}
    boards = [{"model": model, "outputs": USUAL_OUTPUTS, "inputs": inputs}]
    quiet_s = None if path is None else 0.02
    settings = ModbusSettings.model_validate({"path": path, "quiet_s": quiet_s, "boards": boards})
    async with ModbusSite.start(settings) as site:
        yield site


@asynccontextmanager
async def serial_at(path: Path, model: str) -> AsyncIterator[SerialSite]:
    """A barrier on a board with a serial port."""
    given = {"model": model, "path": path, **(WIRES | {"gpios": 8} if model == "numato" else {})}
    if model == "lcus":
        given["outputs"] = USUAL_OUTPUTS
    timeline = RealClock()
    with WireLog(timeline) as log:
        site = SerialSite(SerialSettings.model_validate(given), timeline, log)
        async with site.connected():
            yield site


class Watched:
    """A running driver with its observations."""

    def __init__(self, driver: Driver[Settings]) -> None:
        assert isinstance(driver, BarrierDriver)
        self.driver = driver
        self.states: list[BarrierState] = []
        self.statuses: list[Status] = []
        self.failure: LinkError | None = None
        self._news = asyncio.Event()

    async def run(self) -> None:
        try:
            async for said in self.driver.watch():
                if isinstance(said, BarrierState):
                    self.states.append(said)
                elif isinstance(said, Status):
                    self.statuses.append(said)
                self._news.set()
        except LinkError as error:
            self.failure = error
            self._news.set()

    async def until(self, true: Any) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not true():
                self._news.clear()
                await self._news.wait()

    def call(self) -> Invocation:
        return Invocation("c1", "counter-1", "t1", clock.boot_ns() + 3_000_000_000)


@asynccontextmanager
async def running(name: str, settings: dict[str, Any]) -> AsyncIterator[Watched]:
    """Open and watch a driver by its name in a post's file."""
    kind, links = load_driver(name), LinkFactory()
    watched = Watched(kind(kind.settings_model.model_validate({**WIRED, **settings}), links))
    await watched.driver.open()
    assert links.is_simulated
    running = asyncio.create_task(watched.run())
    try:
        await watched.until(lambda: watched.states or watched.failure)
        yield watched
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await watched.driver.close()
        await links.close()


async def stopped_by_one_frame(watched: Watched, site: BarrierSite, *, is_silent: bool = False) -> None:
    """Check that the barrier is closed, and that a stop is one frame for the relay of the stop contact.

    `is_silent`: the same one at every poll, because nothing would show that it is lost.
    """
    assert watched.states[0].state is MovementState.CLOSED
    assert not site.log.actuations
    await watched.driver.stop(CommandArguments(), watched.call())
    await site.log.until(lambda: len(site.log.contacts) == 2)
    assert len({frame.wire for frame in site.log.actuations}) == 1
    assert is_silent or len(site.log.actuations) == 1
    assert [contact.relay for contact in site.log.contacts] == [2, 2]


async def test_over_tcp(tmp_path: Path) -> None:
    async with modbus_at(None) as site:
        board = {"model": "waveshare-8", "port": f"tcp://{site.address}", "response_timeout_s": 1}
        async with running("modbus-barrier", {"board": board}) as watched:
            await stopped_by_one_frame(watched, site)


async def test_on_a_board_with_a_watchdog(tmp_path: Path) -> None:
    async with modbus_at(tmp_path / "board", "wirenboard-6") as site:
        assert isinstance(site.boards[0], WirenBoard)
        site.boards[0].set_up()
        board = {"model": "wirenboard-6", "port": site.address, "response_timeout_s": 1}
        async with running("modbus-barrier", {"board": board}) as watched:
            await stopped_by_one_frame(watched, site)


async def test_on_a_serial_relay_board_with_inputs(tmp_path: Path) -> None:
    async with (
        serial_at(tmp_path / "board", "numato") as site,
        running("serial-relay", {"board": {**NUMATO, "port": site.address}}) as watched,
    ):
        await stopped_by_one_frame(watched, site)


async def test_many_opens_leave_nothing(tmp_path: Path) -> None:
    # The fixtures of conftest.py count descriptors, threads and tasks.
    async with modbus_at(None) as site, serial_at(tmp_path / "board", "numato") as module:
        board = {"model": "waveshare-8", "port": f"tcp://{site.address}", "response_timeout_s": 1}
        for _ in range(10):
            async with running("modbus-barrier", {"board": board}):
                pass
            async with running("serial-relay", {"board": {**NUMATO, "port": module.address}}):
                pass


async def test_silent_relays_with_inputs_of_another_board(tmp_path: Path) -> None:
    async with serial_at(tmp_path / "board", "lcus") as relays, modbus_at(None) as inputs:
        assert isinstance(relays.board, Lcus)
        board = {"model": "lcus", "port": relays.address, "relays": 4, "time_relay_s": 1}
        sensed = {"model": "waveshare-8", "port": f"tcp://{inputs.address}", "response_timeout_s": 1}
        async with running("serial-relay", {"board": board, "inputs_from": sensed}) as watched:
            await stopped_by_one_frame(watched, relays, is_silent=True)
        assert {frame.effect for frame in inputs.log.requests} == {Effect.NONE}


async def test_open_is_one_frame_and_reported_on_the_limit(tmp_path: Path) -> None:
    async with modbus_at(tmp_path / "board") as site:
        board = {"model": "waveshare-8", "port": site.address, "response_timeout_s": 1}
        async with running("modbus-barrier", {"board": board, **SLOW}) as watched:
            await asyncio.sleep(
                watched.driver.settings.min_interval_s
            )  # a previous driver may have moved it a moment ago
            moved = await watched.driver.open_barrier(OpenBarrier(), watched.call())
            assert moved.state is MovementState.OPEN
            assert site.barrier.signals["open-limit"]
        assert len(site.log.actuations) == 1


async def test_lost_response_of_a_movement_is_not_repeated(tmp_path: Path) -> None:
    async with modbus_at(tmp_path / "board") as site:
        board = {"model": "waveshare-8", "port": site.address, "response_timeout_s": 0.2}
        async with running("modbus-barrier", {"board": board}) as watched:
            await asyncio.sleep(watched.driver.settings.min_interval_s)
            site.inject(LostReply(of="writes"))
            with pytest.raises(LinkError) as error:
                await watched.driver.open_barrier(OpenBarrier(), watched.call())
            assert error.value.cause is Cause.NO_RESPONSE
        assert len(site.log.actuations) == 1


async def test_stop_is_repeated_until_acknowledged(tmp_path: Path) -> None:
    async with modbus_at(tmp_path / "board") as site:
        board = {"model": "waveshare-8", "port": site.address, "response_timeout_s": 0.2}
        async with running("modbus-barrier", {"board": board}) as watched:
            site.inject(LostReply(of="writes", exchanges=2))
            await watched.driver.stop(CommandArguments(), watched.call())
        assert [frame.address for frame in site.log.actuations] == [0x202] * 3


async def test_damaged_responses_are_silence(tmp_path: Path) -> None:
    """A response with a wrong checksum is no reading, whatever is in it."""
    async with modbus_at(tmp_path / "board") as site:
        board = {"model": "waveshare-8", "port": site.address, "response_timeout_s": 0.2}
        async with running("modbus-barrier", {"board": board}) as watched:
            site.inject(Noise(size=5))
            site.inject(WrongCrc(of="reads", exchanges=1000))
            await watched.until(lambda: watched.failure)
            assert watched.failure is not None
            assert watched.failure.cause is Cause.NO_RESPONSE
        assert not site.log.output_writes


async def test_unplugged_board_ends_the_watch(tmp_path: Path) -> None:
    async with modbus_at(None) as site:
        board = {"model": "waveshare-8", "port": f"tcp://{site.address}", "response_timeout_s": 1}
        async with running("modbus-barrier", {"board": board}) as watched:
            site.inject(Unplug())
            await watched.until(lambda: watched.failure)
            assert watched.failure is not None
            assert watched.failure.cause is Cause.UNPLUGGED
        assert not site.log.output_writes
        assert not [status for status in watched.statuses if status.state is StateCode.FAULT]
