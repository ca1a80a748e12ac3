"""The simulated ONVIF camera, as its clients and the control socket see it."""

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from xml.etree.ElementTree import Element

import httpx
import pytest
from onvif_client import Onvif, RefusedError, probed, security, texts, values
from sim_camera_fixture import DIGEST, USER, fault, running, stamp_of
from support.patience import PATIENCE_S

from simulators.camera.onvif.camera import OnvifCamera
from simulators.errors import SimulatorError

ORACLE = Path(".oracles/bin/python")
PROFILE = "<o:ProfileToken>Profile_1</o:ProfileToken>"
PULL = "<o:Timeout>PT{}S</o:Timeout><o:MessageLimit>10</o:MessageLimit>"
ALONE = {"rtsp_port": 0, "discoverable": False}


def of_user(client: httpx.AsyncClient) -> Onvif:
    return Onvif(client, USER["username"], USER["password"])


async def test_identity_and_media_addresses() -> None:
    async with running("camera-onvif", **ALONE, **USER) as (camera, client):
        onvif = of_user(client)
        services = texts(await onvif.call("tds:GetServices"), "XAddr")
        assert [url.rpartition("/")[2] for url in services] == [
            "device_service",
            "media_service",
            "media2_service",
            "event_service",
        ]
        assert texts(await onvif.call("tds:GetCapabilities"), "WSPullPointSupport") == ["true"]
        assert texts(await onvif.call("tds:GetDeviceInformation"), "SerialNumber") == ["SIM-ONV-0001"]
        profiles = await onvif.call("trt:GetProfiles")
        assert (texts(profiles, "Width"), texts(profiles, "Encoding")) == (["640"], ["H264"])
        assert texts(await onvif.call("trt:GetStreamUri", PROFILE), "Uri") == [camera.rtsp.url]
        (snapshot,) = texts(await onvif.call("trt:GetSnapshotUri", PROFILE), "Uri")
        assert (await client.get(snapshot)).status_code == 401
        assert stamp_of((await client.get(snapshot, auth=DIGEST)).content)


async def test_media2_has_encoders_on_request() -> None:
    async with running("camera-onvif", media="2", **ALONE) as (camera, client):
        onvif = Onvif(client)
        assert "media_service" not in "".join(texts(await onvif.call("tds:GetServices"), "XAddr"))
        assert await refusal(onvif, "trt:GetProfiles") == "ter:ActionNotSupported"
        for kind, widths in (("", []), ("AudioEncoder", []), ("VideoEncoder", ["640"]), ("All", ["640"])):
            profiles = await onvif.call("tr2:GetProfiles", f"<o:Type>{kind}</o:Type>")
            assert (texts(profiles, "Name")[0], texts(profiles, "Width")) == ("main", widths)
        setup = f"<o:Protocol>RTSP</o:Protocol>{PROFILE}"
        assert texts(await onvif.call("tr2:GetStreamUri", setup), "Uri") == [camera.rtsp.url]
        assert await refusal(onvif, "tr2:GetStreamUri", PROFILE) == "ter:InvalidArgVal"
        (snapshot,) = texts(await onvif.call("tr2:GetSnapshotUri", PROFILE), "Uri")
        assert stamp_of((await client.get(snapshot)).content)


async def refusal(
    onvif: Onvif, operation: str = "tds:GetDeviceInformation", *arguments: str, **more: str
) -> str:
    with pytest.raises(RefusedError) as refused:
        await onvif.call(operation, *arguments, **more)
    return str(refused.value)


