"""A worker that is killed during a pulse: its contact opens within a second, whatever its successor does.

Real processes and real links; judged by the contacts of the simulated board. The successor opens the board as
a worker does, again and again, every 0.3 s.
"""

import asyncio
import contextlib
import json
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter
from support.patience import PATIENCE_S

from drivers.barrier.boards.registry import AnyModbusBoard, AnySerialBoard
from drivers.links.factory import LinkFactory
from drivers.links.link import LinkError
from simulators.barrier.boards.wirenboard import WirenBoard
from simulators.barrier.bus import DirectConnection
from simulators.barrier.bus_faults import ExceptionReply, LostReply
from simulators.barrier.faults import BoardsHung
from simulators.barrier.modbus_site import USUAL_OUTPUTS, ModbusSettings, ModbusSite
from simulators.barrier.serial_site import SerialSettings, SerialSite
from simulators.barrier.site import BarrierSite
from simulators.barrier.timeline import RealClock
from simulators.barrier.wirelog import WireLog
from simulators.faults import Fault

RETRY_S = 0.3
WATCHDOG_S = 1.0
MACHINE_S = 2.0
"""Time that a busy machine may add, in seconds."""
ANY_BOARD: TypeAdapter[AnyModbusBoard | AnySerialBoard] = TypeAdapter(AnyModbusBoard | AnySerialBoard)
WATCHED: dict[str, Any] = {"model": "generic", "watchdog_address": 8, "watchdog_unit_s": 0.1}
WIRENBOARD: dict[str, Any] = {"model": "wirenboard-6"}
NUMATO: dict[str, Any] = {"model": "numato", "relays": 4, "time_relay_s": 1.0}
WORKER = """
import asyncio, json, sys
from pydantic import TypeAdapter
from drivers.barrier.boards.registry import AnyModbusBoard, AnySerialBoard
from drivers.links.factory import LinkFactory

async def main():
    kind = TypeAdapter(AnyModbusBoard | AnySerialBoard)
    board = kind.validate_python(json.loads(sys.argv[1])).build(LinkFactory())
    await board.open()
    await board.pulse_relay(1, 5)
    print(flush=True)
    while True:
        await board.read_inputs()
        await asyncio.sleep(0.05)

asyncio.run(main())
"""


@contextlib.asynccontextmanager
async def site_of(board: dict[str, Any], path: Path) -> Any:
    """Start a simulated board, set up for a barrier; a Numato module on a serial line, others over TCP."""
    if board["model"] == "numato":
        timeline = RealClock()
        with WireLog(timeline) as log:
            settings = SerialSettings(path=path, model="numato", outputs=USUAL_OUTPUTS)
            serial = SerialSite(settings, timeline, log)
            async with serial.connected():
                yield serial, str(path)
        return
    simulated = {"model": board["model"], "outputs": USUAL_OUTPUTS}
    if board["model"] == "generic":
        simulated["map"] = {"watchdog_at": 8, "watchdog_unit_s": 0.1}
    async with ModbusSite.start(ModbusSettings.model_validate({"boards": [simulated]})) as modbus:
        if isinstance(modbus.boards[0], WirenBoard):
            modbus.boards[0].set_up()
        else:
            DirectConnection(modbus.bus).request(1, bytes.fromhex("060008000a"))
        yield modbus, f"tcp://{modbus.address}"


async def kill_during_pulse(settings: dict[str, Any]) -> float:
    """Run a worker that closes relay 1, kill it, and return the time, by the loop's clock."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        WORKER,
        json.dumps(settings),
        stdout=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parents[3],
    )
    assert process.stdout is not None
    async with asyncio.timeout(PATIENCE_S):
        assert await process.stdout.readline() == b"\n"
        process.send_signal(signal.SIGKILL)
        await process.wait()
    return asyncio.get_running_loop().time()


async def open_until_released(site: BarrierSite, settings: dict[str, Any]) -> None:
    """Open the board again and again, as a worker does, until the contact is open."""
    async with asyncio.timeout(PATIENCE_S):
        while site.log.contacts[-1].closed:
            links = LinkFactory()
            board = ANY_BOARD.validate_python(settings).build(links)
            with contextlib.suppress(LinkError):
                await board.open()
            await board.close()
            await links.close()
            await asyncio.sleep(RETRY_S)


@pytest.mark.parametrize(
    ("board", "fault", "within_s"),
    [
        (WATCHED, None, WATCHDOG_S),
        (WIRENBOARD, None, WATCHDOG_S),
        (NUMATO, None, WATCHDOG_S),
        # A board that refuses, or whose responses are lost: its watchdog must be left alone.
        (WATCHED, ExceptionReply(code=6, exchanges=10_000, of="writes"), 2 * WATCHDOG_S),
        (WATCHED, LostReply(exchanges=10_000), 2 * WATCHDOG_S),
        (WIRENBOARD, LostReply(exchanges=10_000), 2 * WATCHDOG_S),
        # A module that is silent for two seconds, and has no watchdog: it recovers by itself.
        (NUMATO, BoardsHung(for_s=2), 2 + WATCHDOG_S),
    ],
    ids=["watched", "wirenboard", "numato", "refuses", "unheard", "wirenboard-unheard", "numato-silent"],
)
async def test_contact_opens_after_a_kill(
    board: dict[str, Any], fault: Fault | None, within_s: float, tmp_path: Path
) -> None:
    async with site_of(board, tmp_path / "line") as (site, port):
        settings = {**board, "port": port}
        killed_s = await kill_during_pulse(settings)
        if fault is not None:
            site.inject(fault)
        await open_until_released(site, settings)
        assert [contact.closed for contact in site.log.contacts] == [True, False]
        assert site.log.contacts[1].at_s - killed_s < within_s + MACHINE_S
