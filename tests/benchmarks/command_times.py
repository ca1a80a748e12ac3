"""How long a command takes: from a workstation's call to the call of the driver's method, and to the answer.

Both ends read one clock: this process sends, and the driver's result says when its method was called.
"""

import asyncio
import threading
import time
from dataclasses import dataclass, field
from typing import Any

from benchmarks.candidates import GATEWAY, STATION
from benchmarks.endpoints import text_line
from benchmarks.measures import FarEnd, bench
from gateway.client import Workstation

POSITION = "lane-1/reader"
RATE_PER_S = 20
BUSY_LINES_PER_S = 500


@dataclass
class CommandTimes:
    """One sort of load, and what commands took meanwhile, in milliseconds."""

    load: str
    begun_ms: list[float] = field(default_factory=list)
    answered_ms: list[float] = field(default_factory=list)


def commands(count: int) -> list[CommandTimes]:
    """Command a device that has nothing to say, then one that says 500 lines a second."""
    times = [CommandTimes("quiet"), CommandTimes(f"{BUSY_LINES_PER_S} events/s")]
    # As in config/mosquitto.
    with bench(GATEWAY, driver="told", broker_options=("set_tcp_nodelay true",)) as placed:
        placed.start()
        placed.settle()
        asyncio.run(_ask(placed.broker.port, times[0], count))
        talking = threading.Event()
        talker = threading.Thread(target=_talk, args=(placed.readers[0], talking))
        talker.start()
        try:
            asyncio.run(_ask(placed.broker.port, times[1], count))
        finally:
            talking.set()
            talker.join()
    return times


async def _ask(port: int, times: CommandTimes, count: int) -> None:
    async with Quiet("127.0.0.1", port, site="uto-bench", positions=[POSITION], station=STATION) as desk:
        await desk.command(POSITION, "open-up", timeout_s=20)
        began = time.monotonic()
        for turn in range(count):
            await asyncio.sleep(max(0.0, began + turn / RATE_PER_S - time.monotonic()))
            asked_ns = time.monotonic_ns()
            obeyed = await desk.command(POSITION, "open-up")
            times.answered_ms.append((time.monotonic_ns() - asked_ns) / 1e6)
            times.begun_ms.append((obeyed.result["called_ns"] - asked_ns) / 1e6)


class Quiet(Workstation):
    """Takes no events: one that is behind with reading would be measured with its own slowness."""

    def _patterns(self) -> list[str]:
        return [pattern for pattern in super()._subscriptions() if "/evt/" not in pattern]


def _talk(reader: FarEnd, enough: threading.Event) -> None:
    number: Any
    for number in range(1, 10_000_000):
        if enough.wait(1 / BUSY_LINES_PER_S):
            return
        reader.write(text_line(number))
