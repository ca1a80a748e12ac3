"""The routes under `/api/v1`, which the command line, the pages' scripts and tests use."""

import asyncio
import sqlite3
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import StreamingResponse
from pydantic import Field

from drivers.self_test import CheckLevel, CheckReport
from gateway.api.models import (
    AuditEntry,
    ClaimView,
    DeviceView,
    EventView,
    Live,
    OutboxView,
    PostView,
    StreamView,
    TraceItem,
    View,
)
from gateway.api.operations import (
    Accept,
    EndClaim,
    Maintenance,
    ResetCounters,
    Restart,
    Reveal,
    Standing,
)
from gateway.console.api import audit
from gateway.console.auth.auth import Supervisor, Technician, Viewer, still
from gateway.console.auth.tickets import GOOD_FOR_S
from gateway.console.web import sse as streams
from gateway.console.web.context import Bench, bench
from gateway.console.web.problems import Problem, documented
from gateway.contract.topics import SLUG
from gateway.delivery.outbox import admin as inspect
from gateway.delivery.outbox.database import OutboxRefused

router = APIRouter(prefix="/api/v1", responses=documented(401, 403, 421, 422, 503))
At = Annotated[Bench, Depends(bench)]
Name = Annotated[str, Path(pattern=f"^{SLUG}$", examples=["lane-1"])]


async def _position(lane: Name, device: Name) -> str:
    return f"{lane}/{device}"


Position = Annotated[str, Depends(_position)]
ONE_DEVICE = "/devices/{lane}/{device}"
UNKNOWN = documented(404)
ORDERED = documented(400, 404, 409, 413)


class Check(View):
    """Which check."""

    level: CheckLevel = Field(
        CheckLevel.INTERNAL, description="How much is tried, and who notices.", examples=["internal"]
    )


class Ticket(View):
    """Leave to see what crosses a wire, once and soon."""

    ticket: str = Field(description="For `?ticket=` of the trace.", examples=["3q2-7wEBAgMEBQYHCAkKCwwN"])
    good_for_s: float = Field(description="How long it is good, in seconds.", examples=[30.0])


@router.get("/post")
async def post(_asker: Viewer, at: At) -> PostView:
    """The whole post at this moment."""
    return await at.daemon.view()


@router.get("/devices")
async def devices(_asker: Viewer, at: At) -> tuple[DeviceView, ...]:
    """Every device, in the order of the post's file."""
    return (await at.daemon.view()).devices


@router.get(ONE_DEVICE, responses=UNKNOWN)
async def device(_asker: Viewer, at: At, position: Position) -> DeviceView:
    """Everything that is known of one position."""
    return await found(at, position)


@router.get(ONE_DEVICE + "/events", responses=UNKNOWN)
async def events(_asker: Viewer, at: At, position: Position) -> list[EventView]:
    """The last events of a device, oldest first, without anything personal."""
    await found(at, position)
    return await at.daemon.tail(position)


@router.post(ONE_DEVICE + "/check", responses=ORDERED)
async def check(asker: Technician, at: At, position: Position, which: Check) -> CheckReport:
    """Try a device; takes up to half a minute, and at the interactive level a minute."""
    return await at.daemon.check(position, which.level, asker.who)


@router.post(ONE_DEVICE + "/restart", status_code=204, responses=ORDERED)
async def restart(asker: Technician, at: At, position: Position) -> None:
    """Replace the process of one device; no other device notices."""
    await at.daemon.obey(position, Restart(), asker.who)


@router.post(ONE_DEVICE + "/maintenance", status_code=204, responses=ORDERED)
async def maintenance(asker: Technician, at: At, position: Position, order: Maintenance) -> None:
    """Take a device from its counter, or give it back. What it says meanwhile reaches no officer."""
    await at.daemon.obey(position, order, asker.who)


@router.post(ONE_DEVICE + "/accept", status_code=204, responses=ORDERED)
async def accept(asker: Supervisor, at: At, position: Position, order: Accept) -> None:
    """Let another serial number serve a position: the swap."""
    await at.daemon.obey(position, order, asker.who)


@router.post(ONE_DEVICE + "/counters/reset", status_code=204, responses=ORDERED)
async def reset_counters(asker: Technician, at: At, position: Position) -> None:
    """Set the resettable counters of a device to zero."""
    await at.daemon.obey(position, ResetCounters(), asker.who)


@router.post(ONE_DEVICE + "/claim/end", status_code=204, responses=ORDERED)
async def end_claim(asker: Supervisor, at: At, position: Position, order: EndClaim) -> None:
    """Take a device from the station that has claimed it."""
    await at.daemon.obey(position, order, asker.who)


@router.post(ONE_DEVICE + "/trace/reveal", responses=ORDERED)
async def reveal(asker: Supervisor, at: At, position: Position, order: Reveal) -> Ticket:
    """Ask to see what crosses a wire as it is; using the ticket is recorded with the reason."""
    await found(at, position)
    return Ticket(ticket=at.tickets.give(asker.who.name, position, order), good_for_s=GOOD_FOR_S)


@router.get(
    ONE_DEVICE + "/trace",
    responses=UNKNOWN | streams.documented(TraceItem),
    response_class=StreamingResponse,
)
async def trace(
    request: Request,
    asker: Technician,
    at: At,
    position: Position,
    ticket: Annotated[str | None, Query(max_length=100)] = None,
) -> StreamingResponse:
    """What crosses a device's wire from now on; the bytes themselves only with a ticket."""
    await found(at, position)
    revealed: Reveal | None = None
    if ticket is not None:
        revealed = at.tickets.take(ticket, asker.who.name, position)
        if revealed is None:
            raise Problem(403, "ticket", "This ticket is not good any more.", "Ask for another one.")
    least = Standing.TECHNICIAN if revealed is None else Standing.SUPERVISOR
    return await streams.begun(at.daemon.trace(position, asker.who, revealed), still(request, least))


@router.get("/live", responses=streams.documented(Live), response_class=StreamingResponse)
async def live(request: Request, _asker: Viewer, at: At) -> StreamingResponse:
    """News of the post, as it happens. Who does not keep up loses the oldest."""
    return streams.streamed(at.daemon.live(), still(request, Standing.VIEWER))


@router.get("/claims")
async def claims(_asker: Viewer, at: At) -> list[ClaimView]:
    """Every device that a station has to itself."""
    return [
        ClaimView(position=device.position, station=device.claim.station, since=device.claim.since)
        for device in (await at.daemon.view()).devices
        if device.claim is not None
    ]


@router.get("/outbox")
async def outbox(_asker: Viewer, at: At) -> OutboxView:
    """What waits for delivery, and for whom; never what it says."""
    view = await at.daemon.view()
    try:
        counts = await asyncio.to_thread(inspect.counts, at.state_dir / "outbox")
    except (OutboxRefused, OSError, sqlite3.Error) as error:
        raise Problem(503, "outbox", f"The outbox cannot be read: {error}.", "borderpost doctor") from error
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
async def audited(
    _asker: Technician, at: At, limit: Annotated[int, Query(ge=1, le=10_000)] = 100
) -> list[AuditEntry]:
    """Who commanded, claimed or did what, the newest first."""
    return await asyncio.to_thread(audit.newest, at.state_dir, limit)


async def found(at: Bench, position: str) -> DeviceView:
    """The device at a position; raises Problem where there is none."""
    for device in (await at.daemon.view()).devices:
        if device.position == position:
            return device
    raise Problem(404, "unknown", f"There is no {position} at this post.", "borderpost devices")
