"""Frames of a link: bytes that came while the process stalled are no silence."""

import asyncio
import os
import pty
import time
from contextlib import aclosing

from drivers.links.factory import LinkFactory
from drivers.links.framing import CompleteFrame, DamagedFrame, frames
from drivers.links.serial import SerialSettings
from drivers.passport.framings import RteFraming

GAP_S = 0.05
FIRST, REST = b"\x01\x00\x30OU\x02\x30LINE1\rLI", b"NE2\rLINE3\r\x03"


async def test_stall_is_no_silence() -> None:
    """On a busy machine the second half of a frame is there when the time for it has expired."""
    master, slave = pty.openpty()
    links = LinkFactory()
    try:
        link = await links.serial(SerialSettings(port=os.ttyname(slave)))
        framing = RteFraming("none")
        async with aclosing(frames(link, framing, GAP_S)) as found:
            coming = asyncio.ensure_future(anext(found))
            os.write(master, FIRST)
            while not framing.has_pending:
                await asyncio.sleep(0)
            os.write(master, REST)
            time.sleep(2 * GAP_S)
            assert await coming == CompleteFrame(b"LINE1\rLINE2\rLINE3\r", FIRST + REST)
            coming = asyncio.ensure_future(anext(found))
            os.write(master, FIRST)
            assert await coming == DamagedFrame("cut", FIRST)
    finally:
        await links.close()
        os.close(master)
        os.close(slave)
