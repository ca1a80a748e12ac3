"""The daemon as the console process has it: questions over a socket pair."""

import asyncio
import socket
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, Self

from pydantic import TypeAdapter

from drivers.self_test import CheckLevel, CheckReport
from gateway.api.models import EventView, Live, PostView, TraceItem
from gateway.api.operations import Order, Reveal, Who
from gateway.ipc.frames import Corridor, Kind
from gateway.ipc.rpc import Questions

_EVENTS = TypeAdapter(list[EventView])


class Intercom:
    """The console's end, a `gateway.api.interface.Daemon`.

    `gone` is set when the daemon has closed its own: then the console ends, too.
    """

    def __init__(self) -> None:
        self.gone = asyncio.Event()
        self._corridor = Corridor(self._received, self._lost)
        self._questions = Questions(self._corridor.send)

    @classmethod
    async def on(cls, descriptor: int) -> Self:
        """Speak to the daemon on a socket that it has handed over."""
        intercom = cls()
        channel = socket.socket(fileno=descriptor)
        loop = asyncio.get_running_loop()
        await loop.create_unix_connection(lambda: intercom._corridor, sock=channel)
        return intercom

    def close(self) -> None:
        """Ask nothing any more."""
        self._corridor.close()

    async def view(self) -> PostView:
        """The whole post at this moment."""
        return PostView.model_validate_json(await self._questions.ask_once("view"))

    async def tail(self, position: str) -> list[EventView]:
        """The last events of a device, oldest first, without anything personal."""
        return _EVENTS.validate_json(await self._questions.ask_once("tail", position=position))

    async def check(self, position: str, level: CheckLevel, by: Who) -> CheckReport:
        """Try a device; takes up to half a minute, and at the interactive level a minute."""
        answer = await self._questions.ask_once("check", position=position, level=level, by=_plain(by))
        return CheckReport.model_validate_json(answer)

    async def obey(self, position: str, order: Order, by: Who) -> None:
        """Do it, and make a record of who asked for it."""
        body = order.model_dump_json().encode()
        await self._questions.ask_once("obey", body, position=position, by=_plain(by))

    async def live(self) -> AsyncGenerator[Live]:
        """News, until closed. Who does not keep up loses the oldest."""
        async with aclosing(self._questions.ask("live")) as pieces:
            async for piece in pieces:
                yield Live.model_validate_json(piece.body)

    async def trace(
        self, position: str, by: Who, reveal: Reveal | None = None
    ) -> AsyncGenerator[TraceItem | None]:
        """First None, then what crosses a device's wire from that moment on; its bytes only with `reveal`."""
        body = reveal.model_dump_json().encode() if reveal is not None else b""
        asked = self._questions.ask("trace", body, position=position, by=_plain(by))
        async with aclosing(asked) as pieces:
            async for piece in pieces:
                if not piece.body:
                    yield None
                    continue
                item = TraceItem.model_validate_json(piece.body)
                yield item.model_copy(update={"lost": item.lost + piece.lost}) if piece.lost else item

    def _received(self, kind: Kind, head: dict[str, Any], body: bytes) -> None:
        if kind is Kind.TOLD:
            self._questions.told(head, body)

    def _lost(self) -> None:
        self._questions.gone("The gateway has ended.")
        self.gone.set()


def _plain(by: Who) -> dict[str, Any]:
    return by.model_dump(mode="json")
