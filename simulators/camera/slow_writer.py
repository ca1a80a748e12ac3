"""Output of a camera with its faults: delayed, cut, in pieces, or none."""

import asyncio
from collections.abc import AsyncGenerator

from simulators.camera.faults import ActiveFaults, ConnectionCut, Dribble, Slow, Stall
from simulators.links.tcp_service import ClientDisconnectedError


async def delayed(met: ActiveFaults) -> None:
    """Wait for the delay of the faults before anything is taken or sent."""
    if (slow := met.get(Slow)) is not None:
        await asyncio.sleep(slow.delay_s)


async def chunks_to_send(data: bytes, met: ActiveFaults) -> AsyncGenerator[bytes, None]:
    """Yield `data` as it is sent.

    Raise ClientDisconnectedError after the last byte if the connection ends there.
    """
    cut, stall, dribble = met.get(ConnectionCut), met.get(Stall), met.get(Dribble)
    end = len(data) if cut is None else cut.still_sent(len(data))
    pause = end if stall is None else min(stall.still_sent(len(data)), end)
    for part in (data[:pause], data[pause:end]):
        size = max(len(part), 1) if dribble is None else dribble.size
        for at in range(0, len(part), size):
            yield part[at : at + size]
            if dribble is not None:
                await asyncio.sleep(dribble.every_ms / 1000)
        if stall is not None:
            await _silence(stall)
            stall = None
    if cut is not None:
        raise ClientDisconnectedError


async def _silence(stall: Stall) -> None:
    if (lasts_s := stall.hold_s or stall.for_s) is None:
        await asyncio.Event().wait()
    else:
        await asyncio.sleep(lasts_s)
