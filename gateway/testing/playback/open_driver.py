"""A driver that is opened and watched here as its worker does it, without a worker."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, Generic, TypeVar, overload

from drivers.driver import Driver, Identity
from drivers.links.factory import LinkFactory
from drivers.links.link import LinkError

DriverT = TypeVar("DriverT", bound=Driver[Any])
ItemT = TypeVar("ItemT")


class WatchEndedError(Exception):
    """`watch` of a driver returned, which it never does: it ends by a LinkError."""


class OpenDriver(Generic[DriverT]):
    """An open driver, and what it has yielded and raised since."""

    def __init__(self, driver: DriverT, links: LinkFactory, identity: Identity) -> None:
        self.driver = driver
        self.links = links
        self.identity = identity
        self.said: asyncio.Queue[object] = asyncio.Queue()
        self.on_said: Callable[[object], None] = self.said.put_nowait
        """Callback with every item and, at the end, with the exception that ended `watch`."""

    async def listen(self) -> None:
        """Take what the driver yields until it fails."""
        async with contextlib.aclosing(self.driver.watch()) as observations:  # type: ignore[type-var]
            try:
                async for observation in observations:
                    self.on_said(observation)
            except Exception as error:  # noqa: BLE001 - code of another package may fail in any way
                self.on_said(error)
            else:
                self.on_said(WatchEndedError(f"watch of {type(self.driver).__name__} returned"))

    @overload
    async def next(self) -> object: ...

    @overload
    async def next(self, kind: type[ItemT]) -> ItemT: ...

    async def next(self, kind: type[Any] = object) -> Any:
        """Return the next item of that kind, others are skipped; raises a fault of the driver itself."""
        while True:
            said = await self.said.get()
            if isinstance(said, kind):
                return said
            if isinstance(said, Exception) and not isinstance(said, LinkError):
                raise said


@contextlib.asynccontextmanager
async def open_driver(
    driver_class: type[DriverT],
    settings: Mapping[str, Any],
    before_watch: Callable[[], Awaitable[object]] | None = None,
) -> AsyncIterator[OpenDriver[DriverT]]:
    """Open a driver, watch it, and close it at the end; raises what its `open` raises.

    `before_watch`: asynchronous callback between `open` and `watch`.
    """
    links = LinkFactory()
    driver = driver_class(driver_class.settings_model.model_validate(settings), links)
    listening: asyncio.Task[None] | None = None
    try:
        there = OpenDriver(driver, links, await driver.open())
        if before_watch is not None:
            await before_watch()
        listening = asyncio.create_task(there.listen())
        yield there
    finally:
        if listening is not None:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
        await driver.close()
        await links.close()
