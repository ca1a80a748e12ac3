"""WS-BD services: locks, captures, all statuses, and a faulty service."""

import asyncio
import base64
import contextlib
import io
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pydantic import ValidationError
from scanner_fixture import ScannerFixture, open_scanner, words
from support.devices.fingerprints import print_of

from drivers.command import CommandFailure, CommandRefusal, Invocation, RefusalReason
from drivers.driver import StateCode
from drivers.driver import Status as DeviceStatus
from drivers.fingerprint.encoding import to_png
from drivers.fingerprint.observations import CaptureOutcome, FeedbackCode, FingerCaptured, UnreadableReason
from drivers.fingerprint.wsbd.driver import StealLock, WsBd
from drivers.fingerprint.wsbd.driver import WsBdSettings as DriverSettings
from drivers.fingerprint.wsbd.images import content_type, decode_raster
from drivers.fingerprint.wsbd.results import DictionaryItem, ResultError, configuration_body, parse_result
from drivers.fingerprint.wsbd.statuses import WsBdStatus, parse_status, status_error
from drivers.links.factory import LinkFactory
from drivers.links.link import Action, Cause, LinkError
from simulators.fingerprint.wsbd import OTHER_CLIENT, WsBdSettings, WsBdSimulator
from simulators.fingerprint.wsbd_faults import wsbd_fault
from simulators.http.server import HttpServer, Request, Response

EDITIONS = pytest.mark.parametrize("edition", ["nist", "oasis"])


@contextlib.asynccontextmanager
async def service(**settings: Any) -> AsyncIterator[WsBdSimulator]:
    """Start a service with an immediate finger."""
    quick = {"name": "lane-1/finger", "kind": "ws-bd", "port": 0, "finger_s": 0.0, "capture_s": 0.0}
    simulated = WsBdSettings(**quick | settings).build()
    assert isinstance(simulated, WsBdSimulator)
    ready = asyncio.Event()
    running = asyncio.create_task(simulated.run(lambda event, _: ready.set() if event == "ready" else None))
    await ready.wait()
    try:
        yield simulated
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def opened(
    simulated: WsBdSimulator, **settings: Any
) -> contextlib.AbstractAsyncContextManager[ScannerFixture]:
    links = LinkFactory()
    quick = {"url": simulated.server.url, "quality": "ridge_clarity", "idle_poll_s": 0.05, "poll_s": 0.005}
    return open_scanner(WsBd(DriverSettings(**quick | settings), links), links, simulated)


@contextlib.asynccontextmanager
async def wsbd(
    service_settings: dict[str, Any] | None = None, **settings: Any
) -> AsyncIterator[ScannerFixture]:
    async with service(**service_settings or {}) as simulated, opened(simulated, **settings) as desk:
        yield desk


def let(desk: ScannerFixture, fault: str, **arguments: Any) -> None:
    desk.device.service.inject(wsbd_fault(fault, arguments))


def paths(desk: ScannerFixture) -> list[str]:
    """Return the requests, without identifiers."""
    return [f"{request.method} /{request.path.split('/')[1]}" for request in desk.device.server.request_count]


# A capture.


@EDITIONS
async def test_capture_sequence_of_requests(edition: str) -> None:
    async with service(edition=edition) as simulated:
        async with opened(simulated, edition=edition, idle_poll_s=50) as desk:
            assert desk.identity.model == "Slap One"
            assert (desk.identity.manufacturer, desk.identity.serial_number) == (
                "Utopia Optics",
                "SIM-S1-0001",
            )
            assert desk.driver.links.is_simulated
            done = await desk.ask(position="left_middle")
            assert done.outcome is CaptureOutcome.CAPTURED
            captured = await desk.next(FingerCaptured)
            assert (captured.width_px, captured.height_px, captured.resolution_ppi) == (400, 500, 500)
            assert simulated.service.parameters == {"submodality": "leftMiddle"}
        assert paths(desk) == [
            "GET /info",
            "POST /register",
            "POST /lock",
            "POST /initialize",
            "POST /configure",
            "POST /capture",
            "GET /download",
            "DELETE /lock",
            "DELETE /register",
        ]
        assert (simulated.service.lock, simulated.service.sessions) == (None, set())


