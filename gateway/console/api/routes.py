"""Routes under `/api/v1`, used by the command line, the scripts of the pages, and tests."""

import asyncio
import sqlite3
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import StreamingResponse
from pydantic import Field

from drivers.self_test import SelfTestLevel, SelfTestReport
from gateway.api.models import (
    ApiModel,
    AuditEntry,
    ClaimView,
    DeviceView,
    EventView,
    LiveUpdate,
    OutboxView,
    PostView,
    StreamView,
    TraceItem,
)
from gateway.api.operations import (
    AcceptDevice,
    Maintenance,
    RecordTest,
    Replug,
    ResetCounters,
    Restart,
    RevealTrace,
    RevokeClaim,
    UserRole,
)
from gateway.console.api import audit
from gateway.console.auth.auth import Supervisor, Technician, Viewer, still_allowed
from gateway.console.auth.tickets import LIFETIME_S
from gateway.console.web import sse
from gateway.console.web.context import AppContext, get_context
from gateway.console.web.problems import HttpProblem, error_responses
from gateway.contract.topics import SLUG
from gateway.delivery.outbox import admin
from gateway.delivery.outbox.database import OutboxUnusable

router = APIRouter(prefix="/api/v1", responses=error_responses(401, 403, 421, 422, 503))
ContextDep = Annotated[AppContext, Depends(get_context)]
Name = Annotated[str, Path(pattern=f"^{SLUG}$", examples=["lane-1"])]


async def _position(lane: Name, device: Name) -> str:
    return f"{lane}/{device}"


Position = Annotated[str, Depends(_position)]
DEVICE_PATH = "/devices/{lane}/{device}"
NOT_FOUND_ERRORS = error_responses(404)
OPERATION_ERRORS = error_responses(400, 404, 409, 413)


class CheckRequest(ApiModel):
    """Request for a self-test."""

    level: SelfTestLevel = Field(
        SelfTestLevel.INTERNAL,
        description=(
            "Self-test level: internal (no visible effect), external (lamp or picture), "
            "interactive (needs a specimen)."
        ),
        examples=["internal"],
    )


class RevealTicket(ApiModel):
    """Permission to see the bytes of one trace, valid once and for a short time."""

    ticket: str = Field(
        description="Value for `?ticket=` of the trace.", examples=["3q2-7wEBAgMEBQYHCAkKCwwN"]
    )
    expires_in_s: float = Field(description="Time for which it is valid, in seconds.", examples=[30.0])


@router.get("/post")
async def post(_user: Viewer, ctx: ContextDep) -> PostView:
    """Return the whole post at this moment."""
    return await ctx.daemon.view()


@router.get("/devices")
async def devices(_user: Viewer, ctx: ContextDep) -> tuple[DeviceView, ...]:
    """Return every device, in the order of the post's file."""
    return (await ctx.daemon.view()).devices


@router.get(DEVICE_PATH, responses=NOT_FOUND_ERRORS)
async def device(_user: Viewer, ctx: ContextDep, position: Position) -> DeviceView:
    """Return one device."""
    return await get_device_view(ctx, position)


@router.get(DEVICE_PATH + "/events", responses=NOT_FOUND_ERRORS)
async def events(_user: Viewer, ctx: ContextDep, position: Position) -> list[EventView]:
    """Return the last events of a device, oldest first, without personal data."""
    await get_device_view(ctx, position)
    return await ctx.daemon.last_events(position)


@router.post(DEVICE_PATH + "/check", responses=OPERATION_ERRORS)
async def check(user: Technician, ctx: ContextDep, position: Position, which: CheckRequest) -> SelfTestReport:
    """Run a self-test, which takes up to half a minute, at the interactive level up to a minute."""
    return await ctx.daemon.check(position, which.level, user.actor)


@router.post(DEVICE_PATH + "/restart", status_code=204, responses=OPERATION_ERRORS)
async def restart(user: Technician, ctx: ContextDep, position: Position) -> None:
    """Restart the worker of one device; other devices are not affected."""
    await ctx.daemon.perform(position, Restart(), user.actor)


@router.post(DEVICE_PATH + "/replug", status_code=204, responses=OPERATION_ERRORS)
async def replug(user: Technician, ctx: ContextDep, position: Position, operation: Replug) -> None:
    """Record that root on the machine switches the power of a device's USB port off and on."""
    await ctx.daemon.perform(position, operation, user.actor)


@router.post(DEVICE_PATH + "/maintenance", status_code=204, responses=OPERATION_ERRORS)
async def maintenance(user: Technician, ctx: ContextDep, position: Position, operation: Maintenance) -> None:
    """Begin or end maintenance of a device. Its events are suppressed meanwhile and reach no officer."""
    await ctx.daemon.perform(position, operation, user.actor)


