"""A page of 6 MB in three lights: from a simulated reader through the whole gateway to a subscriber."""

import asyncio
import hashlib
import json
from collections.abc import Iterator
from datetime import timedelta

import aiomqtt
import pytest
from support.brokers.mosquitto import Mosquitto
from support.gateway.gateways import GatewayFixture, gateway, until
from support.patience import PATIENCE_S

from drivers.driver import StateCode
from drivers.observation import Outcome
from drivers.passport.observations import DocumentRead, DocumentRemoved, ImageCaptured, TransactionEnd
from drivers.passport.read_result import today
from gateway.client import DeviceStatus, ReceivedEvent, Workstation
from gateway.contract.envelope import Provenance
from simulators.mrz import Format
from simulators.passport.fullpage.faults import fault_of
from simulators.passport.fullpage.page import Page
from simulators.passport.fullpage.readers import BridgeSettings, PageReader
from simulators.travellers import TravellerGenerator

__all__ = ["gateway"]

LIGHT_BYTES = 2_000_000
DEVICE = """
[device."lane-1/reader"]
driver = "document-bridge"
url = "{url}"
username = "gw"
password = "not-for-logs"
poll_s = 0.02
face = false
"""
TRAVELLER = TravellerGenerator(11).document_with(
    format=Format.TD3, expiry=f"{today() + timedelta(days=400):%y%m%d}"
)
PAGE = Page(TRAVELLER.lines)


@pytest.fixture
def mosquitto() -> Iterator[Mosquitto]:
    with Mosquitto() as broker:
        yield broker


def reader() -> PageReader:
    settings = BridgeSettings(
        name="lane-1/reader",
        kind="document-bridge",
        port=0,
        username="gw",
        password="not-for-logs",
        image_bytes=LIGHT_BYTES,
        step_s=0,
        dpi=60,
        dwell_s=600,
    )
    built = settings.build()
    assert isinstance(built, PageReader)
    return built


async def online(workstation: Workstation) -> None:
    async with asyncio.timeout(PATIENCE_S):
        async for item in workstation.events_and_status():
            if isinstance(item, DeviceStatus) and item.is_usable:
                return


async def events_until(workstation: Workstation, last: type[object]) -> list[ReceivedEvent]:
    """Return all events up to the first of that kind."""
    found: list[ReceivedEvent] = []
    async with asyncio.timeout(PATIENCE_S):
        async for received in workstation:
            found.append(received)
            if isinstance(received.data, last):
                break
    return found


async def test_images_arrive_before_references(
    gateway: GatewayFixture,
) -> None:
    gateway.profile = "training"
    device = reader()
    running = asyncio.create_task(device.run(lambda _event, _details: None))
    arrived: list[tuple[str, bytes]] = []

    async def subscribe(listening: asyncio.Event) -> None:
        async with aiomqtt.Client(
            "127.0.0.1", gateway.broker.port, protocol=aiomqtt.ProtocolVersion.V5
        ) as client:
            await client.subscribe("#", qos=1)
            listening.set()
            async for message in client.messages:
                arrived.append((str(message.topic), bytes(message.payload)))

    subscriber = asyncio.create_task(subscribe(listening := asyncio.Event()))
    try:
        await listening.wait()
        await until(lambda: device.server.port)
        gateway.devices["lane-1/reader"] = DEVICE.format(url=device.server.url)
        gateway.write()
        await gateway.start()
        async with gateway.workstation("lane-1/reader", training=True) as workstation:
            await online(workstation)
            await device.present(PAGE)
            received = await events_until(workstation, DocumentRead)
            await device.scanner.remove()
            received += await events_until(workstation, DocumentRemoved)
        await until(lambda: any(topic.endswith("/evt/document-removed") for topic, _ in arrived))
    finally:
        for task in (subscriber, running):
            task.cancel()
        await asyncio.gather(subscriber, running, return_exceptions=True)

    # A subscriber to the topics of production posts receives nothing of a training post.
    assert {topic.split("/")[0] for topic, _ in arrived} == {"bgw-training"}

    # The workstation's events: typed, in order, each image with its event, marked as simulated.
    assert [one.envelope.type for one in received][:2] == ["bgw.document.placed.v1", "bgw.document.mrz.v1"]
    assert {one.envelope.provenance for one in received} == {Provenance.SIMULATED}
    assert len({one.envelope.transaction for one in received}) == 1
    read = next(one.data for one in received if isinstance(one.data, DocumentRead))
    assert (read.end_reason, read.overall_outcome, read.lines) == (
        TransactionEnd.COMPLETE,
        Outcome.SUCCESSFUL,
        PAGE.lines,
    )
    images = {
        hashlib.sha256(image).hexdigest(): image
        for one in received
        if isinstance(one.data, ImageCaptured)
        for image in one.images.values()
    }
    assert [len(images[image.sha256]) for image in read.images] == [LIGHT_BYTES] * 3

    # The published messages: no event refers to an image that was not there before it.
    blobs: dict[str, bytes] = {}
    for topic, payload in arrived:
        if "/blob/" in topic:
            blobs[hashlib.sha256(payload).hexdigest()] = payload
        elif "/evt/" in topic:
            data = json.loads(payload)["data"]
            wanted = [one["sha256"] for one in (*data.get("attachments", ()), *data.get("images", ()))]
            assert set(wanted) <= blobs.keys(), topic
    assert sum(map(len, blobs.values())) == 3 * LIGHT_BYTES

    # No data of the traveller and no password anywhere but in the events.
    assert await gateway.stop() == 0
    assert not any(word in gateway.log for word in (TRAVELLER.surname, TRAVELLER.number, "not-for-logs"))


async def test_service_death_in_scan_recovers(
    gateway: GatewayFixture,
) -> None:
    device = reader()
    running = asyncio.create_task(device.run(lambda _event, _details: None))
    try:
        await until(lambda: device.server.port)
        gateway.devices["lane-1/reader"] = DEVICE.format(url=device.server.url)
        gateway.write()
        await gateway.start()
        async with gateway.workstation("lane-1/reader") as workstation:
            await online(workstation)
            device.scanner.inject(fault_of("service-dies", {"after": 2, "for_s": 0.3}))
            await device.present(PAGE)
            read = (await events_until(workstation, DocumentRead))[-1].data
            assert isinstance(read, DocumentRead)
            assert (read.end_reason, read.overall_outcome) == (TransactionEnd.READER_LOST, Outcome.ABORTED)
            # The service recovers, and the document that is still placed is read again, as another
            # transaction.
            again = (await events_until(workstation, DocumentRead))[-1].data
            assert isinstance(again, DocumentRead)
            assert (again.end_reason, again.lines) == (TransactionEnd.COMPLETE, PAGE.lines)
            status = workstation.status("lane-1/reader")
            assert status.state is not None
            assert status.state.state is StateCode.ONLINE
        assert await gateway.stop() == 0
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