async def test_only_fresh_correct_digest_is_accepted() -> None:
    async with running("camera-onvif", **ALONE, **USER) as (camera, client):
        onvif = of_user(client)
        assert await refusal(Onvif(client)) == "ter:NotAuthorized"
        assert await refusal(Onvif(client, "watch", "two werds")) == "ter:NotAuthorized"
        assert await refusal(Onvif(client, "wotch", "two words")) == "ter:NotAuthorized"
        once = security("watch", "two words")
        await onvif.call("tds:GetDeviceInformation", header=once)
        assert await refusal(onvif, header=once) == "ter:NotAuthorized"
        onvif.off_s = -60
        assert await refusal(onvif) == "ter:NotAuthorized"
        await fault(camera, "wrong-clock", ahead_s=-60)
        await onvif.call("tds:GetDeviceInformation")
        time = await Onvif(client).call("tds:GetSystemDateAndTime")
        at = [int(texts(time, part)[0]) for part in ("Year", "Month", "Day", "Hour", "Minute", "Second")]
        off_s = (datetime.now(UTC) - datetime(*at, tzinfo=UTC)).total_seconds()  # type: ignore[arg-type]
        assert 59 <= off_s < 65
        await fault(camera, "wrong-credentials", for_s=60)
        assert await refusal(onvif) == "ter:NotAuthorized"


async def test_unknown_requests_are_refused() -> None:
    async with running("camera-onvif", **ALONE) as (camera, client):
        onvif = Onvif(client)
        assert await refusal(onvif, "tds:SystemReboot") == "ter:ActionNotSupported"
        assert await refusal(onvif, "trt:GetProfiles", at="/onvif/device_service") == "ter:ActionNotSupported"
        assert await refusal(onvif, "trt:GetStreamUri") == "ter:NoProfile"
        assert (await client.post("/onvif/device_service", content=b"<x")).status_code == 400
        await fault(camera, "not-found")
        assert (await client.post("/onvif/device_service", content=b"<x")).status_code == 404
        await fault(camera, "garbage")
        assert "It works" in (await client.post("/onvif/device_service", content=b"<x")).text
        await fault(camera, "format-changed", size="1280x720")
        assert texts(await onvif.call("trt:GetProfiles"), "Width") == ["1280"]


async def test_events_wait_for_pull() -> None:
    async with running("camera-onvif", **ALONE) as (camera, client):
        onvif = Onvif(client)
        (point,) = texts(await onvif.call("tev:CreatePullPointSubscription"), "Address")
        first = await onvif.call("tev:PullMessages", PULL.format(1), at=point)
        assert (values(first), texts(first, "Topic")) == (
            ["false"],
            ["tns1:RuleEngine/CellMotionDetector/Motion"],
        )
        pulling = asyncio.create_task(onvif.call("tev:PullMessages", PULL.format(30), at=point))
        while not camera.server.request_count[-1].body.count(b"PT30S"):
            await asyncio.sleep(0.005)
        await camera.handle_command("insert", {"moving": True})
        assert values(await pulling) == ["true"]
        for moving in (False, True, False):
            await camera.handle_command("insert", {"moving": moving})
        kept = await onvif.call("tev:PullMessages", PULL.format(0), at=point)
        assert values(kept) == ["false", "true", "false"]
        assert values(await onvif.call("tev:PullMessages", PULL.format(0.05), at=point)) == []
        await onvif.call("tev:SetSynchronizationPoint", at=point)
        assert values(await onvif.call("tev:PullMessages", PULL.format(0), at=point)) == ["false"]
        await onvif.call("wsnt:Unsubscribe", at=point)
        assert await refusal(onvif, "tev:PullMessages", at=point) == "ter:InvalidArgVal"


