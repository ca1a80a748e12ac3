"""Live updates of open pages: fragments of HTML, pushed as server-sent events.

A new subscriber first receives all of the page's content: nothing is lost between the page and its updates,
and a page shows nothing old after a lost connection.
"""

from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from datetime import datetime
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse
from pydantic import AwareDatetime

from drivers.driver import Family
from gateway.api.models import DeviceView, LiveUpdate
from gateway.api.operations import Actor, RevealTrace, UserRole
from gateway.console.api.routes import Position, get_device_view
from gateway.console.auth.auth import Technician, Viewer, still_allowed
from gateway.console.pages import view_models
from gateway.console.pages.live_state import LiveState
from gateway.console.web.context import ContextDep
from gateway.console.web.problems import HttpProblem
from gateway.console.web.sse import event_stream, event_stream_after_first
from gateway.console.web.templating import render_fragment

router = APIRouter(prefix="/updates", include_in_schema=False)


def barrier_view(live_state: LiveState, device: DeviceView) -> dict[str, Any]:
    """Return the context of a barrier's drawing."""
    return view_models.barrier_context(
        device, live_state.last_event_by_type.get((device.position, "barrier.state"))
    )


def barrier_views(live_state: LiveState) -> list[dict[str, Any]]:
    """Return the contexts of all barriers' drawings."""
    return [barrier_view(live_state, one) for one in live_state.devices() if one.family is Family.BARRIER]


@router.get("/board")
async def board(request: Request, _user: Viewer, ctx: ContextDep) -> StreamingResponse:
    """Stream rows of the board, and problems of the gateway."""
    return event_stream(
        _board(request, ctx.live_state), still_allowed(request, UserRole.VIEWER), age_s=ctx.live_state.age_s
    )


@router.get("/events")
async def events(request: Request, _user: Viewer, ctx: ContextDep, device: str = "") -> StreamingResponse:
    """Stream rows of the list of events."""
    return event_stream(
        _events(request, ctx.live_state, device),
        still_allowed(request, UserRole.VIEWER),
        age_s=ctx.live_state.age_s,
    )


@router.get("/device/{lane}/{device}")
async def device(
    request: Request,
    _user: Viewer,
    ctx: ContextDep,
    position: Position,
    examined: AwareDatetime | None = None,
) -> StreamingResponse:
    """Stream state and events of a device.

    `examined`: since when the state lasted that the page's diagnosis has.
    """
    await get_device_view(ctx, position)
    return event_stream(
        _device(request, ctx.live_state, position, examined),
        still_allowed(request, UserRole.VIEWER),
        age_s=ctx.live_state.age_s,
    )


@router.get("/barriers")
async def barriers(request: Request, _user: Viewer, ctx: ContextDep) -> StreamingResponse:
    """Stream drawings of barriers."""
    return event_stream(
        _barriers(request, ctx.live_state),
        still_allowed(request, UserRole.VIEWER),
        age_s=ctx.live_state.age_s,
    )


@router.get("/trace/{lane}/{device}")
async def trace(
    request: Request, user: Technician, ctx: ContextDep, position: Position, ticket: str = ""
) -> StreamingResponse:
    """Stream a device's trace; with bytes only for a ticket, which is valid once."""
    await get_device_view(ctx, position)
    reveal = ctx.tickets.redeem(ticket, user.actor.name, position) if ticket else None
    if ticket and reveal is None:
        raise HttpProblem(403, "ticket_invalid", "This ticket is not good any more.", "Ask for another one.")
    least = UserRole.SUPERVISOR if reveal else UserRole.TECHNICIAN
    return await event_stream_after_first(
        _trace(request, ctx, position, user.actor, reveal), still_allowed(request, least)
    )


async def _board(request: Request, live_state: LiveState) -> AsyncGenerator[str]:
    async with aclosing(_updates(live_state)) as updates:
        async for update in updates:
            if update is None:
                known = {"devices": live_state.devices(), "latest_of": live_state.last_event, "fresh": False}
                yield render_fragment(request, "board_rows.html", known)
                yield render_fragment(request, "problems.html", {"problems": live_state.problems()})
            elif (one := _device_of(live_state, update)) is not None:
                fresh = update.event is not None
                context = {"device": one, "latest_of": live_state.last_event, "fresh": fresh}
                yield render_fragment(request, "board_row.html", context)


async def _events(request: Request, live_state: LiveState, position: str) -> AsyncGenerator[str]:
    async with aclosing(_updates(live_state)) as updates:
        async for update in updates:
            for row in _rows(request, live_state, update, position):
                yield row


async def _device(
    request: Request, live_state: LiveState, position: str, examined: datetime | None
) -> AsyncGenerator[str]:
    async with aclosing(_updates(live_state)) as updates:
        async for update in updates:
            one = live_state.device(position)
            if one is None:  # It was removed from the configuration.
                return
            if examined not in (None, one.state.since):  # The diagnosis is of an earlier state.
                yield render_fragment(request, "why.html", {"device": one, "why": None})
            examined = one.state.since
            if update is None or _device_of(live_state, update) is one:
                yield render_fragment(request, "device_state.html", {"device": one})
            for row in _rows(request, live_state, update, position):
                yield row


async def _barriers(request: Request, live_state: LiveState) -> AsyncGenerator[str]:
    async with aclosing(_updates(live_state)) as updates:
        async for update in updates:
            if update is None:
                yield render_fragment(request, "barriers.html", {"barriers": barrier_views(live_state)})
            elif (one := _device_of(live_state, update)) is not None and one.family is Family.BARRIER:
                yield render_fragment(request, "barrier.html", {"barrier": barrier_view(live_state, one)})


async def _trace(
    request: Request, ctx: ContextDep, position: str, actor: Actor, reveal: RevealTrace | None
) -> AsyncGenerator[str | None]:
    async with aclosing(ctx.daemon.trace(position, actor, reveal)) as items:
        async for item in items:
            row = {"item": item, "revealed": reveal is not None}
            yield render_fragment(request, "trace_row.html", row) if item is not None else None


async def _updates(live_state: LiveState) -> AsyncGenerator[LiveUpdate | None]:
    """Yield None for the whole content, first and after a change of devices; otherwise updates."""
    async with live_state.subscribe() as following:
        await live_state.post()
        yield None
        async for update in following:
            if update.kind == "post":
                await live_state.post()
                yield None
            else:
                yield update


def _device_of(live_state: LiveState, update: LiveUpdate) -> DeviceView | None:
    """Return the device of an update."""
    subject = update.device or update.event
    return live_state.device(subject.position) if subject is not None else None


def _rows(request: Request, live_state: LiveState, update: LiveUpdate | None, position: str) -> Iterable[str]:
    """Render the whole list of events, or a new row of it."""
    if update is None:
        shown = [event for event in live_state.events if not position or event.position == position]
        yield render_fragment(request, "event_rows.html", {"events": shown, "fresh": False})
    elif update.event is not None and position in ("", update.event.position):
        yield render_fragment(request, "event_row.html", {"event": update.event, "fresh": True})
