"""The daemon as the console process has it: questions over a socket pair."""

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
    """The console's end, a `gateway.api.interface.Daemon`.

    `gone` is set when the daemon has closed its own: then the console ends, too.
    """

    def __init__(self) -> None:
        self.disconnected = asyncio.Event()
        self._connection = FrameConnection(self._on_frame, self._on_lost)
        self._rpc = RpcClient(self._connection.send)

    @classmethod
    async def connect(cls, descriptor: int) -> Self:
        """Speak to the daemon on a socket that it has handed over."""
        intercom = cls()
        channel = socket.socket(fileno=descriptor)
        loop = asyncio.get_running_loop()
        await loop.create_unix_connection(lambda: intercom._connection, sock=channel)
        return intercom

    def close(self) -> None:
        """Ask nothing any more."""
        self._connection.close()

    async def view(self) -> PostView:
        """The whole post at this moment."""
        return PostView.model_validate_json(await self._rpc.call("view"))

    async def last_events(self, position: str) -> list[EventView]:
        """The last events of a device, oldest first, without anything personal."""
        return _EVENTS.validate_json(await self._rpc.call("last_events", position=position))

    async def check(self, position: str, level: SelfTestLevel, actor: Actor) -> SelfTestReport:
        """Try a device; takes up to half a minute, and at the interactive level a minute."""
        answer = await self._rpc.call("check", position=position, level=level, by=_to_json(actor))
        return SelfTestReport.model_validate_json(answer)

    async def perform(self, position: str, operation: ManagementOperation, actor: Actor) -> None:
        """Do it, and make a record of who asked for it."""
        body = operation.model_dump_json().encode()
        await self._rpc.call("perform", body, position=position, by=_to_json(actor))

    async def subscribe(self) -> AsyncGenerator[LiveUpdate]:
        """News, until closed. Who does not keep up loses the oldest."""
        async with aclosing(self._rpc.stream("subscribe")) as pieces:
            async for piece in pieces:
                yield LiveUpdate.model_validate_json(piece.body)

    async def trace(
        self, position: str, actor: Actor, reveal: RevealTrace | None = None
    ) -> AsyncGenerator[TraceItem | None]:
        """First None, then what crosses a device's wire from that moment on; its bytes only with `reveal`."""
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
