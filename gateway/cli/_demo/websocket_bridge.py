"""WebSockets of a demo: browsers reach the broker, whichever it is, at a port of this machine.

Mosquitto listens for WebSockets itself, the embedded broker only for MQTT 3. Pages of other origins are
refused: the demo's broker asks for no password.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.typing import Origin, Subprotocol

PIECE_BYTES = 65_536


@contextlib.asynccontextmanager
async def websocket_bridge(port: int, broker_port: int, pages: str) -> AsyncIterator[None]:
    """Listen while this context lasts. `pages`: host and port of the pages that may connect."""

    async def carry(page: ServerConnection) -> None:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", broker_port)
        except OSError:
            return
        ways = [asyncio.create_task(_to_broker(page, writer)), asyncio.create_task(_to_page(reader, page))]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            writer.transport.abort()

    # A program that is no browser names no origin, and could connect to the broker itself.
    _, _, page_port = pages.rpartition(":")
    origins = [Origin(f"http://{host}:{page_port}") for host in ("127.0.0.1", "localhost")]
    async with serve(
        carry,
        "127.0.0.1",
        port,
        origins=[*origins, None],
        subprotocols=[Subprotocol("mqtt")],
        compression=None,
        max_size=None,
    ):
        yield


async def _to_broker(page: ServerConnection, writer: asyncio.StreamWriter) -> None:
    async for piece in page:
        if isinstance(piece, bytes):
            writer.write(piece)
            await writer.drain()


async def _to_page(reader: asyncio.StreamReader, page: ServerConnection) -> None:
    with contextlib.suppress(ConnectionClosed):
        while piece := await reader.read(PIECE_BYTES):
            await page.send(piece)
