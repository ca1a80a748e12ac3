"""Simulated boards of a lane: one has the relays, and another the inputs if that one has none."""

import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from adversary.barrier.rig.gpio_site import GpioSettings, GpioSite
from adversary.barrier.rig.posts import Post

from simulators.barrier import wirelog
from simulators.barrier.boards.wirenboard import WirenBoard
from simulators.barrier.bus import DirectConnection
from simulators.barrier.modbus_site import ModbusSettings, ModbusSite
from simulators.barrier.serial_site import SerialSettings, SerialSite
from simulators.barrier.site import BarrierSite
from simulators.barrier.timeline import RealClock
from simulators.barrier.wiring import WiringSettings


@contextlib.asynccontextmanager
async def lane_sites(
    post: Post, scratch: Path, timeline: RealClock, log: Callable[[RealClock, str], wirelog.WireLog]
) -> AsyncIterator[tuple[BarrierSite, BarrierSite | None]]:
    """Start the simulated board with the relays, and the board with the inputs if that is another.

    `log`: makes the wire log of a board by its name in the judge's facts.
    """
    relays_on = post.facts.relays_on
    async with contextlib.AsyncExitStack() as stack:
        main = _site(post.site_settings(scratch), timeline, log(timeline, relays_on))
        await stack.enter_async_context(main.connected())
        other: BarrierSite | None = None
        if (more := post.input_site_settings(scratch)) is not None:
            name = next(board for board in post.facts.boards if board != relays_on)
            other = _site(more, timeline, log(timeline, name))
            wires = WiringSettings(inputs=post.inputs, contacts=post.contacts)
            main.wiring.connect(other.boards[0], wires)
            await stack.enter_async_context(other.connected())
        if isinstance(main.boards[0], WirenBoard):
            main.boards[0].set_up()
        for pdu in post.setup_pdus:
            assert isinstance(main, ModbusSite)
            DirectConnection(main.bus).request(1, bytes.fromhex(pdu))
        yield main, other


def _site(settings: Any, timeline: RealClock, log: wirelog.WireLog) -> BarrierSite:
    match settings:
        case GpioSettings():
            return GpioSite(settings, timeline, log)
        case SerialSettings():
            return SerialSite(settings, timeline, log)
        case ModbusSettings():
            return ModbusSite(settings, timeline, log)
    from simulators.barrier.osdp.site import OsdpSite  # needs the extra `osdp`

    return OsdpSite(settings, timeline, log)
