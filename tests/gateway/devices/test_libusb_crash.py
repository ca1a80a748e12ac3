"""A crash of libusb in one worker: that device is back in a moment, and no other is affected."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import psutil
import pytest
from support.brokers.mosquitto import Mosquitto
from support.gateway.gateways import GatewayFixture, gateway
from support.numbered import number_of
from support.patience import PATIENCE_S

from drivers.driver import StateCode
from drivers.links.link import Cause
from gateway.client import DeviceStatus, ReceivedEvent, Workstation

__all__ = ["gateway"]

NEIGHBOUR, CRASHING = "lane-2/reader", "lane-1/reader"


@pytest.fixture
def mosquitto() -> Iterator[Mosquitto]:
    with Mosquitto() as broker:
        yield broker


@dataclass
class Diary:
    """All items received by a workstation."""

    desk: Workstation
    states: list[tuple[str, StateCode, Cause | None]] = field(default_factory=list)
    numbers: dict[str, list[int]] = field(default_factory=lambda: {NEIGHBOUR: [], CRASHING: []})

    async def until(self, enough: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            async for item in self.desk.events_and_status():
                match item:
                    case ReceivedEvent():
                        self.numbers[str(item.position)].append(number_of(item.data))
                    # Before the gateway's first sign of life no state is certain.
                    case DeviceStatus(state=state, gateway_online=True) if state is not None:
                        self.states.append((str(item.position), state.state, state.cause))
                if enough():
                    return

    def seen(self, position: str, condition: StateCode) -> bool:
        return any(state[:2] == (position, condition) for state in self.states)


def workers(daemon: int) -> dict[str, int]:
    """Return the process of each position, by the end of its name."""
    return {
        process.name(): process.pid
        for process in psutil.Process(daemon).children(recursive=True)
        if process.name() in (NEIGHBOUR[-15:], CRASHING[-15:])
    }


async def test_libusb_crash_ends_one_worker_only(gateway: GatewayFixture) -> None:
    wires = {position: await gateway.wire(position) for position in (NEIGHBOUR, CRASHING)}
    for position in wires:
        gateway.describe(position)
    await gateway.start()
    assert gateway.process is not None
    async with gateway.workstation() as desk:
        diary = Diary(desk)
        await diary.until(lambda: all(diary.seen(position, StateCode.ONLINE) for position in wires))
        for wire in wires.values():
            await wire.wait_for_host()
        diary.states.clear()
        before = workers(gateway.process.pid)
        talking = asyncio.create_task(count(wires[NEIGHBOUR], 300))
        await wires[CRASHING].send(b"crash libusb\n")
        await diary.until(lambda: diary.seen(CRASHING, StateCode.ONLINE))
        await wires[CRASHING].wait_for_host()
        await wires[CRASHING].send(b"say 7\n")
        await talking
        await diary.until(lambda: [len(said) for said in diary.numbers.values()] == [300, 1])
    assert diary.numbers == {NEIGHBOUR: list(range(300)), CRASHING: [7]}
    assert (CRASHING, StateCode.OFFLINE, Cause.WORKER_CRASHED) in diary.states
    assert {position for position, _, _ in diary.states} == {CRASHING}
    after = workers(gateway.process.pid)
    assert after[NEIGHBOUR[-15:]] == before[NEIGHBOUR[-15:]]
    assert after[CRASHING[-15:]] != before[CRASHING[-15:]]
    assert await gateway.stop() == 0


async def count(wire: object, to: int) -> None:
    for number in range(to):
        await wire.send(b"say %d\n" % number)
        await asyncio.sleep(0.002)
