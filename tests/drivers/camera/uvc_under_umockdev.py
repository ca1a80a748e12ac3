"""A program under umockdev's preload that has a webcam: a line of JSON in, a line of JSON out.

In: [command, arguments]; out: its result, or {"error": cause, "text": ..., "how": ...}.
"""

import asyncio
import contextlib
import hashlib
import json
import sys
from typing import Any

from camera_fixture import CameraFixture, open_camera

from drivers.camera.observations import PictureCaptured
from drivers.camera.uvc import UvcCamera
from drivers.command import CommandFailure
from drivers.driver import BadFrame, Status
from drivers.links.link import LinkError


def error_as_json(error: LinkError) -> dict[str, Any]:
    return {"error": error.cause, "text": error.text, "how": error.how}


class Program:
    """One driver, opened and closed by commands."""

    def __init__(self) -> None:
        self.open = contextlib.AsyncExitStack()
        self.opened: CameraFixture

    async def do(self, what: str, arguments: dict[str, Any]) -> Any:
        match what:
            case "open":
                self.opened = await self.open.enter_async_context(open_camera(UvcCamera, **arguments))
                mode = self.opened.driver.frame_source.link.mode
                identity = self.opened.identity.model_dump(exclude_none=True)
                simulated = self.opened.driver.links.is_simulated
                return {"identity": identity, "format": mode.fourcc, "simulated": simulated}
            case "close":
                await self.open.aclose()
                return None
            case "capture":
                await self.opened.capture(**arguments)
                before = []
                while not isinstance(captured := await self.opened.next(), PictureCaptured):
                    match captured:
                        case BadFrame(fault=fault):
                            before.append(fault)
                        case Status(state=condition):
                            before.append(condition)
                        case LinkError():
                            raise captured
                (picture,) = captured.attachments
                return {
                    "sha256": hashlib.sha256(picture.content).hexdigest(),
                    "content": picture.content.hex() if arguments.get("best_of") == 1 else "",
                    "size": [captured.width_px, captured.height_px],
                    "before": before,
                }
            case "fail":
                return error_as_json(await self.opened.next(LinkError))
            case "status":
                return (await self.opened.next(Status)).state
        raise AssertionError(what)


async def main() -> None:
    program = Program()
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    print(json.dumps("ready"), flush=True)
    while line := await lines.readline():
        try:
            result = await program.do(*json.loads(line))
        except LinkError as error:
            result = error_as_json(error)
        except CommandFailure as failed:
            result = {"error": failed.reason, "text": failed.text}
        print(json.dumps(result), flush=True)
    await program.do("close", {})


asyncio.run(main())
