"""Driver `camera-onvif` against the simulated camera, which shares no code with it."""

import asyncio
import contextlib
import io
import logging
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from camera_fixture import CameraFixture, ScriptedHttpServer, inject_fault, open_camera
from PIL import Image
from support.patience import PATIENCE_S

from drivers.camera.http_settings import CameraHttpSettings
from drivers.camera.observations import PictureCaptured
from drivers.camera.onvif.addresses import ServiceAddress
from drivers.camera.onvif.device import OnvifDevice
from drivers.camera.onvif.driver import OnvifCamera
from drivers.camera.onvif.soap import FaultError
from drivers.driver import StateCode, Status
from drivers.links.factory import LinkFactory
from drivers.links.link import Action, Cause, LinkError
from simulators.camera.frame_stamp import FrameStamp
from simulators.camera.onvif.camera import INPUT
from simulators.camera.onvif.camera import OnvifCamera as Simulated
from simulators.camera.onvif.soap import FaultError as SoapFaultError
from simulators.registry import parse_settings

USER = {"username": "watch", "password": "two words"}
ALONE = {"rtsp_port": 0, "discoverable": False}


@contextlib.asynccontextmanager
async def camera(**settings: Any) -> AsyncIterator[Simulated]:
    quick = {
        "name": "lane-1/camera",
        "kind": "camera-onvif",
        "port": 0,
        "frames_per_s": 25.0,
        "key_every_s": 0.2,
    }
    simulated: Any = parse_settings(quick | ALONE | USER | settings).build()
    ready = asyncio.Event()
    running = asyncio.create_task(simulated.run(lambda event, _: ready.set() if event == "ready" else None))
    await ready.wait()
    try:
        yield simulated
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def open_driver(simulated: Simulated, **settings: Any) -> Any:
    return open_camera(OnvifCamera, **{"url": simulated.server.url} | USER | settings)


async def captured(opened: CameraFixture) -> tuple[FrameStamp, int]:
    asked_ms = time.time_ns() // 1_000_000
    await opened.capture()
    with Image.open(io.BytesIO((await opened.next(PictureCaptured)).attachments[0].content)) as image:
        return FrameStamp.read(image), asked_ms


async def until(true: Any, within_s: float = PATIENCE_S) -> None:
    async with asyncio.timeout(within_s):
        while not true():
            await asyncio.sleep(0.01)


async def refused(simulated: Simulated, **settings: Any) -> LinkError:
    with pytest.raises(LinkError) as error:
        async with asyncio.timeout(PATIENCE_S), open_driver(simulated, **settings):
            pass
    return error.value


@contextlib.contextmanager
def said_within(limit_s: float) -> Any:
    begun_s = time.monotonic()
    yield
    assert time.monotonic() - begun_s < limit_s


# Pictures


@pytest.mark.parametrize("pictures", ["snapshot", "stream"])
async def test_pictures_are_fresh_by_both_ways(pictures: str) -> None:
    async with camera() as simulated, open_driver(simulated, picture_source=pictures) as opened:
        assert opened.driver.links.is_simulated
        told = opened.identity
        assert (told.manufacturer, told.model, told.firmware) == ("Utopia Optics", "SIM-ONVIF", "1.0")
        assert told.serial_number == "SIM-ONV-0001"
        for _ in range(3):
            stamp, asked_ms = await captured(opened)
            assert stamp.at_ms >= asked_ms
        assert simulated.rtsp.client_count == (pictures == "stream")


@pytest.mark.parametrize("pictures", ["snapshot", "stream"])
async def test_profile_t_camera_has_same_pictures(pictures: str) -> None:
    async with (
        camera(media="2", profiles=["main", "small"]) as simulated,
        open_driver(simulated, picture_source=pictures, width_max_px=400) as opened,
    ):
        await captured(opened)
        asked = [each.body for each in simulated.server.request_count if b":ProfileToken" in each.body]
        assert [b"<tr2:ProfileToken>Profile_2<" in body for body in asked] == [True]
        assert simulated.rtsp.client_count == (pictures == "stream")


async def test_stream_is_used_without_single_pictures() -> None:
    async with camera(gives_snapshots=False) as simulated:
        async with open_driver(simulated) as opened:
            await captured(opened)
            assert simulated.rtsp.client_count == 1
        error = await refused(simulated, picture_source="snapshot")
        assert (error.cause, error.action) == (Cause.WRONG_DEVICE, Action.CONFIGURE)


