"""Client of the management API over a socket pair, used by the console process."""

import asyncio
import socket
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, Self

from pydantic import TypeAdapter

from drivers.self_test import SelfTestLevel, SelfTestReport
from gateway.api.models import EventView, LiveUpdate, PostView, TraceItem
from gateway.api.operations import Actor, ManagementOperation, RevealTrace
from gateway.ipc.frames import FrameConnection, FrameType
from gateway.ipc.rpc import RpcClient

_EVENTS = TypeAdapter(list[EventView])


class DaemonClient:
    """Console's side of `gateway.api.interface.DaemonInterface`.

    `disconnected` is set when the daemon has closed its side: then the console ends, too.
    """

    def __init__(self) -> None:
        self.disconnected = asyncio.Event()
        self._connection = FrameConnection(self._on_frame, self._on_lost)
        self._rpc = RpcClient(self._connection.send)

    @classmethod
    async def connect(cls, descriptor: int) -> Self:
        """Connect to the daemon on a socket that it has passed."""
        intercom = cls()
        channel = socket.socket(fileno=descriptor)
        loop = asyncio.get_running_loop()
        await loop.create_unix_connection(lambda: intercom._connection, sock=channel)
        return intercom

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    async def view(self) -> PostView:
        """Return the present view of the whole post."""
        return PostView.model_validate_json(await self._rpc.call("view"))

    async def last_events(self, position: str) -> list[EventView]:
        """Return the last events of a device, oldest first, without personal data."""
        return _EVENTS.validate_json(await self._rpc.call("last_events", position=position))

    async def check(self, position: str, level: SelfTestLevel, actor: Actor) -> SelfTestReport:
        """Run a self-test; takes up to half a minute, at the interactive level a minute."""
        answer = await self._rpc.call("check", position=position, level=level, by=_to_json(actor))
        return SelfTestReport.model_validate_json(answer)

    async def perform(self, position: str, operation: ManagementOperation, actor: Actor) -> None:
        """Perform an operation, which is recorded with its user."""
        body = operation.model_dump_json().encode()
        await self._rpc.call("perform", body, position=position, by=_to_json(actor))

    async def subscribe(self) -> AsyncGenerator[LiveUpdate]:
        """Yield updates until closed. A slow reader loses the oldest ones."""
        async with aclosing(self._rpc.stream("subscribe")) as pieces:
            async for piece in pieces:
                yield LiveUpdate.model_validate_json(piece.body)

    async def trace(
        self, position: str, actor: Actor, reveal: RevealTrace | None = None
    ) -> AsyncGenerator[TraceItem | None]:
        """Yield None, then the chunks on a device's link from then on; their bytes only with `reveal`."""
        body = reveal.model_dump_json().encode() if reveal is not None else b""
        asked = self._rpc.stream("trace", body, position=position, by=_to_json(actor))
        async with aclosing(asked) as pieces:
            async for piece in pieces:
                if not piece.body:
                    yield None
                    continue
                item = TraceItem.model_validate_json(piece.body)
                yield (
                    item.model_copy(update={"dropped": item.dropped + piece.dropped})
                    if piece.dropped
                    else item
                )

    def _on_frame(self, kind: FrameType, head: dict[str, Any], body: bytes) -> None:
        if kind is FrameType.RESPONSE_CHUNK:
            self._rpc.on_chunk(head, body)

    def _on_lost(self) -> None:
        self._rpc.connection_lost("The gateway has ended.")
        self.disconnected.set()


def _to_json(actor: Actor) -> dict[str, Any]:
    return actor.model_dump(mode="json")
