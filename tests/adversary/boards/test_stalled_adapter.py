"""A serial adapter that stalls: a movement that was answered as failed is never executed afterwards.

Judged by the contacts of the simulated board. Some adapters hold bytes that no host can take back.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from drivers import clock
from drivers.barrier.board import Board, BoardLate
from drivers.barrier.boards.registry import AnyModbusBoard, AnySerialBoard
from drivers.barrier.commands import OpenBarrier
from drivers.barrier.modbus_barrier import ModbusBarrier, ModbusBarrierSettings
from drivers.command import CommandFailure, CommandRefusal, Invocation
from drivers.links.factory import LinkFactory
from drivers.links.link import LinkError
from simulators.barrier.bus import DirectConnection
from simulators.barrier.faults import StalledAdapter
from simulators.barrier.modbus.rtu_link import RtuLink
from simulators.barrier.modbus_site import USUAL_INPUTS, USUAL_OUTPUTS, ModbusSettings, ModbusSite
from simulators.barrier.serial_site import SerialSettings, SerialSite
from simulators.barrier.site import BarrierSite
from simulators.barrier.timeline import RealClock
from simulators.barrier.wirelog import WireLog

STALL_S = 1.0
SHORTEST_S = 0.1
"""Shortest contact that a barrier's controller takes for a command, in seconds."""
READ_RELAYS, READ_INPUTS = 1, 2
"""Modbus functions of the board's readings."""
BOARDS: dict[str, dict[str, Any]] = {
    "waveshare": {"model": "waveshare-8"},
    "watchdog": {"model": "generic", "watchdog_address": 8, "watchdog_unit_s": 0.1},
    "numato": {"model": "numato", "relays": 4, "inputs": 4},
}
ANY_BOARD: TypeAdapter[AnyModbusBoard | AnySerialBoard] = TypeAdapter(AnyModbusBoard | AnySerialBoard)


@contextlib.asynccontextmanager
async def site_of(board: dict[str, Any], path: Path) -> AsyncIterator[BarrierSite]:
    """Start a simulated board on a serial line."""
    wires: dict[str, Any] = {"outputs": USUAL_OUTPUTS}
    if board["model"] == "numato":
        timeline = RealClock()
        with WireLog(timeline) as log:
            serial = SerialSite(
                SerialSettings(path=path, model="numato", outputs=USUAL_OUTPUTS), timeline, log
            )
            async with serial.connected():
                yield serial
        return
    if board["model"] == "generic":
        wires["map"] = {"watchdog_at": 8, "watchdog_unit_s": 0.1}
    settings = ModbusSettings.model_validate(
        {
            "path": path,
            "quiet_s": 0.02,
            "boards": [{"model": board["model"], "inputs": USUAL_INPUTS, **wires}],
        }
    )
    async with ModbusSite.start(settings) as modbus:
        if board["model"] == "generic":
            DirectConnection(modbus.bus).request(1, bytes.fromhex("060008000a"))
        yield modbus


@contextlib.asynccontextmanager
async def opened(site: BarrierSite, given: dict[str, Any]) -> AsyncIterator[Board]:
    """Open the driver's board on it."""
    links = LinkFactory()
    board = ANY_BOARD.validate_python({"port": site.address, **given}).build(links)
    try:
        await board.open()
        yield board
    finally:
        await board.close()
        await links.close()


async def answered_late(site: BarrierSite, board: Board, relay: int) -> None:
    """Ask for a pulse during a stall, and wait for the end of the stall."""
    with pytest.raises((LinkError, BoardLate)):
        await board.pulse_relay(relay, 0.5)
    failed_s = asyncio.get_running_loop().time()
    await site.log.until(lambda: bool(site.log.machine_events("mended")))
    assert failed_s < site.log.machine_events("mended")[0].at_s
    with contextlib.suppress(LinkError):
        await board.read_inputs()


def closed_for_s(site: BarrierSite) -> list[float]:
    """Return how long each contact was closed, in seconds; each has opened again."""
    closed: dict[int, float] = {}
    times = []
    for contact in site.log.contacts:
        if contact.closed:
            closed[contact.relay] = contact.at_s
        else:
            times.append(contact.at_s - closed.pop(contact.relay))
    assert not closed
    return times


@pytest.mark.parametrize("name", BOARDS)
async def test_discarded_pulse_is_never_executed(name: str, tmp_path: Path) -> None:
    async with site_of(BOARDS[name], tmp_path / "line") as site, opened(site, BOARDS[name]) as board:
        await board.read_inputs()
        site.inject(StalledAdapter(for_s=STALL_S))
        await answered_late(site, board, relay=1)
        assert not site.log.contacts


@pytest.mark.parametrize("name", BOARDS)
async def test_held_pulse_is_taken_back(name: str, tmp_path: Path) -> None:
    async with site_of(BOARDS[name], tmp_path / "line") as site, opened(site, BOARDS[name]) as board:
        await board.read_inputs()
        site.inject(StalledAdapter(for_s=STALL_S, discards=False))
        await answered_late(site, board, relay=1)
        await asyncio.sleep(0.7)  # longer than the pulse
        assert all(time_s < SHORTEST_S for time_s in closed_for_s(site))