async def test_subscription_expires_unless_renewed() -> None:
    async with running("camera-onvif", **ALONE) as (camera, client):
        onvif = Onvif(client)

        async def subscribed(lasts: str) -> tuple[str, float]:
            lasting = f"<o:InitialTerminationTime>{lasts}</o:InitialTerminationTime>"
            answer = await onvif.call("tev:CreatePullPointSubscription", lasting)
            return texts(answer, "Address")[0], left_s(answer)

        def left_s(answer: Element) -> float:
            (ends,), (now,) = texts(answer, "TerminationTime"), texts(answer, "CurrentTime")
            return (datetime.fromisoformat(ends) - datetime.fromisoformat(now)).total_seconds()

        (one, one_s), (other, other_s) = await subscribed("PT1M"), await subscribed("PT2M")
        assert (round(one_s), round(other_s)) == (60, 120)
        renewed = await onvif.call("wsnt:Renew", "<o:TerminationTime>PT0.1S</o:TerminationTime>", at=one)
        assert left_s(renewed) < 1
        async with asyncio.timeout(PATIENCE_S):
            while "1" in camera.events.points:
                await asyncio.sleep(0.02)
                await onvif.call("tev:PullMessages", PULL.format(0), at=other)
        assert await refusal(onvif, "tev:PullMessages", at=one) == "ter:InvalidArgVal"
        await fault(camera, "subscriptions-forgotten")
        assert await refusal(onvif, "tev:PullMessages", at=other) == "ter:InvalidArgVal"


async def test_discovery_on_loopback() -> None:
    def mine(camera: OnvifCamera, *probe: str) -> list[str]:
        """Return the addresses of this camera that answer; others may run at the same time."""
        endpoint = f"urn:uuid:{camera.endpoint}"
        found = [answer for answer in probed(*probe, wait_s=0.2) if endpoint in texts(answer, "Address")]
        return [address for answer in found for address in texts(answer, "XAddrs")]

    async with running("camera-onvif", rtsp_port=0, seed=77) as (camera, _):
        for probe in (
            ("dn:NetworkVideoTransmitter",),
            ("",),
            ("", "onvif://www.onvif.org/Profile/Streaming"),
        ):
            assert await asyncio.to_thread(mine, camera, *probe) == [camera.url]
        assert await asyncio.to_thread(mine, camera, "x:Printer") == []
        assert await asyncio.to_thread(mine, camera, "", "onvif://www.onvif.org/location/moon") == []
        await fault(camera, "service-dies")
        assert await asyncio.to_thread(mine, camera, "") == []
        assert not camera.rtsp.is_running


@pytest.mark.skipif(not ORACLE.exists(), reason="make .oracles/.ready installs the programs of others")
async def test_onvif_zeep_works_it() -> None:
    async with running("camera-onvif", size="1280x720", **ALONE, **USER) as (camera, _):
        await camera.handle_command("insert", {"tampered": True})
        program = await asyncio.create_subprocess_exec(
            ORACLE, "tests/oracles/watch_onvif.py", str(camera.server.port), *USER.values(),
            stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        async with asyncio.timeout(PATIENCE_S):
            answer, _ = await program.communicate()
        seen = json.loads(answer)
        assert seen.pop("snapshot")
        assert seen == {
            "serial number": "SIM-ONV-0001",
            "size": [1280, 720],
            "stream": camera.rtsp.url,
            "events": [
                ["tns1:RuleEngine/CellMotionDetector/Motion", "false"],
                ["tns1:VideoSource/GlobalSceneChange/ImagingService", "true"],
            ],
            "stranger": "Sender not authorized",
        }


async def test_commands_of_control_socket() -> None:
    async with running("camera-onvif", motion_every_s=0.02, **ALONE) as (camera, client):
        before = len(camera.events.properties)
        point = texts(await Onvif(client).call("tev:CreatePullPointSubscription"), "Address")[0]
        async with asyncio.timeout(PATIENCE_S):
            moved: list[str] = []
            while not {"true", "false"} <= set(moved[1:]):
                moved += values(await Onvif(client).call("tev:PullMessages", PULL.format(1), at=point))
        status = await camera.handle_command("status", {})
        assert (before, status["subscriptions"], status["stream_url"]) == (1, 1, camera.rtsp.url)
        assert await camera.handle_command("insert", {"people": 2}) == {}
        for verb, arguments in [
            ("dance", {}),
            ("fault", {"fault": "half-picture"}),
            ("insert", {"people": 9}),
        ]:
            with pytest.raises(SimulatorError):
                await camera.handle_command(verb, arguments)
