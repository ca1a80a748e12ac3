"""A consumer with the TypeScript client at a simulated post: no read of an earlier test reaches the next."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from support.clients.desks import DeskOptions
from support.patience import PATIENCE_S
from support.ports import free_port

from gateway.cli._demo.websocket_bridge import websocket_bridge
from gateway.testing.post.running_post import PostFiles, run_post
from gateway.testing.post.simulated_post import SimulatedPost

READER = "lane-1/reader"


async def until_zone(desk: Any) -> list[Any]:
    """Return all events up to the first zone that a desk hears."""
    found: list[Any] = []
    async with asyncio.timeout(PATIENCE_S):
        while not found or found[-1].envelope["type"] != "bgw.document.mrz.v1":
            found.append(await desk.next_event())
    return found


@pytest.mark.thorough
@pytest.mark.long(20)
async def test_read_that_no_test_waited_for_does_not_reach_the_next_desk() -> None:
    from support.clients.web_desks import NodeDriver

    port = free_port()
    with run_post(PostFiles()) as running:
        broker = running.described.broker
        async with NodeDriver() as driver, websocket_bridge(port, broker.port, "127.0.0.1:9"):
            for surname in ("Zorbane", "Quilmere", "Fennetti", "Vandandra"):
                post = SimulatedPost(running, 0)
                options = DeskOptions(site=post.site, station="officer", training=True, positions=[READER])
                desk = await driver.desk().open(SimpleNamespace(host=post.host, ws_port=port), options)
                await desk.connected()
                await asyncio.to_thread(post.present, READER, format="TD3", fields={"surname": surname})
                heard = await until_zone(desk)
                assert heard[-1].data["mrz"]["primary_identifier"] == surname.upper()
                assert len({event.envelope["transaction"] for event in heard}) == 1
                await desk.close()  # the page is still scanned, and its chip still read
                await asyncio.to_thread(running.loop.run, running.settling.settle(post.used))
            await asyncio.get_running_loop().shutdown_default_executor()
