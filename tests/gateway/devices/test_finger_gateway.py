"""A print, from a workstation's command to its subscription; worker, disk and broker are real."""

import asyncio
import contextlib
import hashlib
import io
import sqlite3
from collections.abc import AsyncIterator, Iterator

import pytest
from PIL import Image
from support.brokers.mosquitto import Mosquitto
from support.devices.fingerprint_scanners import FINGER, usb_scanner
from support.gateway.gateways import DEVICE, GatewayFixture, gateway, until
from support.patience import PATIENCE_S

from drivers.driver import StateCode
from drivers.fingerprint.commands import CaptureFinger, CaptureFingerResult
from drivers.fingerprint.observations import CaptureEnded, CaptureOutcome, FingerCaptured, FingerFeedback
from drivers.links.link import Action, Cause
from gateway.client import CommandFailed, ReceivedEvent, Workstation
from gateway.contract.envelope import Provenance
from simulators.fingerprint.usb_scanner import UsbScanner
from simulators.usb.usbip_bus import UsbIpBus

__all__ = ["gateway"]

POSITION = "lane-1/finger"
COMMANDS = """
[commands]
roles_file = "roles.toml"
"""
ROLES = """
authority = "UTO"
[role.officer]
verbs = ["*"]
[station.counter-1]
roles = ["officer"]
positions = ["lane-1/*"]
[station.counter-2]
roles = ["officer"]
positions = ["lane-2/*"]
"""
MORE = """
quality = "ridge_clarity"
encodings = ["png", "wsq", "fir_2011"]
"""


@pytest.fixture
def mosquitto() -> Iterator[Mosquitto]:
    with Mosquitto() as broker:
        yield broker


@pytest.fixture
async def scanner(gateway: GatewayFixture) -> AsyncIterator[UsbScanner]:
    """A gateway that runs, with a scanner over USB/IP."""
    scanner = usb_scanner("4500")
    async with UsbIpBus() as bus:
        bus.connect("1-1", scanner)
        (gateway.folder / "roles.toml").write_text(ROLES)
        gateway.extra = COMMANDS
        gateway.devices[POSITION] = DEVICE.format(
            position=POSITION, driver="uru4000", port=bus.url("1-1"), more=MORE
        )
        gateway.write()
        await gateway.start()
        yield scanner
        if gateway.process is not None:
            await gateway.stop()
        scanner.close()


@contextlib.asynccontextmanager
async def counter(gateway: GatewayFixture) -> AsyncIterator[Workstation]:
    async with gateway.workstation(POSITION, station="counter-1") as desk:
        await until(lambda: desk.status(POSITION).is_usable)
        yield desk


async def told(desk: Workstation, last: type[object]) -> list[ReceivedEvent]:
    """Every event of a finger, up to the first of that kind."""
    found: list[ReceivedEvent] = []
    async with asyncio.timeout(PATIENCE_S):
        async for received in desk:
            if received.envelope.type.startswith("bgw.finger."):
                found.append(received)
            if isinstance(received.data, last):
                break
    return found


def on_disk(gateway: GatewayFixture) -> tuple[int, int]:
    """Return the numbers of traveller events and of images in the outbox."""
    file = gateway.folder / "state" / "outbox" / "outbox.db"
    with contextlib.closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
        events = connection.execute("SELECT count(*) FROM event WHERE type LIKE '%finger.%'").fetchone()
        images = connection.execute("SELECT count(*) FROM blob").fetchone()
    return events[0], images[0]


async def test_print_is_captured_delivered_and_deleted(gateway: GatewayFixture, scanner: UsbScanner) -> None:
    async with counter(gateway) as desk:
        wanted = CaptureFinger(position="right_index", purpose="identification")
        asking = asyncio.create_task(
            desk.command(
                POSITION, "capture", wanted, done=CaptureFingerResult, transaction="t-1", timeout_s=20
            )
        )
        events = await told(desk, FingerFeedback)
        scanner.platen.place(FINGER.touch())
        events += await told(desk, CaptureEnded)
        done = await asking
        await until(lambda: on_disk(gateway) == (0, 0))

    assert done.result.outcome is CaptureOutcome.CAPTURED
    assert [received.envelope.type.removeprefix("bgw.finger.") for received in events] == [
        "feedback.v1",
        "feedback.v1",
        "feedback.v1",
        "captured.v1",
        "capture_ended.v1",
    ]
    assert {received.envelope.transaction for received in events} == {"t-1"}
    assert {received.envelope.provenance for received in events} == {Provenance.SIMULATED}
    captured = next(received for received in events if isinstance(received.data, FingerCaptured))
    assert captured.data.quality == done.result.quality
    assert set(captured.images) == {"png", "wsq", "fir_2011"}
    promised = {one.role: one.sha256 for one in captured.data.attachments}
    assert {role: hashlib.sha256(image).hexdigest() for role, image in captured.images.items()} == promised
    with Image.open(io.BytesIO(captured.images["png"])) as picture:
        assert picture.size == (384, 290)


async def test_capture_is_cancelled_by_its_station(gateway: GatewayFixture, scanner: UsbScanner) -> None:
    async with counter(gateway) as desk:
        asking = asyncio.create_task(desk.command(POSITION, "capture", timeout_s=20))
        await told(desk, FingerFeedback)
        await desk.command(POSITION, "cancel")
        with pytest.raises(CommandFailed) as failed:
            await asking
        assert failed.value.reason == "cancelled"
        (ended,) = [one.data for one in await told(desk, CaptureEnded) if isinstance(one.data, CaptureEnded)]
        assert ended.outcome is CaptureOutcome.CANCELLED
        assert scanner.images == 0


async def test_gateway_without_numpy_names_the_extra(
    gateway: GatewayFixture,
) -> None:
    without = gateway.folder / "without"
    without.mkdir()
    (without / "numpy.py").write_text("raise ModuleNotFoundError(\"No module named 'numpy'\", name='numpy')")
    gateway.path = (without,)
    wire = await gateway.wire("lane-1/reader")
    gateway.describe("lane-1/reader")
    gateway.devices[POSITION] = DEVICE.format(
        position=POSITION, driver="uru4000", port="usb:05ba:000a", more="image_seed = 1"
    )
    gateway.write()
    await gateway.start()
    async with gateway.workstation(POSITION, "lane-1/reader") as desk:
        await until(lambda: desk.status("lane-1/reader").is_usable)
        await wire.wait_for_host()
        await until(
            lambda: (state := desk.status(POSITION).state) is not None and state.state is StateCode.FAULT
        )
        state = desk.status(POSITION).state
    assert state is not None
    assert (state.cause, state.action) == (Cause.DRIVER_ERROR, Action.CONFIGURE)
    assert "needs the extra `fingerprint`" in state.text
    assert "install -e '.[fingerprint]'" in state.how
    assert await gateway.stop() == 0
