"""The technician's bench: what is seen of a post and done with it, and that no counter is hurt by it."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import aclosing
from pathlib import Path

import pytest
from support.benches import AMINA, VIEWER, Workplace, a_house, plugins, working
from support.mosquitto import Mosquitto

from gateway.local.views import Live
from gateway.questions import Refusal
from simulators.serial_line import SerialLine

__all__ = ["plugins"]

READER = "lane-1/reader"


@pytest.fixture
def mosquitto() -> Iterator[Mosquitto]:
    with Mosquitto() as broker:
        yield broker


@pytest.fixture
async def place(tmp_path: Path, mosquitto: Mosquitto, plugins: None) -> AsyncIterator[Workplace]:
    async with a_house(tmp_path, mosquitto) as house:
        await house.wire(READER)
        house.describe(READER, more='expect_firmware = "1.0"')
        async with working(house, "odd") as place:
            await place.until_state(READER, "online")
            yield place


def wire(place: Workplace) -> SerialLine:
    return place.house.wires[READER]


async def take(live: AsyncGenerator[Live], news: list[Live], wanted: Callable[[Live], bool]) -> None:
    """Take news until what is wanted is among it."""
    async for each in live:
        news.append(each)
        if wanted(each):
            return


async def test_the_whole_post_is_seen_and_news_of_it(place: Workplace) -> None:
    seen = await place.desk.view()

    assert (seen.site, seen.gateway, seen.report.profile) == ("uto-test", "gw-1", "test")
    device = seen.devices[0]
    assert (device.position, device.driver, device.state.state) == (READER, "odd", "online")
    assert (device.identity and device.identity.serial_number, device.accepted) == ("ODD-1", "ODD-1")
    assert device.address == str(place.house.port(READER))
    assert device.pid
    assert device.levels == ("internal",)

    news: list[Live] = []
    async with asyncio.TaskGroup() as tasks, aclosing(place.desk.live()) as live, asyncio.timeout(10):
        listening = tasks.create_task(take(live, news, lambda each: each.event is not None))
        while not listening.done():
            await wire(place).send(b"traveller 7\n")
            await asyncio.wait({listening}, timeout=0.2)
        await wire(place).send(b"noise\n")
        await take(live, news, lambda each: each.event is not None and each.event.type == "bad_frame")
        wire(place).unplug()
        await take(
            live, news, lambda each: each.device is not None and each.device.state.state == "no_device"
        )
    events = [each.event for each in news if each.event]
    assert events[0].model_dump(include={"position", "type", "data"}) == {
        "position": READER,
        "type": "test.traveller",
        "data": {"attachments": [], "number": "<int>"},
    }
    assert (events[-1].type, events[-1].data) == ("bad_frame", {"fault": "noise", "size": 5})
    assert (await place.desk.tail(READER))[-len(events) :] == events


async def test_nothing_is_asked_for_in_vain(place: Workplace) -> None:
    for position in ("lane-9/reader", "nonsense"):
        with pytest.raises(Refusal) as refused:
            await place.desk.tail(position)
        assert refused.value.code == "unknown"
    with pytest.raises(Refusal) as refused:
        await place.desk.check(READER, "internal", VIEWER)  # type: ignore[arg-type]
    assert refused.value.code == "not_permitted"
    with pytest.raises(Refusal) as refused:
        await place.desk.check(READER, "interactive", AMINA)  # type: ignore[arg-type]
    assert refused.value.code == "conflict"
    report = await place.desk.check(READER, "internal", AMINA)  # type: ignore[arg-type]
    assert [step.name for step in report.steps] == ["link.open", "identity.told", "identity.firmware"]
    assert report.outcome == "successful"
