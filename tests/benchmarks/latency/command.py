"""Latency of a command: from a workstation's call to the call of the driver's method, and to the answer.

Both ends use one clock: this process sends, and the driver's result has the time of its method's call.
"""

import asyncio
import threading
import time
from dataclasses import dataclass, field
from typing import Any

from benchmarks.candidates import GATEWAY, STATION
from benchmarks.endpoints import text_line
from benchmarks.measures import FarEnd, prepare
from gateway.client import Workstation

POSITION = "lane-1/reader"
RATE_PER_S = 20
BUSY_LINES_PER_S = 500


@dataclass
class CommandTimes:
    """One kind of load, and the times of commands meanwhile, in milliseconds."""

    load: str
    started_ms: list[float] = field(default_factory=list)
    answered_ms: list[float] = field(default_factory=list)


def commands(count: int) -> list[CommandTimes]:
    """Command an idle device, then one that sends 500 lines a second."""
    times = [CommandTimes("quiet"), CommandTimes(f"{BUSY_LINES_PER_S} events/s")]
    # As in config/mosquitto.
    with prepare(GATEWAY, driver="push", broker_options=("set_tcp_nodelay true",)) as setup:
        setup.start()
        setup.settle()
        asyncio.run(_run_commands(setup.broker.port, times[0], count))
        talking = threading.Event()
        talker = threading.Thread(target=_talk, args=(setup.readers[0], talking))
        talker.start()
        try:
            asyncio.run(_run_commands(setup.broker.port, times[1], count))
        finally:
            talking.set()
            talker.join()
    return times


async def _run_commands(port: int, times: CommandTimes, count: int) -> None:
    async with Quiet(
        "127.0.0.1", port, site="uto-bench", positions=[POSITION], station=STATION, vocabularies=()
    ) as workstation:
        await workstation.command(POSITION, "open-up", timeout_s=20)
        began = time.monotonic()
        for turn in range(count):
            await asyncio.sleep(max(0.0, began + turn / RATE_PER_S - time.monotonic()))
            called_ns = time.monotonic_ns()
            result = await workstation.command(POSITION, "open-up")
            times.answered_ms.append((time.monotonic_ns() - called_ns) / 1e6)
            times.started_ms.append((result.result["called_ns"] - called_ns) / 1e6)


class Quiet(Workstation):
    """A client without events: one that does not keep up with reading would measure its own delay."""

    def _patterns(self) -> list[str]:
        return [pattern for pattern in super()._subscriptions() if "/evt/" not in pattern]


def _talk(reader: FarEnd, enough: threading.Event) -> None:
    number: Any
    for number in range(1, 10_000_000):
        if enough.wait(1 / BUSY_LINES_PER_S):
            return
        reader.write(text_line(number))
