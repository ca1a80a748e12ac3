"""Program that captures repeatedly from an emulated scanner through the real libusb, like a worker.

    UMOCKDEV_DIR=... LD_PRELOAD=libumockdev-preload.so.0 python libusb_program.py DRIVER PORT

Prints a line of JSON for each thing that happens, and goes on for as long as its standard input is open.
"""

import asyncio
import contextlib
import hashlib
import json
import sys
from typing import Any

from drivers.command import Invocation
from drivers.driver import Driver
from drivers.fingerprint.commands import CaptureFinger
from drivers.fingerprint.observations import FingerCaptured, FingerFeedback
from drivers.links.factory import LinkFactory
from drivers.links.link import LinkError
from drivers.registry import load_driver


def tell(**what: Any) -> None:
    print(json.dumps(what), flush=True)


async def capture(driver: Any) -> None:
    """Capture one print after the other."""
    while True:
        await driver.capture(CaptureFinger(), Invocation.local())


async def serve(driver_class: type[Driver[Any]], port: str) -> None:
    """Open it and capture until the link fails."""
    links = LinkFactory()
    driver: Any = driver_class(driver_class.settings_model(port=port, quality="ridge_clarity"), links)
    try:
        identity = await driver.open()
        tell(opened=identity.model, simulated=links.is_simulated)
        capturing = asyncio.create_task(capture(driver))
        try:
            async with contextlib.aclosing(driver.watch()) as said:
                async for each in said:
                    match each:
                        case FingerFeedback():
                            tell(feedback=each.feedback)
                        case FingerCaptured():
                            tell(image=hashlib.sha256(each.attachments[0].content).hexdigest())
        finally:
            capturing.cancel()
            await asyncio.gather(capturing, return_exceptions=True)
    finally:
        await driver.close()
        await links.close()


async def main(driver: str, port: str) -> None:
    """Open it again whenever it has failed."""
    loop = asyncio.get_running_loop()
    enough = loop.run_in_executor(None, sys.stdin.read)
    while not enough.done():
        serving = asyncio.create_task(serve(load_driver(driver), port))
        await asyncio.wait({serving, enough}, return_when=asyncio.FIRST_COMPLETED)
        serving.cancel()
        try:
            await serving
        except LinkError as error:
            tell(failed=error.cause)
            await asyncio.sleep(0.02)
        except asyncio.CancelledError:
            tell(ended=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