async def test_events_without_finger_detection() -> None:
    async with wsbd() as desk:
        await desk.ask()
        await desk.ended()
        assert await desk.next_state() is StateCode.ONLINE
    assert words(desk.everything) == [
        "[busy]",
        "place",
        "assessing",
        "finger.captured",
        "finger.capture_ended",
        "[online]",
    ]


async def test_parameters_are_set_before_every_capture() -> None:
    async with wsbd(
        positions=["right_four"],
        submodalities={"right_four": "rightSlap"},
        parameters={"contentType": "image/png", "captureTimeout": 20000},
    ) as desk:
        done = await desk.ask(position="right_four")
        assert done.outcome is CaptureOutcome.WRONG_FINGER_COUNT, "there is one finger on it"
        assert desk.device.service.parameters == {
            "submodality": "rightSlap",
            "contentType": "image/png",
            "captureTimeout": "20000",
        }


async def test_the_best_of_several_captures() -> None:
    async with wsbd(minimum_quality=99) as desk:
        done = await desk.ask(best_of=3)
        assert (done.outcome, done.attempts) == (CaptureOutcome.UNREADABLE, 3)
        assert desk.device.service.captured == 3


async def test_image_in_preparation_is_polled() -> None:
    async with wsbd() as desk:
        let(desk, "preparing", times=3)
        assert (await desk.ask()).outcome is CaptureOutcome.CAPTURED
        assert paths(desk).count("GET /download") == 4


async def test_cancel_reaches_the_service() -> None:
    async with wsbd({"finger_s": None}) as desk:
        asking = desk.ask()
        await desk.told(FeedbackCode.PLACE)
        while not desk.device.service.capturing:
            await asyncio.sleep(0.002)
        begun_s = asyncio.get_running_loop().time()
        await desk.cancel()
        assert (await desk.ended()).outcome is CaptureOutcome.CANCELLED
        assert asyncio.get_running_loop().time() - begun_s < 0.3
        with pytest.raises(CommandFailure):
            await asking
        assert await desk.next_state() is StateCode.ONLINE
        assert "POST /cancel" in paths(desk)
        desk.device.service.finger.set()
        assert (await desk.ask()).outcome is CaptureOutcome.CAPTURED


async def test_no_finger_is_a_timeout() -> None:
    async with wsbd({"finger_s": None}) as desk:
        asking = desk.ask(timeout_s=1)
        assert (await desk.ended()).outcome is CaptureOutcome.TIMED_OUT
        with pytest.raises(CommandFailure):
            await asking
        assert await desk.next_state() is StateCode.ONLINE
        assert not desk.device.service.capturing


@pytest.mark.parametrize(
    ("fault", "outcome", "reason"),
    [
        ("bad-image", CaptureOutcome.UNREADABLE, UnreadableReason.DEVICE_ERROR),
        ("sensor-timeout", CaptureOutcome.TIMED_OUT, None),
    ],
)
async def test_failed_capture_of_a_working_service(
    fault: str, outcome: CaptureOutcome, reason: UnreadableReason | None
) -> None:
    async with wsbd() as desk:
        let(desk, fault)
        asking = desk.ask()
        ended = await desk.ended()
        assert (ended.outcome, ended.reason) == (outcome, reason)
        await asyncio.wait({asking})
        assert (await desk.ask()).outcome is CaptureOutcome.CAPTURED


async def test_capture_cancelled_at_the_service() -> None:
    async with wsbd({"finger_s": None}) as desk:
        asking = desk.ask(best_of=3)
        while not desk.device.service.capturing:
            await asyncio.sleep(0.002)
        let(desk, "canceled")
        ended = await desk.ended()
        assert (ended.outcome, ended.attempts) == (CaptureOutcome.CANCELLED, 1)
        with pytest.raises(CommandFailure):
            await asking


# The lock.


async def test_foreign_lock_is_waited_for() -> None:
    async with service() as simulated:
        simulated.service.lock = OTHER_CLIENT
        async with opened(simulated) as desk:
            held = await desk.next(DeviceStatus)
            assert (held.state, held.cause) == (StateCode.DEGRADED, Cause.PORT_HELD)
            assert "steal" in held.how
            with pytest.raises(CommandRefusal) as refused:
                await desk.ask()
            assert refused.value.reason is RefusalReason.BUSY
            simulated.service.lock = None
            while await desk.next_state() is not StateCode.ONLINE:
                pass
            assert (await desk.ask()).outcome is CaptureOutcome.CAPTURED