@pytest.mark.parametrize(
    ("settings", "token"),
    [
        ({}, "Profile_1"),
        ({"width_max_px": 800}, "Profile_2"),
        ({"profile": "Profile_3"}, "Profile_3"),
        ({"profile": "small"}, "Profile_3"),
    ],
)
async def test_profile_is_configured_or_largest(settings: dict[str, Any], token: str) -> None:
    async with camera(profiles=["main", "middle", "small"], size="1280x720") as simulated:
        async with open_driver(simulated, **settings):
            pass
        asked = [each.body for each in simulated.server.request_count if b"GetSnapshotUri" in each.body]
        assert [f"<trt:ProfileToken>{token}<".encode() in body for body in asked] == [True]


async def test_no_fitting_profile_has_a_remedy() -> None:
    async with camera() as simulated:
        for settings in ({"profile": "none-such"}, {"width_max_px": 320}):
            error = await refused(simulated, **settings)
            assert (error.cause, error.action) == (Cause.WRONG_DEVICE, Action.CONFIGURE)
            assert "640x360" in error.how
    async with camera(profiles=[]) as simulated:
        error = await refused(simulated)
        assert (error.cause, error.action) == (Cause.WRONG_DEVICE, Action.CONFIGURE)
        assert "Add a profile" in error.how


@pytest.mark.parametrize("host", ["0.0.0.0", "169.254.7.7", "10.9.8.7:80"])
@pytest.mark.parametrize("pictures", ["snapshot", "stream"])
async def test_unreachable_stated_address_is_translated(host: str, pictures: str) -> None:
    async with camera(told_host=host) as simulated, open_driver(simulated, picture_source=pictures) as opened:
        await captured(opened)
        await until(lambda: simulated.events.points)
        await simulated.handle_command("insert", {"tampered": True})
        assert (await opened.next(Status)).cause is Cause.TAMPERED


async def test_other_namespace_is_accepted() -> None:
    async with camera() as simulated:
        await inject_fault(
            simulated, "other-namespace", for_s=60, namespace="http://www.onvif.org/ver99/schema"
        )
        async with open_driver(simulated) as opened:
            await captured(opened)
            await simulated.handle_command("insert", {"tampered": True})
            assert (await opened.next(Status)).cause is Cause.TAMPERED


# Clocks and passwords


@pytest.mark.parametrize("ahead_s", [-900_000_000.0, 7800.0])
async def test_wrong_clock_is_reported(ahead_s: float) -> None:
    async with camera() as simulated:
        await inject_fault(simulated, "wrong-clock", ahead_s=ahead_s)
        async with open_driver(simulated) as opened:
            status = await opened.next(Status)
            assert (status.state, status.cause) == (StateCode.DEGRADED, Cause.CLOCK_WRONG)
            assert ("behind" if ahead_s < 0 else "2 hours ahead") in status.text
            await captured(opened)
            await inject_fault(simulated, "wrong-clock", ahead_s=0)
            with said_within(3):
                assert await opened.next(Status) == Status(StateCode.ONLINE)
            await captured(opened)


@pytest.mark.parametrize("zone_h", [3, -5])
async def test_local_time_as_utc_is_named(zone_h: int) -> None:
    async with camera() as simulated:
        await inject_fault(simulated, "wrong-clock", ahead_s=zone_h * 3600)
        async with open_driver(simulated) as opened:
            status = await opened.next(Status)
            assert status.cause is Cause.CLOCK_WRONG
            assert f"{zone_h:+03}:00 off, which is a time zone" in status.text
            assert "NTP does not correct it" in status.how


async def test_clock_set_later_is_reported() -> None:
    async with camera() as simulated, open_driver(simulated) as opened:
        await until(lambda: simulated.events.points)
        await inject_fault(simulated, "wrong-clock", ahead_s=3600)
        with said_within(3):
            assert (await opened.next(Status)).cause is Cause.CLOCK_WRONG
        await captured(opened)
        assert opened.said.empty()


