"""Pages of the post: board, events, barriers, cameras and scanners, delivery, health, audit."""

import asyncio
import sqlite3
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from drivers.driver import Family
from drivers.self_test import SelfTestLevel
from gateway.api.operations import RpcError
from gateway.console.api import audit
from gateway.console.api.diagnostics import run_doctor
from gateway.console.auth.auth import AuthenticatedUser, Technician, Viewer, require_same_origin
from gateway.console.auth.login import safe_redirect
from gateway.console.pages import view_models as sheets
from gateway.console.pages.live_updates import barrier_views
from gateway.console.web.context import AppContext, ContextDep
from gateway.console.web.i18n import COOKIE, LANGUAGES
from gateway.console.web.templating import render, translator_of
from gateway.delivery.outbox.admin import list_parked, stream_summaries
from gateway.delivery.outbox.database import OutboxUnusable

router = APIRouter(include_in_schema=False)

AUDIT_SHOWN = 200
YEAR_S = 365 * 24 * 3600
MEASURED_FAMILIES = frozenset(
    {Family.CAMERA, Family.FINGERPRINT_SCANNER, Family.PASSPORT_READER, Family.CARD_READER}
)


@router.get("/")
async def board(request: Request, user: Viewer, ctx: ContextDep) -> Response:
    """Show every device of the post with its state."""
    await ctx.live_state.post()
    lookout = ctx.live_state
    known = {"devices": lookout.devices(), "latest_of": lookout.last_event, "problems": lookout.problems()}
    return render(request, "board.html", {"user": user} | known)


@router.get("/events")
async def events(request: Request, user: Viewer, ctx: ContextDep, device: str = "") -> Response:
    """Show the last events."""
    await ctx.live_state.post()
    shown = [event for event in ctx.live_state.events if not device or event.position == device]
    context = {"devices": ctx.live_state.devices(), "chosen": device, "events": shown}
    return render(request, "events.html", {"user": user} | context)


@router.get("/barriers")
async def barriers(request: Request, user: Viewer, ctx: ContextDep) -> Response:
    """Show every barrier as its sensors report it."""
    await ctx.live_state.post()
    return render(request, "barriers.html", {"user": user, "barriers": barrier_views(ctx.live_state)})


@router.get("/cameras")
async def cameras(request: Request, user: Viewer, ctx: ContextDep) -> Response:
    """Show measurements of cameras and scanners: numbers, never a picture."""
    await ctx.live_state.post()
    return _cameras(request, user, ctx)


@router.post("/cameras/{lane}/{device}/check")
async def measure(
    request: Request,
    user: Technician,
    ctx: ContextDep,
    lane: str,
    device: str,
    level: Annotated[SelfTestLevel, Form()],
) -> Response:
    """Measure one device now."""
    position = f"{lane}/{device}"
    await ctx.live_state.post()
    try:
        ctx.live_state.on_check_report(position, await ctx.daemon.check(position, level, user.actor))
    except RpcError as refusal:
        return _cameras(request, user, ctx, refusal)
    return RedirectResponse(f"/cameras#calibration-{lane}--{device}", 303)


def _cameras(
    request: Request, user: AuthenticatedUser, ctx: AppContext, refusal: RpcError | None = None
) -> Response:
    say = translator_of(request)
    views = []
    for device in ctx.live_state.devices():
        if device.family in MEASURED_FAMILIES:
            reports = ctx.live_state.reports.get(device.position, {})
            newest = max(reports.values(), key=lambda report: report.at, default=None)
            plots = sheets.quality_plots(ctx.live_state.samples_of(device.position), say)
            views.append({"device": device, "report": newest, "plots": plots})
    context: dict[str, Any] = {"user": user, "views": views}
    if refusal is not None:
        context["message"] = {"light": "bad", "text": refusal.text, "how": refusal.how}
    return render(request, "cameras.html", context, 409 if refusal else 200)


@router.get("/delivery")
async def delivery(request: Request, user: Viewer, ctx: ContextDep) -> Response:
    """Show queued events by destination, and the latency of delivered ones."""
    post = await ctx.live_state.post()
    say = translator_of(request)
    context = {
        "report": post.report,
        "latency": sheets.latency_plot(ctx.live_state.samples.values(), say),
        "backlog": sheets.backlog_plot(ctx.live_state.backlog, say),
    }
    stored = await asyncio.to_thread(_outbox, ctx.state_dir / "outbox")
    return render(request, "delivery.html", {"user": user} | context | stored)


@router.get("/health")
async def health(request: Request, user: Viewer, ctx: ContextDep) -> Response:
    """Show the findings of the doctor."""
    post = await ctx.live_state.post()
    context = {"report": post.report, "config": post.config, "found": await run_doctor(user, ctx)}
    return render(request, "health.html", {"user": user} | context)


@router.get("/audit")
async def audited(request: Request, user: Technician, ctx: ContextDep) -> Response:
    """Show the audit."""
    records = await asyncio.to_thread(audit.newest, ctx.state_dir, AUDIT_SHOWN)
    return render(request, "audit.html", {"user": user, "records": records})


@router.post("/language")
async def language(
    request: Request, language: Annotated[str, Form()], back: Annotated[str, Form()] = "/"
) -> Response:
    """Change the language of the pages; needs no login."""
    require_same_origin(request)
    answer = RedirectResponse(safe_redirect(back), 303)
    if language in LANGUAGES:
        secure = request.url.scheme == "https"
        answer.set_cookie(
            COOKIE, language, max_age=YEAR_S, samesite="strict", httponly=True, secure=secure, path="/"
        )
    return answer


def _outbox(folder: Path) -> dict[str, Any]:
    """Return the queued events of every stream and the parked events, or the error of the outbox."""
    try:
        streams = [stream for stream in stream_summaries(folder) if stream.events]
        return {"streams": streams, "parked": list(list_parked(folder)), "trouble": ""}
    except (OutboxUnusable, sqlite3.Error) as error:
        return {"streams": [], "parked": [], "trouble": str(error)}