async def test_lock_is_stolen_by_command() -> None:
    async with service() as simulated:
        simulated.service.lock = OTHER_CLIENT
        async with opened(simulated, idle_poll_s=50) as desk:
            assert await desk.next_state() is StateCode.DEGRADED
            await desk.driver.steal_lock(StealLock(reason="its program has crashed"), Invocation.local())
            assert await desk.next_state() is StateCode.ONLINE
            assert (await desk.ask()).outcome is CaptureOutcome.CAPTURED


async def test_lock_is_stolen_at_start_if_configured() -> None:
    async with service() as simulated:
        simulated.service.lock = OTHER_CLIENT
        async with opened(simulated, steal_lock="old software keeps it") as desk:
            assert (await desk.ask()).outcome is CaptureOutcome.CAPTURED
            assert "PUT /lock" in paths(desk)


def test_no_lock_is_stolen_without_a_reason() -> None:
    for reason in ("", "x"):
        with pytest.raises(ValidationError):
            StealLock(reason=reason)
        with pytest.raises(ValidationError):
            DriverSettings(url="http://127.0.0.1", steal_lock=reason)


async def test_lock_lost_at_rest_is_degraded() -> None:
    async with wsbd() as desk:
        let(desk, "lock-held", for_s=0.2)
        assert await desk.next_state() is StateCode.DEGRADED
        assert await desk.next_state() is StateCode.ONLINE
        assert (await desk.ask()).outcome is CaptureOutcome.CAPTURED


async def test_lock_lost_in_a_capture_ends_it() -> None:
    async with wsbd({"finger_s": None}) as desk:
        asking = desk.ask()
        while not desk.device.service.capturing:
            await asyncio.sleep(0.002)
        let(desk, "lock-held")
        assert (await desk.ended()).outcome is CaptureOutcome.CANCELLED
        await asyncio.wait({asking})
        assert await desk.next_state() is not StateCode.BUSY


# Faults of a service.


@pytest.mark.parametrize(
    ("fault", "cause", "action"),
    [
        ("sensor-failure", Cause.DEVICE_FAULT, Action.REPLUG),
        ("sensor-busy", Cause.PORT_HELD, Action.WAIT),
        ("service-dies", Cause.LINK_FAILED, Action.RESTART),
    ],
)
async def test_failure_in_a_capture_is_a_lost_link(fault: str, cause: Cause, action: Action) -> None:
    async with wsbd() as desk:
        let(desk, fault)
        asking = desk.ask()
        assert (await desk.ended()).outcome is CaptureOutcome.DEVICE_LOST
        error = await desk.next(LinkError)
        assert (error.cause, error.action) == (cause, action)
        with pytest.raises(LinkError):
            await asking


async def test_dead_service_is_reopened() -> None:
    async with service() as simulated:
        async with opened(simulated) as desk:
            let(desk, "service-dies", capturing=False)
            assert (await desk.next(LinkError)).cause in (Cause.NO_RESPONSE, Cause.LINK_FAILED)
            let(desk, "service-dies", capturing=False, for_s=0.1)
        for _ in range(200):
            with contextlib.suppress(LinkError):
                async with opened(simulated) as desk:
                    assert (await desk.ask()).outcome is CaptureOutcome.CAPTURED
                    return
            await asyncio.sleep(0.01)
        pytest.fail("it did not come back")


async def test_forgotten_session_is_registered_again() -> None:
    async with wsbd() as desk:
        let(desk, "session-forgotten")
        error = await desk.next(LinkError)
        assert (error.cause, error.action) == (Cause.LINK_FAILED, Action.WAIT)


async def test_service_is_initialised_again() -> None:
    async with wsbd(idle_poll_s=50) as desk:
        desk.device.service.initialised = False
        assert (await desk.ask()).outcome is CaptureOutcome.CAPTURED


