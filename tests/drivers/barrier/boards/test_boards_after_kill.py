"""Pulses whose process is killed: each board ends them as declared, in real processes."""

import asyncio
import json
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
from board_fixture import WATCHED, site_of
from support.patience import PATIENCE_S

from drivers.barrier.board import PulseEnd
from drivers.barrier.boards.numato import NumatoSettings
from drivers.links.factory import LinkFactory
from simulators.barrier.serial_site import SerialSettings, SerialSite
from simulators.barrier.timeline import RealClock
from simulators.barrier.wirelog import Cause, WireLog

PULSES_AND_WAITS = """
import asyncio, json, sys
from pydantic import Field, TypeAdapter
from typing import Annotated
from drivers.barrier.boards.registry import AnyModbusBoard, AnySerialBoard
from drivers.links.factory import LinkFactory

async def main():
    kind = AnySerialBoard if sys.argv[2] == "serial" else AnyModbusBoard
    board = TypeAdapter(kind).validate_python(json.loads(sys.argv[1])).build(LinkFactory())
    await board.open()
    await board.pulse_relay(0, float(sys.argv[3]))
    print(flush=True)
    while True:  # as a driver does
        await board.read_inputs()
        await asyncio.sleep(0.05)

asyncio.run(main())
"""


async def killed_in_a_pulse(settings: dict[str, Any], kind: str = "modbus", pulse_s: float = 1.0) -> None:
    """Open the board in a process, close a relay, and kill the process."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        PULSES_AND_WAITS,
        json.dumps(settings),
        kind,
        str(pulse_s),
        stdout=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parents[4],
    )
    assert process.stdout is not None
    async with asyncio.timeout(PATIENCE_S):
        assert await process.stdout.readline() == b"\n"
        process.send_signal(signal.SIGKILL)
        await process.wait()


@pytest.mark.parametrize(
    ("board", "ended_by"),
    [({"model": "waveshare-8"}, Cause.PULSE_ENDED), (WATCHED, Cause.WATCHDOG)],
    ids=["timed", "watched"],
)
async def test_suitable_board_opens_its_relay_after_a_kill(board: dict[str, Any], ended_by: Cause) -> None:
    async with site_of(board) as site:
        await killed_in_a_pulse({**board, "port": f"tcp://{site.address}"})
        await site.log.until(lambda: len(site.log.contacts) == 2)
        closed, opened = site.log.contacts
        assert (opened.closed, opened.cause) == (False, ended_by)
        assert opened.at_s - closed.at_s < 2
        assert len(site.log.output_writes) == 1


async def test_board_without_pulse_end_keeps_its_relay_closed(tmp_path: Path) -> None:
    given = {"model": "numato", "port": str(tmp_path / "board"), "relays": 4}
    assert NumatoSettings.model_validate(given).build(LinkFactory()).pulse_end is PulseEnd.NONE
    timeline = RealClock()
    with WireLog(timeline) as log:
        site = SerialSite(SerialSettings(path=tmp_path / "board", model="numato"), timeline, log)
        async with site.connected():
            await killed_in_a_pulse(given, "serial", pulse_s=0.3)
            await site.line.wait_for_host_close()
            await asyncio.sleep(0.5)
            assert [contact.closed for contact in log.contacts] == [True]
