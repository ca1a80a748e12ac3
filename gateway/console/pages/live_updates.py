"""News for open pages: pieces of them, rendered anew and pushed as server-sent events.

Who begins to listen is first given all of what the page shows: nothing falls between the page and its news,
and a connection that was lost for a while shows nothing old.
"""

from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from datetime import datetime
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse
from pydantic import AwareDatetime

from drivers.driver import Family
from gateway.api.models import DeviceView, Live
from gateway.api.operations import Reveal, Standing, Who
from gateway.console.api.routes import Position, found
from gateway.console.auth.auth import Technician, Viewer, still
from gateway.console.pages import view_models as sheets
from gateway.console.pages.live_state import Lookout
from gateway.console.web.context import AtBench
from gateway.console.web.problems import Problem
from gateway.console.web.sse import begun, streamed
from gateway.console.web.templating import piece

router = APIRouter(prefix="/news", include_in_schema=False)


def barrier_of(lookout: Lookout, device: DeviceView) -> dict[str, Any]:
    """What is drawn of a barrier."""
    return sheets.barrier_context(device, lookout.latest.get((device.position, "barrier.state")))


def barriers_of(lookout: Lookout) -> list[dict[str, Any]]:
    """What is drawn of all of them."""
    return [barrier_of(lookout, one) for one in lookout.devices() if one.family is Family.BARRIER]


@router.get("/board")
async def board(request: Request, _asker: Viewer, at: AtBench) -> StreamingResponse:
    """Rows of the board, and problems of the gateway."""
    return streamed(_board(request, at.lookout), still(request, Standing.VIEWER))


@router.get("/events")
async def events(request: Request, _asker: Viewer, at: AtBench, device: str = "") -> StreamingResponse:
    """Rows of the list of events."""
    return streamed(_events(request, at.lookout, device), still(request, Standing.VIEWER))


@router.get("/device/{lane}/{device}")
async def device(
    request: Request, _asker: Viewer, at: AtBench, position: Position, examined: AwareDatetime | None = None
) -> StreamingResponse:
    """How one device is, and what it says; `examined`: since when it was as the page has examined it."""
    await found(at, position)
    return streamed(_device(request, at.lookout, position, examined), still(request, Standing.VIEWER))


@router.get("/barriers")
async def barriers(request: Request, _asker: Viewer, at: AtBench) -> StreamingResponse:
    """Drawings of barriers."""
    return streamed(_barriers(request, at.lookout), still(request, Standing.VIEWER))


@router.get("/trace/{lane}/{device}")
async def trace(
    request: Request, asker: Technician, at: AtBench, position: Position, ticket: str = ""
) -> StreamingResponse:
    """What crosses a device's wire; its bytes only for a ticket, which is good once."""
    await found(at, position)
    reveal = at.tickets.take(ticket, asker.who.name, position) if ticket else None
    if ticket and reveal is None:
        raise Problem(403, "ticket", "This ticket is not good any more.", "Ask for another one.")
    least = Standing.SUPERVISOR if reveal else Standing.TECHNICIAN
    return await begun(_trace(request, at, position, asker.who, reveal), still(request, least))


async def _board(request: Request, lookout: Lookout) -> AsyncGenerator[str]:
    async with aclosing(_news(lookout)) as heard:
        async for news in heard:
            if news is None:
                known = {"devices": lookout.devices(), "latest_of": lookout.last, "fresh": False}
                yield piece(request, "board_rows.html", known)
                yield piece(request, "problems.html", {"problems": lookout.problems()})
            elif (one := _concerned(lookout, news)) is not None:
                fresh = news.event is not None
                context = {"device": one, "latest_of": lookout.last, "fresh": fresh}
                yield piece(request, "board_row.html", context)


async def _events(request: Request, lookout: Lookout, position: str) -> AsyncGenerator[str]:
    async with aclosing(_news(lookout)) as heard:
        async for news in heard:
            for row in _rows(request, lookout, news, position):
                yield row


async def _device(
    request: Request, lookout: Lookout, position: str, examined: datetime | None
) -> AsyncGenerator[str]:
    async with aclosing(_news(lookout)) as heard:
        async for news in heard:
            one = lookout.device(position)
            if one is None:  # it has left the configuration
                return
            if examined not in (None, one.state.since):  # what was found of it is old
                yield piece(request, "why.html", {"device": one, "why": None})
            examined = one.state.since
            if news is None or _concerned(lookout, news) is one:
                yield piece(request, "device_state.html", {"device": one})
            for row in _rows(request, lookout, news, position):
                yield row


async def _barriers(request: Request, lookout: Lookout) -> AsyncGenerator[str]:
    async with aclosing(_news(lookout)) as heard:
        async for news in heard:
            if news is None:
                yield piece(request, "barriers.html", {"barriers": barriers_of(lookout)})
            elif (one := _concerned(lookout, news)) is not None and one.family is Family.BARRIER:
                yield piece(request, "barrier.html", {"barrier": barrier_of(lookout, one)})


async def _trace(
    request: Request, at: AtBench, position: str, by: Who, reveal: Reveal | None
) -> AsyncGenerator[str | None]:
    async with aclosing(at.daemon.trace(position, by, reveal)) as items:
        async for item in items:
            row = {"item": item, "revealed": reveal is not None}
            yield piece(request, "trace_row.html", row) if item is not None else None


async def _news(lookout: Lookout) -> AsyncGenerator[Live | None]:
    """First None, for all that there is, and again when devices may have come or gone; else the news."""
    async with lookout.following() as following:
        await lookout.post()
        yield None
        async for news in following:
            if news.kind == "post":
                await lookout.post()
                yield None
            else:
                yield news


def _concerned(lookout: Lookout, news: Live) -> DeviceView | None:
    """The device that the news is of."""
    told = news.device or news.event
    return lookout.device(told.position) if told is not None else None


def _rows(request: Request, lookout: Lookout, news: Live | None, position: str) -> Iterable[str]:
    """The list of events as a whole, or a new row of it."""
    if news is None:
        shown = [event for event in lookout.events if not position or event.position == position]
        yield piece(request, "event_rows.html", {"events": shown, "fresh": False})
    elif news.event is not None and position in ("", news.event.position):
        yield piece(request, "event_row.html", {"event": news.event, "fresh": True})