async def test_slow_service_is_lost_after_its_timeout() -> None:
    async with wsbd(timeout_s=0.5) as desk:
        let(desk, "slow", delay_s=0.05)
        assert (await desk.ask()).outcome is CaptureOutcome.CAPTURED
        let(desk, "slow", delay_s=2)
        assert (await desk.next(LinkError)).cause is Cause.NO_RESPONSE


async def test_other_content_is_a_wrong_device() -> None:
    async with service() as simulated:
        simulated.service.inject(wsbd_fault("garbage"))
        with pytest.raises(LinkError, match="not XML") as error:
            async with opened(simulated):
                pass
    assert error.value.cause is Cause.WRONG_DEVICE


async def test_unknown_parameter_is_named() -> None:
    async with wsbd(parameters={"spoofDetection": True}) as desk:
        with pytest.raises(CommandRefusal, match="spoofDetection") as refused:
            await desk.ask()
        assert refused.value.reason is RefusalReason.NOT_SUPPORTED
        assert "finger.capture_ended" not in words(desk.everything)


async def test_unsupported_format_is_named() -> None:
    async with wsbd(parameters={"contentType": "application/octet-stream"}) as desk:
        asking = desk.ask()
        error = await desk.next(LinkError)
        assert error.action is Action.CONFIGURE
        assert "application/octet-stream" in error.text
        await asyncio.wait({asking})


async def test_credentials_are_sent() -> None:
    async with service(username="gateway", password="s") as simulated:
        async with opened(simulated, username="gateway", password="s") as desk:
            assert desk.identity.model == "Slap One"
        with pytest.raises(LinkError) as error:
            async with opened(simulated):
                pass
    assert error.value.cause is Cause.NO_PERMISSION


async def test_two_scanners_stay_apart() -> None:
    async with service() as one, service(seed=9) as other, opened(one) as first, opened(other) as second:
        await second.ask()
        assert (one.service.captured, other.service.captured) == (0, 1)
        assert first.everything == []


async def test_reopening_leaks_nothing() -> None:
    async with service() as simulated:
        for _ in range(200):
            links = LinkFactory()
            driver = WsBd(DriverSettings(url=simulated.server.url), links)
            await driver.open()
            await driver.close()
            await links.close()
        assert simulated.service.sessions == set()


async def test_any_status_at_any_step() -> None:
    words_of_wsbd = [*WsBdStatus, "noSuchParamter", "splendid", ""]

    def answer_of(step: str, word: str) -> Any:
        async def answer(request: Request) -> Response:
            what = request.path.split("/")[1]
            said = word if what == step else "success"
            known = "<sessionId>6f3a0a52-8d0b-4c6e-9d62-0a1f4d0e7c11</sessionId>"
            captures = "<captureIds><element>6f3a0a52-8d0b-4c6e-9d62-0a1f4d0e7c12</element></captureIds>"
            await asyncio.sleep(0)
            return Response(body=f"<result><status>{said}</status>{captures}{known}</result>".encode())

        return answer

    for step in ("register", "lock", "initialize", "configure", "capture", "download"):
        for word in words_of_wsbd:
            if (step, word) == ("download", "preparingDownload"):
                continue  # for ever: until the capture's time is over
            async with HttpServer(answer_of(step, word)) as server:
                links = LinkFactory()
                settings = DriverSettings(url=server.url, quality="ridge_clarity", idle_poll_s=9)
                try:
                    async with open_scanner(WsBd(settings, links), links) as desk:
                        await asyncio.wait({asking := desk.ask(timeout_s=1)})
                        assert isinstance(asking.exception(), CommandRefusal | LinkError | None), (step, word)
                except LinkError as error:
                    assert error.text, (step, word)  # noqa: PT017 - any cause will do, but a cause


# Results, configurations, images.