async def test_wrong_password_is_reported_and_not_logged(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    errors = []
    async with camera() as simulated:
        for given in ({"password": "s3cr3t"}, {"username": None, "password": None}):
            errors.append(await refused(simulated, **given))
        assert sum(b"PasswordDigest" in each.body for each in simulated.server.request_count) == 1, (
            "one attempt for each open"
        )
        for pictures in ("snapshot", "stream"):
            async with open_driver(simulated, picture_source=pictures) as opened:
                await until(lambda: simulated.events.points)
                await inject_fault(simulated, "wrong-credentials", for_s=0.8)
                with said_within(3):
                    errors.append(await opened.next(LinkError))
                await until(lambda: simulated.access.password == USER["password"])
    assert {error.cause for error in errors} == {Cause.NO_PERMISSION}
    assert {error.action for error in errors} == {Action.CONFIGURE}
    said = "".join(f"{e!r} {e.text} {e.how} {e.__cause__!r} {e.__context__!r}" for e in errors)
    said += caplog.text + "".join(capfd.readouterr())
    assert not [
        word for word in ("s3cr3t", "two words", "two%20words", "PasswordDigest", "response=") if word in said
    ]


# Other devices and missing ones


async def test_missing_and_other_devices_are_reported() -> None:
    async with camera() as simulated:
        await inject_fault(simulated, "garbage", for_s=60)
        error = await refused(simulated)
        assert (error.cause, error.action) == (Cause.WRONG_DEVICE, Action.CONFIGURE)
        assert "not as an ONVIF device" in error.text
        simulated.waiting = type(simulated.waiting)()
        await inject_fault(simulated, "not-found", for_s=60)
        assert (await refused(simulated)).cause is Cause.WRONG_DEVICE
        await inject_fault(simulated, "service-dies")
        error = await refused(simulated)
        assert (error.cause, error.action) == (Cause.NO_RESPONSE, Action.RESTART)


@pytest.mark.parametrize("pictures", ["snapshot", "stream"])
async def test_dead_camera_is_detected_in_time(pictures: str) -> None:
    async with camera() as simulated, open_driver(simulated, picture_source=pictures) as opened:
        await until(lambda: simulated.events.points)
        await inject_fault(simulated, "service-dies")
        with said_within(3):
            assert (await opened.next(LinkError)).cause in (Cause.LINK_FAILED, Cause.NO_RESPONSE)


@pytest.mark.parametrize("pictures", ["snapshot", "stream"])
async def test_hanging_camera_is_detected_in_time(pictures: str) -> None:
    async with camera() as simulated, open_driver(simulated, picture_source=pictures) as opened:
        await captured(opened)
        await until(lambda: simulated.events.points)
        await inject_fault(simulated, "slow", delay_s=30, for_s=60)
        with said_within(3):
            error = await opened.next(LinkError)
        assert (error.cause, error.action) == (Cause.NO_RESPONSE, Action.RESTART)


# Events


async def test_most_severe_event_is_the_state() -> None:
    async with camera() as simulated, open_driver(simulated, tamper_input=INPUT) as opened:
        for event, cause, condition, action in (
            ("too_dark", Cause.SENSOR_DIRTY, StateCode.DEGRADED, Action.CLEAN),
            ("signal_lost", Cause.DEVICE_FAULT, StateCode.FAULT, Action.RESTART),
        ):
            await simulated.handle_command("insert", {event: True})
            with said_within(3):
                status = await opened.next(Status)
            assert (status.cause, status.state, status.action) == (cause, condition, action)
        await simulated.handle_command("insert", {"signal_lost": False})
        assert (await opened.next(Status)).cause is Cause.SENSOR_DIRTY
        await simulated.handle_command("insert", {"too_dark": False, "input": True})
        status = await opened.next(Status)
        assert (status.cause, status.action) == (Cause.TAMPERED, Action.CALL_SUPPORT)
        await simulated.handle_command("insert", {"input": False})
        assert await opened.next(Status) == Status(StateCode.ONLINE)


async def test_input_of_housing_is_configurable() -> None:
    async with camera() as simulated:
        await simulated.handle_command("insert", {"input": True})
        async with open_driver(simulated) as opened:
            await simulated.handle_command("insert", {"too_dark": True})
            assert (await opened.next(Status)).cause is Cause.SENSOR_DIRTY
        async with open_driver(simulated, tamper_input=INPUT, tamper_closed=True) as opened:
            assert (await opened.next(Status)).cause is Cause.SENSOR_DIRTY
            await simulated.handle_command("insert", {"input": False, "too_dark": False})
            assert (await opened.next(Status)).cause is Cause.TAMPERED


@pytest.mark.parametrize("by_parameters", [False, True])
async def test_subscription_is_renewed_and_cancelled(by_parameters: bool) -> None:
    async with camera(by_parameters=by_parameters) as simulated:
        async with open_driver(simulated, subscription_s=2) as opened:
            await until(lambda: simulated.events.points)
            first = set(simulated.events.points)
            renewals = sum(b"wsnt:Renew>" in each.body for each in simulated.server.request_count)
            await until(
                lambda: (
                    sum(b"wsnt:Renew>" in each.body for each in simulated.server.request_count) > renewals
                ),
                4,
            )
            assert set(simulated.events.points) == first
            await inject_fault(simulated, "subscriptions-forgotten")
            await until(lambda: simulated.events.points)
            await simulated.handle_command("insert", {"tampered": True})
            with said_within(3):
                assert (await opened.next(Status)).cause is Cause.TAMPERED
        assert not simulated.events.points


async def test_camera_without_subscription_works() -> None:
    async with camera() as simulated, open_driver(simulated) as opened:
        await until(lambda: simulated.events.points)
        await inject_fault(simulated, "subscriptions-refused", for_s=3)
        await inject_fault(simulated, "subscriptions-forgotten")
        with said_within(3):
            status = await opened.next(Status)
        assert (status.state, status.action) == (StateCode.DEGRADED, Action.RESTART)
        await captured(opened)
        assert await opened.next(Status) == Status(StateCode.ONLINE)
        assert simulated.events.points


async def test_subscription_without_events_is_limited() -> None:
    async def refuse(*_: Any) -> None:
        raise SoapFaultError("ter:InvalidArgVal", "not today")

    async with camera() as simulated:
        simulated.events._pull = refuse
        async with open_driver(simulated) as opened:
            with said_within(3):
                assert (await opened.next(Status)).text.startswith("The camera provides pictures, but")
            await captured(opened)
            asked = simulated.server.requests
            await asyncio.sleep(1.5)
            assert simulated.server.requests - asked < 12
        assert len(simulated.events.points) == 0


async def test_lost_subscription_is_created_anew() -> None:
    async with ScriptedHttpServer(lambda asked: asked.answer(status="404 Not Found")).running() as server:
        links = LinkFactory()
        device = OnvifDevice(links, CameraHttpSettings(url=f"{server.url}/onvif/device_service"))
        with pytest.raises(FaultError) as fault:
            await device.call(ServiceAddress(server.url, "/onvif/subscription/1"), "tev:PullMessages")
        assert not fault.value.is_unauthorized
        with pytest.raises(LinkError) as error:
            await device.read_services()
        assert error.value.cause is Cause.WRONG_DEVICE
        await links.close()


@pytest.mark.parametrize(("gives", "wants"), [(False, True), (True, False)])
async def test_without_events_clock_is_polled(gives: bool, wants: bool) -> None:
    async with camera(gives_events=gives) as simulated, open_driver(simulated, events=wants) as opened:
        await captured(opened)
        assert not simulated.events.points
        await inject_fault(simulated, "service-dies")
        with said_within(3):
            assert isinstance(await opened.next(LinkError), LinkError)


# Discovery


async def test_many_opens_leave_nothing() -> None:
    # The fixtures of conftest.py count descriptors, threads and tasks.
    async with camera() as simulated:
        for _ in range(5):
            async with open_driver(simulated):
                pass


async def test_discovery_by_endpoint_or_scopes() -> None:
    async with camera(discoverable=True, seed=4711) as simulated:
        here = {"interface": "127.0.0.1"}
        endpoint = f"urn:uuid:{simulated.endpoint}"
        async with open_driver(
            simulated, url=None, discovery=here | {"endpoint": endpoint.upper()}
        ) as opened:
            await captured(opened)
        for wanted, cause in (
            ({"endpoint": "urn:uuid:00000000-0000-4000-8000-000000000000"}, Cause.NO_DEVICE),
            ({"endpoint": endpoint, "hardware": "another"}, Cause.NO_DEVICE),
            ({"scopes": ["onvif://www.onvif.org/name/Simula"]}, Cause.NO_DEVICE),
        ):
            find = here | {"search_s": 0.3} | wanted
            error = await refused(simulated, url=None, discovery=find)
            assert error.cause is cause
        find = here | {"search_s": 1.0, "scopes": ["onvif://www.onvif.org/name"]}
        async with camera(discoverable=True, seed=4712):
            error = await refused(simulated, url=None, discovery=find)
        assert error.cause is Cause.ADDRESS_AMBIGUOUS
        assert "cameras are onvif://www.onvif.org/name" in error.text
