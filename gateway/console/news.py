"""News for open pages: pieces of them, rendered anew and pushed as server-sent events.

Who begins to listen is first given all of what the page shows: nothing falls between the page and its news,
and a connection that was lost for a while shows nothing old.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import aclosing, suppress
from typing import Any

from fastapi import APIRouter, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent

from drivers.driver import Family
from gateway.console import sheets
from gateway.console.asking import Technician, Viewer, recognised
from gateway.console.bench import AtBench
from gateway.console.lookout import Lookout
from gateway.console.templating import piece
from gateway.local.orders import Refusal
from gateway.local.views import DeviceView, Live

router = APIRouter(prefix="/news", include_in_schema=False, default_response_class=EventSourceResponse)


def barrier_of(lookout: Lookout, device: DeviceView) -> dict[str, Any]:
    """What is drawn of a barrier."""
    return sheets.barrier_context(device, lookout.latest.get((device.position, "barrier.state")))


@router.get("/board")
async def board(request: Request, _asker: Viewer, at: AtBench) -> AsyncIterator[ServerSentEvent]:
    """Rows of the board, and problems of the gateway."""
    async for news in _news(request, at.lookout):
        if news is None or news.kind == "post":
            post = await at.lookout.post()
            yield _pushed(piece(request, "problems.html", {"problems": post.report.problems}))
        for device in _concerned(at.lookout, news):
            context = {
                "device": device,
                "latest_of": at.lookout.last,
                "fresh": news is not None and news.event is not None,
            }
            yield _pushed(piece(request, "board_row.html", context))


@router.get("/events")
async def events(
    request: Request, _asker: Viewer, at: AtBench, device: str = ""
) -> AsyncIterator[ServerSentEvent]:
    """Rows of the list of events."""
    async for news in _news(request, at.lookout):
        if (pushed := _events(request, at.lookout, news, device)) is not None:
            yield pushed


@router.get("/device/{lane}/{device}")
async def device(
    request: Request, _asker: Viewer, at: AtBench, lane: str, device: str
) -> AsyncIterator[ServerSentEvent]:
    """How one device is, and what it says."""
    position = f"{lane}/{device}"
    async for news in _news(request, at.lookout):
        for one in _concerned(at.lookout, news):
            if one.position == position:
                yield _pushed(piece(request, "device_state.html", {"device": one}))
        if (pushed := _events(request, at.lookout, news, position)) is not None:
            yield pushed


@router.get("/barriers")
async def barriers(request: Request, _asker: Viewer, at: AtBench) -> AsyncIterator[ServerSentEvent]:
    """Drawings of barriers."""
    async for news in _news(request, at.lookout):
        for one in _concerned(at.lookout, news):
            if one.family is Family.BARRIER:
                yield _pushed(piece(request, "barrier.html", {"barrier": barrier_of(at.lookout, one)}))


@router.get("/trace/{lane}/{device}")
async def trace(
    request: Request, asker: Technician, at: AtBench, lane: str, device: str, ticket: str = ""
) -> AsyncIterator[ServerSentEvent]:
    """What crosses a device's wire; its bytes only for a ticket, which is good once."""
    position = f"{lane}/{device}"
    reveal = at.tickets.take(ticket, asker.who.name, position) if ticket else None
    if ticket and reveal is None:
        yield ServerSentEvent(event="end", raw_data="")
        return
    # A stream that has begun has no status left to tell of a refusal: it ends.
    with suppress(Refusal):
        async with aclosing(at.daemon.trace(position, asker.who, reveal)) as items:
            async for item in items:
                yield _pushed(piece(request, "trace_row.html", {"item": item, "revealed": bool(reveal)}))
                if recognised(request) is None:
                    return
    yield ServerSentEvent(event="end", raw_data="")


async def _news(request: Request, lookout: Lookout) -> AsyncGenerator[Live | None]:
    """First None, for all that there is, then each piece of news, while whoever asks is logged in."""
    async with lookout.following() as following:
        with suppress(Refusal):
            await lookout.post()
            yield None
            async for news in following:
                if recognised(request) is None:
                    return
                yield news


def _concerned(lookout: Lookout, news: Live | None) -> Iterable[DeviceView]:
    """Every device that the news is of."""
    if news is None:
        return lookout.devices()
    told = news.device or news.event
    device = lookout.device(told.position) if told is not None else None
    return [device] if device is not None else []


def _events(request: Request, lookout: Lookout, news: Live | None, position: str) -> ServerSentEvent | None:
    if news is None:
        shown = [event for event in lookout.events if not position or event.position == position]
        return _pushed(piece(request, "event_rows.html", {"events": shown, "fresh": False}))
    if news.event is None or (position and news.event.position != position):
        return None
    return _pushed(piece(request, "event_row.html", {"event": news.event, "fresh": True}))


def _pushed(html: str) -> ServerSentEvent:
    return ServerSentEvent(event="piece", raw_data=html)
