"""Driver that was taken over: each line is a frame, or a flood of frames, for the daemon.

It bypasses the worker's own rules: it finds the connection to the daemon in the memory of its process.
"""

import asyncio
import gc
import json
from collections.abc import AsyncIterator
from typing import ClassVar

from plugin_words import VOCABULARY, PortOpened

from drivers.driver import Driver, Family, Identity
from drivers.links.serial import SerialSettings
from drivers.observation import Observation
from gateway.ipc.frames import FrameConnection, FrameType


class ForgingDriver(Driver[SerialSettings]):
    """Sends what its port says: one JSON object a line, {kind, head, body, times}."""

    family = Family.BARRIER
    vocabulary = VOCABULARY
    settings_model = SerialSettings
    observation_types: ClassVar[tuple[type[Observation], ...]] = (PortOpened,)

    async def open(self) -> Identity:
        """Open the port."""
        self.link = await self.links.serial(self.settings)
        return Identity(model="forging")

    async def watch(self) -> AsyncIterator[Observation]:
        """Send the frames of each line."""
        connection = next(one for one in gc.get_objects() if isinstance(one, FrameConnection))
        rest = b""
        while True:
            *lines, rest = (rest + await self.link.read()).split(b"\n")
            for line in lines:
                order = json.loads(line)
                body = order.get("body", "").encode() or bytes(order.get("zeros", 0))
                for _ in range(order.get("times", 1)):
                    connection.send(FrameType(order["kind"]), order.get("head"), body)
                    await connection.wait_writable()
                await asyncio.sleep(0)
                if order.get("number") is not None:
                    yield PortOpened(number=order["number"])
