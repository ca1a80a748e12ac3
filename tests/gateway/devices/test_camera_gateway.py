"""Pictures and plates of a lane, from simulated cameras to a subscription; worker, disk, broker are real."""

import asyncio
import contextlib
import io
import signal
import sqlite3
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import aiomqtt
import pytest
from PIL import Image
from support.brokers.mosquitto import Mosquitto
from support.gateway.gateways import GatewayFixture, gateway, until
from support.patience import PATIENCE_S

from drivers.camera.commands import TakePicture, TakePictureResult
from drivers.camera.observations import PlateRead, SceneCaptured
from gateway.client import CommandRejected, ReceivedEvent, Workstation
from gateway.contract.envelope import Provenance
from gateway.contract.reason_codes import CommandReason
from simulators.camera.frame_stamp import FrameStamp
from simulators.camera.webcam import Webcam
from simulators.registry import parse_settings

__all__ = ["gateway"]

CAMERA, PLATES = "lane-1/camera", "lane-1/plates"
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
positions = ["lane-1/*"]
"""
DEVICE = """
[device."{position}"]
driver = "{driver}"
url = "{url}"
username = "watch"
password = "two words"
{more}
"""


@pytest.fixture
def mosquitto() -> Iterator[Mosquitto]:
    with Mosquitto() as broker:
        yield broker


@contextlib.asynccontextmanager
async def simulated(position: str, kind: str) -> AsyncIterator[Any]:
    user = {"username": "watch", "password": "two words"}
    camera: Any = parse_settings({"name": position, "kind": kind, "port": 0} | user).build()
    ready = asyncio.Event()
    running = asyncio.create_task(camera.run(lambda event, _: ready.set() if event == "ready" else None))
    await ready.wait()
    try:
        yield camera
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def next_of(desk: Workstation, kind: type[object]) -> ReceivedEvent:
    async with asyncio.timeout(PATIENCE_S):
        async for received in desk:
            if isinstance(received.data, kind):
                return received
    raise AssertionError("the subscription ended")


def images_on_disk(gateway: GatewayFixture) -> int:
    file = gateway.folder / "state" / "outbox" / "outbox.db"
    with contextlib.closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
        return int(connection.execute("SELECT count(*) FROM blob").fetchone()[0])


async def test_picture_and_plate_reach_the_counter(
    gateway: GatewayFixture,
) -> None:
    async with simulated(CAMERA, "camera-snapshot") as eye, simulated(PLATES, "anpr-hikvision") as lane:
        (gateway.folder / "roles.toml").write_text(ROLES)
        gateway.extra = COMMANDS
        gateway.devices[CAMERA] = DEVICE.format(
            position=CAMERA,
            driver="camera-snapshot",
            url=eye.server.url,
            more='path = "/snapshot.jpg"\npoll_s = 0.5',
        )
        gateway.devices[PLATES] = DEVICE.format(
            position=PLATES, driver="anpr-hikvision", url=lane.server.url, more=""
        )
        gateway.write()
        await gateway.start()
        async with gateway.workstation(CAMERA, PLATES, station="counter-1") as desk:
            await until(lambda: desk.status(CAMERA).is_usable and desk.status(PLATES).is_usable)

            asked_ms = time.time_ns() // 1_000_000
            done = await desk.command(
                CAMERA, "capture", TakePicture(), done=TakePictureResult, transaction="t-1"
            )
            taken = await next_of(desk, SceneCaptured)
            with Image.open(io.BytesIO(taken.images["picture"])) as picture:
                assert FrameStamp.read(picture).at_ms >= asked_ms
            assert done.result.frame_count == 1
            assert (taken.envelope.transaction, taken.envelope.provenance) == ("t-1", Provenance.SIMULATED)

            await until(lambda: bool(lane.listening))
            await lane.handle_command("insert", {"plate": "UT 482 KX"})
            read = await next_of(desk, PlateRead)
            assert isinstance(read.data, PlateRead)
            assert (read.data.plate, set(read.images)) == ("UT482KX", {"plate", "scene"})
            await until(lambda: images_on_disk(gateway) == 0)

            eye.access.password = "another one"
            await until(lambda: desk.status(CAMERA).state.cause == "no_permission", 3)
            gateway.devices[CAMERA] = gateway.devices[CAMERA].replace("two words", "another one")
            gateway.write()
            gateway.process.send_signal(signal.SIGHUP)
            await until(lambda: desk.status(CAMERA).is_usable, 3)
        for secret in ("two words", "another one"):
            assert secret not in gateway.log
        assert await gateway.stop() == 0


@contextlib.asynccontextmanager
async def bystander(gateway: GatewayFixture) -> AsyncIterator[list[tuple[str, bytes, bool]]]:
    """Subscribe to all previews at the broker: topic, picture, retained."""
    heard: list[tuple[str, bytes, bool]] = []

    async def listen() -> None:
        async with aiomqtt.Client(
            "127.0.0.1", gateway.broker.port, protocol=aiomqtt.ProtocolVersion.V5
        ) as client:
            await client.subscribe("bgw/v1/+/+/+/preview/#", qos=1)
            ready.set()
            async for message in client.messages:
                assert getattr(message.properties, "MessageExpiryInterval") <= 2  # noqa: B009
                heard.append((str(message.topic), bytes(message.payload), bool(message.retain)))

    ready = asyncio.Event()
    listening = asyncio.create_task(listen())
    await ready.wait()
    try:
        yield heard
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)


async def test_preview_is_for_the_claim_only(gateway: GatewayFixture) -> None:
    async with simulated(CAMERA, "camera-snapshot") as eye:
        (gateway.folder / "roles.toml").write_text(ROLES)
        gateway.extra = COMMANDS
        gateway.devices[CAMERA] = DEVICE.format(
            position=CAMERA,
            driver="camera-snapshot",
            url=eye.server.url,
            more='path = "/snapshot.jpg"\npoll_s = 300',
        )
        gateway.write()
        await gateway.start()
        async with (
            bystander(gateway) as heard,
            gateway.workstation(CAMERA, station="counter-1") as desk,
            gateway.workstation(CAMERA, station="counter-2") as other,
        ):
            await until(lambda: desk.status(CAMERA).is_usable and other.status(CAMERA).is_usable)
            with pytest.raises(CommandRejected) as refused:
                async with desk.preview(CAMERA):
                    pass
            assert refused.value.reason == CommandReason.NOT_CLAIMED

            async with desk.claim(CAMERA):
                with pytest.raises(CommandRejected):
                    async with other.preview(CAMERA):
                        pass
                async with desk.preview(CAMERA, frames_per_s=8, width_px=320) as pictures:
                    stamps = []
                    async for picture in pictures:
                        with Image.open(io.BytesIO(picture)) as image:
                            assert image.width == 320
                            stamps.append(FrameStamp.read(image))
                        if len(stamps) == 4:
                            break
                    assert [stamp.number for stamp in stamps] == sorted({s.number for s in stamps})
                await until(lambda: heard[-1][1] == b"")
                assert pictures.latest_frame is None

                async with desk.preview(CAMERA, frames_per_s=8) as pictures:
                    assert await anext(pictures)
                    # Its claim ends during the preview.
                    await desk.command(CAMERA, "release")
                    async for _ in pictures:
                        pass
                    assert pictures.latest_frame is None
                    assert heard[-1][1] == b""

        assert {topic.rpartition("/")[2] for topic, _, _ in heard} == {"counter-1"}
        assert not any(retained for _, _, retained in heard)
        assert images_on_disk(gateway) == 0

        async with gateway.workstation(CAMERA, station="counter-1") as desk:
            await until(lambda: desk.status(CAMERA).is_usable)
            await desk.command(CAMERA, "claim")
            await desk.command(CAMERA, "preview", {"frames_per_s": 8})
            taken = eye.sensor.exposure_count
            await until(lambda: eye.sensor.exposure_count > taken + 2)
        # The workstation is disconnected, its claim has not ended: nothing is subscribed, so nothing is
        # taken.
        async with asyncio.timeout(PATIENCE_S):
            while taken != eye.sensor.exposure_count:
                taken = eye.sensor.exposure_count
                await asyncio.sleep(0.5)
        assert await gateway.stop() == 0


async def test_webcam_preview_ends_when_unplugged(
    gateway: GatewayFixture,
) -> None:
    async with Webcam() as eye:
        (gateway.folder / "roles.toml").write_text(ROLES)
        gateway.extra = COMMANDS
        gateway.environment = eye.environment
        gateway.devices[CAMERA] = f'[device."{CAMERA}"]\ndriver = "camera-uvc"\nport = "usb:046D:0825"\n'
        gateway.write()
        await gateway.start()
        async with gateway.workstation(CAMERA, station="counter-1") as desk:
            await until(lambda: desk.status(CAMERA).is_usable)
            for _ in range(3):
                asked_ms = time.time_ns() // 1_000_000
                await desk.command(CAMERA, "capture", TakePicture())
                taken = await next_of(desk, SceneCaptured)
                assert taken.images["picture"] in eye.delivered_frames
                with Image.open(io.BytesIO(taken.images["picture"])) as picture:
                    assert FrameStamp.read(picture).at_ms >= asked_ms
            assert taken.envelope.provenance is Provenance.SIMULATED
            async with desk.claim(CAMERA), desk.preview(CAMERA, frames_per_s=8) as pictures:
                assert await anext(pictures)
                eye.unplug()
                async for _ in pictures:
                    pass
                assert pictures.latest_frame is None
            await until(lambda: desk.status(CAMERA).state.cause == "unplugged")
            eye.plug()
            await until(lambda: desk.status(CAMERA).is_usable)
        assert await gateway.stop() == 0