@router.post(DEVICE_PATH + "/accept", status_code=204, responses=OPERATION_ERRORS)
async def accept(user: Supervisor, ctx: ContextDep, position: Position, operation: AcceptDevice) -> None:
    """Accept a replacement device's serial number at a position."""
    await ctx.daemon.perform(position, operation, user.actor)


@router.post(DEVICE_PATH + "/test", status_code=204, responses=OPERATION_ERRORS)
async def record_test(user: Technician, ctx: ContextDep, position: Position, operation: RecordTest) -> None:
    """Record the protocol of a commissioning or a proof test at a position."""
    await ctx.daemon.perform(position, operation, user.actor)


@router.post(DEVICE_PATH + "/counters/reset", status_code=204, responses=OPERATION_ERRORS)
async def reset_counters(user: Technician, ctx: ContextDep, position: Position) -> None:
    """Reset the resettable counters of a device."""
    await ctx.daemon.perform(position, ResetCounters(), user.actor)


@router.post(DEVICE_PATH + "/claim/revoke", status_code=204, responses=OPERATION_ERRORS)
async def revoke_claim(user: Supervisor, ctx: ContextDep, position: Position, operation: RevokeClaim) -> None:
    """Take a device from the station that has claimed it."""
    await ctx.daemon.perform(position, operation, user.actor)


@router.post(DEVICE_PATH + "/trace/reveal", responses=OPERATION_ERRORS)
async def reveal(
    user: Supervisor, ctx: ContextDep, position: Position, operation: RevealTrace
) -> RevealTicket:
    """Request the bytes of a trace; use of the ticket is recorded in the audit with the reason."""
    await get_device_view(ctx, position)
    return RevealTicket(
        ticket=ctx.tickets.issue(user.actor.name, position, operation), expires_in_s=LIFETIME_S
    )


@router.get(
    DEVICE_PATH + "/trace",
    responses=NOT_FOUND_ERRORS | sse.stream_responses(TraceItem),
    response_class=StreamingResponse,
)
async def trace(
    request: Request,
    user: Technician,
    ctx: ContextDep,
    position: Position,
    ticket: Annotated[str | None, Query(max_length=100)] = None,
) -> StreamingResponse:
    """Stream a device's trace from now on; with bytes only for a ticket."""
    await get_device_view(ctx, position)
    revealed: RevealTrace | None = None
    if ticket is not None:
        revealed = ctx.tickets.redeem(ticket, user.actor.name, position)
        if revealed is None:
            raise HttpProblem(
                403, "ticket_invalid", "This ticket is not good any more.", "Ask for another one."
            )
    least = UserRole.TECHNICIAN if revealed is None else UserRole.SUPERVISOR
    return await sse.event_stream_after_first(
        ctx.daemon.trace(position, user.actor, revealed), still_allowed(request, least)
    )


@router.get("/live", responses=sse.stream_responses(LiveUpdate), response_class=StreamingResponse)
async def live(request: Request, _user: Viewer, ctx: ContextDep) -> StreamingResponse:
    """Stream changes of the post. A client that does not keep up loses the oldest ones."""
    return sse.event_stream(ctx.daemon.subscribe(), still_allowed(request, UserRole.VIEWER))


@router.get("/claims")
async def claims(_user: Viewer, ctx: ContextDep) -> list[ClaimView]:
    """Return every claimed device."""
    return [
        ClaimView(position=device.position, station=device.claim.station, since=device.claim.since)
        for device in (await ctx.daemon.view()).devices
        if device.claim is not None
    ]


@router.get("/outbox")
async def outbox(_user: Viewer, ctx: ContextDep) -> OutboxView:
    """Return queued events by destination and stream, without their payloads."""
    view = await ctx.daemon.view()
    try:
        counts = await asyncio.to_thread(admin.stream_summaries, ctx.state_dir / "outbox")
    except (OutboxUnusable, OSError, sqlite3.Error) as error:
        raise HttpProblem(
            503, "outbox_unavailable", f"The outbox cannot be read: {error}.", "borderpost doctor"
        ) from error
    streams_of = tuple(
        StreamView(
            stream=count.stream,
            epoch=count.epoch,
            events=count.events,
            size_bytes=count.bytes,
            last=count.last,
        )
        for count in counts
    )
    return OutboxView(destinations=view.report.destinations, streams=streams_of)


@router.get("/audit")
async def get_audit(
    _user: Technician, ctx: ContextDep, limit: Annotated[int, Query(ge=1, le=10_000)] = 100
) -> list[AuditEntry]:
    """Return audit records, the newest first."""
    return await asyncio.to_thread(audit.newest, ctx.state_dir, limit)


async def get_device_view(ctx: AppContext, position: str) -> DeviceView:
    """Return the device at a position; raises HttpProblem if there is none."""
    for device in (await ctx.daemon.view()).devices:
        if device.position == position:
            return device
    raise HttpProblem(404, "device_not_found", f"There is no {position} at this post.", "borderpost devices")