@pytest.mark.parametrize("discards", [True, False])
@pytest.mark.parametrize("name", BOARDS)
async def test_movement_behind_held_bytes_is_refused(name: str, discards: bool, tmp_path: Path) -> None:
    async with site_of(BOARDS[name], tmp_path / "line") as site, opened(site, BOARDS[name]) as board:
        site.inject(StalledAdapter(for_s=STALL_S, discards=discards))
        with pytest.raises(LinkError):
            await board.read_inputs()
        with pytest.raises(BoardLate):
            await board.pulse_relay(1, 0.5)
        await site.log.until(lambda: bool(site.log.machine_events("mended")))
        await board.read_relays()
        assert not site.log.actuations


async def test_stop_leaves_behind_held_bytes(tmp_path: Path) -> None:
    """A stop is safe whenever it arrives: it is written, and nothing keeps it back."""
    async with (
        site_of(BOARDS["waveshare"], tmp_path / "line") as site,
        opened(site, BOARDS["waveshare"]) as board,
    ):
        site.inject(StalledAdapter(for_s=0.5, discards=False))
        with pytest.raises(LinkError):
            await board.pulse_relay(2, 0.2, urgent=True)
        await site.log.until(lambda: len(site.log.contacts) == 2)
        assert site.log.contacts[0].relay == 2


@contextlib.asynccontextmanager
async def converter_before(site: ModbusSite, is_free: asyncio.Event) -> AsyncIterator[str]:
    """Forward requests to a board, one after the other, while it is free; a lost connection loses none."""
    waiting: asyncio.Queue[tuple[bytes, asyncio.StreamWriter]] = asyncio.Queue()

    async def receive(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while chunk := await reader.read(300):
                waiting.put_nowait((chunk, writer))

    async def forward() -> None:
        reader, board = await asyncio.open_connection("127.0.0.1", site.port)
        try:
            while True:
                chunk, writer = await waiting.get()
                await is_free.wait()
                board.write(chunk)
                answer = await reader.read(300)
                if not writer.is_closing():
                    writer.write(answer)
        finally:
            board.close()

    forwarding = asyncio.create_task(forward())
    try:
        async with await asyncio.start_server(receive, "127.0.0.1", 0) as server:
            yield f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        forwarding.cancel()
        await asyncio.gather(forwarding, return_exceptions=True)


async def test_pulse_held_by_converter_is_taken_back() -> None:
    is_free = asyncio.Event()
    is_free.set()
    settings = ModbusSettings.model_validate(
        {"boards": [{"model": "waveshare-8", "outputs": USUAL_OUTPUTS, "inputs": USUAL_INPUTS}]}
    )
    async with (
        ModbusSite.start(settings) as site,
        converter_before(site, is_free) as port,
        opened(site, {**BOARDS["waveshare"], "port": port}) as board,
    ):
        await board.read_inputs()
        is_free.clear()
        with pytest.raises(LinkError):
            await board.pulse_relay(1, 0.5)
        assert not site.log.actuations
        is_free.set()
        await site.log.until(lambda: bool(site.log.releases))
        await asyncio.sleep(0.7)  # longer than the pulse
        assert all(time_s < SHORTEST_S for time_s in closed_for_s(site))


async def test_expired_command_is_never_executed(tmp_path: Path) -> None:
    """The whole driver: an OPEN with a second to live, an adapter that stalls for longer."""
    async with site_of(BOARDS["waveshare"], tmp_path / "line") as site:
        links = LinkFactory()
        door = {"open": 0, "close": 1, "stop": 2, "open_limit": 0, "closed_limit": 1, "presence": 4}
        settings = {"doors": [door], "emergency": 5, "board": {**BOARDS["waveshare"], "port": site.address}}
        driver = ModbusBarrier(ModbusBarrierSettings.model_validate(settings), links)
        await driver.open()
        watching = asyncio.create_task(_watch(driver))
        try:
            await asyncio.sleep(2.2)  # the minimum interval of movements counts from the start
            requests = len(site.log.requests)
            await site.log.until(
                lambda: any(frame.function == READ_RELAYS for frame in site.log.requests[requests:])
            )
            _stall_after_inputs(site)  # a poll ends with the relays: the next inputs are the command's own
            call = Invocation("c1", "counter-1", "t1", clock.boot_ns() + 1_000_000_000)
            with pytest.raises((LinkError, CommandRefusal, CommandFailure)):
                await driver.open_barrier(OpenBarrier(), call)
            await site.log.until(lambda: bool(site.log.machine_events("mended")))
            await asyncio.sleep(0.7)
            assert site.log.actuations  # it was held, and came late
            assert all(time_s < SHORTEST_S for time_s in closed_for_s(site))
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
            await driver.close()
            await links.close()


def _stall_after_inputs(site: BarrierSite) -> None:
    """Stall the adapter right after the board's next answer with inputs: the next frame is held."""
    assert isinstance(site, ModbusSite)
    assert isinstance(site.link, RtuLink)
    send, is_sent = site.link.send, False

    def sending(data: bytes) -> bool:
        nonlocal is_sent
        if data[1] == READ_INPUTS and not is_sent:
            is_sent = True
            site.inject(StalledAdapter(for_s=2, discards=False))
        return send(data)

    site.link.send = sending  # type: ignore[method-assign]


async def _watch(driver: ModbusBarrier) -> None:
    with contextlib.suppress(LinkError):
        async for _ in driver.watch():
            pass
