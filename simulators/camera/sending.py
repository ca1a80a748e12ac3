"""How bytes of a camera leave it when something goes wrong on the way: slowly, in part, or not at all."""

import asyncio
from collections.abc import AsyncGenerator

from simulators.camera.faults import Cut, Met, Slow, Stall
from simulators.tcp_service import HungUpError


async def sent(data: bytes, met: Met) -> AsyncGenerator[bytes, None]:
    """`data` as it is sent; HungUpError after the last byte where the connection ends with it."""
    if (slow := met.get(Slow)) is not None:
        await asyncio.sleep(slow.delay_s)
    if (cut := met.get(Cut)) is not None:
        yield data[: cut.still_sent(len(data))]
        raise HungUpError
    if (stall := met.get(Stall)) is not None:
        said = stall.still_sent(len(data))
        yield data[:said]
        if stall.hold_s is None:
            await asyncio.Event().wait()
        else:
            await asyncio.sleep(stall.hold_s)
        data = data[said:]
    yield data