def test_result_of_each_edition() -> None:
    for namespace in ("urn:oid:2.16.840.1.101.3.9.3.1", "http://docs.oasis-open.org/bioserv/ns/wsbd-1.0"):
        result = parse_result(
            f"""<?xml version="1.0"?><result xmlns="{namespace}" xmlns:i="x">
            <status>badValue</status>
            <badFields><element>submodality</element></badFields>
            <captureIds><element>6f3a0a52-8d0b-4c6e-9d62-0a1f4d0e7c11</element></captureIds>
            <metadata><item><key>resolution</key>
              <value i:type="Resolution"><width>197</width><height>197</height><unit>ppcm</unit></value>
            </item><item><key>contentType</key><value>image/PNG; x=1</value></item></metadata>
            <message> Sorry </message><sensorData>{base64.b64encode(b"abc").decode()}</sensorData>
            </result>""".encode()
        )
        assert (result.status, result.bad_fields, result.message) == ("badValue", ("submodality",), "Sorry")
        assert result.capture_ids == ("6f3a0a52-8d0b-4c6e-9d62-0a1f4d0e7c11",)
        assert result.sensor_data == b"abc"
        assert result.metadata["resolution"].parts["unit"] == "ppcm"
        assert content_type(result.metadata) == "image/png"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"<result/>",
        b"<other><status>success</status></other>",
        b"<result><status>success</status><sessionId>../../lock</sessionId></result>",
        b"<result><status>success</status><captureIds><element>x</element></captureIds></result>",
        b"<result><status>success</status><sensorData>a</sensorData></result>",
        b'<!DOCTYPE r [<!ENTITY a "b">]><result><status>&a;</status></result>',
        b'<?xml version="1.0" encoding="klingon"?><result/>',
    ],
)
def test_unsafe_result_is_refused(body: bytes) -> None:
    with pytest.raises(ResultError):
        parse_result(body)


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_give_a_result_or_result_error(body: bytes) -> None:
    for each in (body, b"<result><status>" + body + b"</status></result>"):
        with contextlib.suppress(ResultError):
            parse_result(each)


def test_configuration_is_escaped_and_typed() -> None:
    body = configuration_body("nist", {"a<b": "c&d", "n": 3, "x": 0.5, "on": True}).decode()

    assert "<key>a&lt;b</key>" in body
    assert '<value i:type="xs:string">c&amp;d</value>' in body
    assert '<value i:type="xs:int">3</value>' in body
    assert '<value i:type="xs:decimal">0.500000</value>' in body
    assert '<value i:type="xs:boolean">true</value>' in body


def test_every_status_has_an_error() -> None:
    assert len(WsBdStatus) == 16
    assert parse_status("noSuchParamter") is WsBdStatus.NO_SUCH_PARAMETER
    for word in [*WsBdStatus, "splendid"]:
        error = status_error(word, "capture")
        assert error.action is not Action.NONE
        assert error.how.endswith(".")


def test_images_keep_pixels_and_resolution() -> None:
    raster = print_of(200, 240)

    read = decode_raster(to_png(raster), "image/png", {}, 400)
    assert read is not None
    assert read.pixels.tolist() == raster.pixels.tolist()
    assert read.resolution_ppi == 500
    told = {"Resolution": DictionaryItem("", {"width": "393.7", "unit": "ppcm"})}
    told_so = decode_raster(to_png(raster), "image/png", told, 400)
    assert told_so is not None
    assert told_so.resolution_ppi == 1000
    unknown = decode_raster(to_png(raster), "image/png", {"resolution": DictionaryItem("unknown")}, 400)
    assert unknown is not None
    assert unknown.resolution_ppi == 500
    file = io.BytesIO()
    Image.new("RGB", (40, 30), (9, 9, 9)).save(file, "BMP", dpi=(72, 72))
    colour = decode_raster(file.getvalue(), "image/bmp", {}, 500)
    assert colour is not None
    assert (colour.pixels[0, 0], colour.resolution_ppi) == (9, 500)


async def test_wsq_is_not_read_from_a_network() -> None:
    async with wsbd(parameters={"contentType": "image/x-wsq"}) as desk:
        asking = desk.ask()
        error = await desk.next(LinkError)
        assert error.action is Action.CONFIGURE
        await asyncio.wait({asking})


@pytest.mark.parametrize("media_type", ["image/png", "image/jpeg", "image/bmp", "image/tiff", "image/jp2"])
def test_malformed_image_is_none(media_type: str) -> None:
    for data in (b"", b"\xff\xa0", to_png(print_of(64, 64))[:200], b"II*\0" + bytes(40)):
        assert decode_raster(data, media_type, {}, 500) is None
