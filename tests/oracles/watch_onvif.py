"""Uses a camera with `onvif-zeep-async`: PORT USER PASSWORD, and a wrong one; prints its results as JSON."""

import asyncio
import datetime
import json
import sys

from onvif import ONVIFCamera
from zeep.exceptions import Fault


async def main(port: str, user: str, password: str) -> None:
    camera = ONVIFCamera("127.0.0.1", int(port), user, password)
    seen: dict[str, object] = {}
    try:
        await camera.update_xaddrs()
        device = await camera.create_devicemgmt_service()
        seen["serial number"] = (await device.GetDeviceInformation()).SerialNumber
        media = await camera.create_media_service()
        profile = (await media.GetProfiles())[0]
        resolution = profile.VideoEncoderConfiguration.Resolution
        seen["size"] = [resolution.Width, resolution.Height]
        setup = {"Stream": "RTP-Unicast", "Transport": {"Protocol": "RTSP"}}
        seen["stream"] = (await media.GetStreamUri({"StreamSetup": setup, "ProfileToken": profile.token})).Uri
        seen["snapshot"] = len(await camera.get_snapshot(profile.token))
        lost: list[int] = []
        manager = await camera.create_pullpoint_manager(
            datetime.timedelta(seconds=30), lambda: lost.append(1)
        )
        pulled = await manager.get_service().PullMessages(
            {"Timeout": datetime.timedelta(seconds=5), "MessageLimit": 10}
        )
        seen["events"] = [
            [message.Topic._value_1, message.Message._value_1.Data.SimpleItem[0].Value]
            for message in pulled.NotificationMessage
        ]
        await manager.shutdown()
    finally:
        await camera.close()
    stranger = ONVIFCamera("127.0.0.1", int(port), user, password + "?")
    try:
        await stranger.update_xaddrs()
    except Fault as error:
        seen["stranger"] = str(error)
    finally:
        await stranger.close()
    print(json.dumps(seen))


asyncio.run(main(*sys.argv[1:]))
