"""Queue between the connection and the caller of a workstation."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator

from gateway.client.models import DeviceStatus, DiscardCounts, ReceivedEvent

MAX_QUEUED_EVENTS = 10_000


class EventQueue:
    """Events and status changes in the order of their arrival; the oldest are dropped when it is full."""

    def __init__(self, discarded: DiscardCounts) -> None:
        self._items: deque[ReceivedEvent | DeviceStatus] = deque(maxlen=MAX_QUEUED_EVENTS)
        self._changed = asyncio.Event()
        self._discarded = discarded

    def put(self, item: ReceivedEvent | DeviceStatus) -> None:
        """Append an item."""
        self._items.append(item)
        self._changed.set()

    async def items(self) -> AsyncIterator[ReceivedEvent | DeviceStatus]:
        """Iterate without end; events that became stale in the queue are dropped and counted."""
        loop = asyncio.get_running_loop()
        while True:
            while self._items:
                item = self._items.popleft()
                if isinstance(item, ReceivedEvent) and item.is_stale_at(loop.time()):
                    self._discarded.expired += 1
                    continue
                yield item
            self._changed.clear()
            await self._changed.wait()
