"""The pages of the post: board, events, barriers, cameras and scanners, delivery, health, audit."""

import asyncio
import sqlite3
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from drivers.driver import Family
from drivers.self_test import CheckLevel
from gateway.api.operations import Refusal
from gateway.console.api import audit
from gateway.console.api.diagnostics import examined
from gateway.console.auth.auth import Asker, Technician, Viewer, from_our_pages
from gateway.console.auth.login import ours
from gateway.console.pages import view_models as sheets
from gateway.console.pages.live_updates import barriers_of
from gateway.console.web.context import AtBench, Bench
from gateway.console.web.i18n import COOKIE, LANGUAGES
from gateway.console.web.templating import render, say_in
from gateway.delivery.outbox.admin import counts, parked
from gateway.delivery.outbox.database import OutboxRefused

router = APIRouter(include_in_schema=False)

AUDIT_SHOWN = 200
YEAR_S = 365 * 24 * 3600
MEASURED = frozenset({Family.CAMERA, Family.FINGERPRINT_SCANNER, Family.PASSPORT_READER, Family.CARD_READER})


@router.get("/")
async def board(request: Request, asker: Viewer, at: AtBench) -> Response:
    """Every device of the post, and how it is."""
    await at.lookout.post()
    lookout = at.lookout
    known = {"devices": lookout.devices(), "latest_of": lookout.last, "problems": lookout.problems()}
    return render(request, "board.html", {"asker": asker} | known)


@router.get("/events")
async def events(request: Request, asker: Viewer, at: AtBench, device: str = "") -> Response:
    """What devices have said of late."""
    await at.lookout.post()
    shown = [event for event in at.lookout.events if not device or event.position == device]
    context = {"devices": at.lookout.devices(), "chosen": device, "events": shown}
    return render(request, "events.html", {"asker": asker} | context)


@router.get("/barriers")
async def barriers(request: Request, asker: Viewer, at: AtBench) -> Response:
    """Every barrier as its sensors say it stands."""
    await at.lookout.post()
    return render(request, "barriers.html", {"asker": asker, "barriers": barriers_of(at.lookout)})


@router.get("/cameras")
async def cameras(request: Request, asker: Viewer, at: AtBench) -> Response:
    """What was measured of cameras and scanners: numbers, never a picture."""
    await at.lookout.post()
    return _cameras(request, asker, at)


@router.post("/cameras/{lane}/{device}/check")
async def measure(
    request: Request,
    asker: Technician,
    at: AtBench,
    lane: str,
    device: str,
    level: Annotated[CheckLevel, Form()],
) -> Response:
    """Measure one now."""
    position = f"{lane}/{device}"
    await at.lookout.post()
    try:
        at.lookout.checked(position, await at.daemon.check(position, level, asker.who))
    except Refusal as refusal:
        return _cameras(request, asker, at, refusal)
    return RedirectResponse(f"/cameras#calibration-{lane}--{device}", 303)


def _cameras(request: Request, asker: Asker, at: Bench, refusal: Refusal | None = None) -> Response:
    say = say_in(request)
    views = []
    for device in at.lookout.devices():
        if device.family in MEASURED:
            reports = at.lookout.reports.get(device.position, {})
            newest = max(reports.values(), key=lambda report: report.at, default=None)
            plots = sheets.quality_plots(at.lookout.of(device.position), say)
            views.append({"device": device, "report": newest, "plots": plots})
    context: dict[str, Any] = {"asker": asker, "views": views}
    if refusal is not None:
        context["said"] = {"light": "bad", "text": refusal.text, "how": refusal.how}
    return render(request, "cameras.html", context, 409 if refusal else 200)


@router.get("/delivery")
async def delivery(request: Request, asker: Viewer, at: AtBench) -> Response:
    """What waits, for whom, and how quickly the rest has gone."""
    post = await at.lookout.post()
    say = say_in(request)
    context = {
        "report": post.report,
        "latency": sheets.latency_plot(at.lookout.samples.values(), say),
        "backlog": sheets.backlog_plot(at.lookout.backlog, say),
    }
    stored = await asyncio.to_thread(_outbox, at.state_dir / "outbox")
    return render(request, "delivery.html", {"asker": asker} | context | stored)


@router.get("/health")
async def health(request: Request, asker: Viewer, at: AtBench) -> Response:
    """What is not as it should be, and the remedy for each."""
    post = await at.lookout.post()
    context = {"report": post.report, "config": post.config, "found": await examined(asker, at)}
    return render(request, "health.html", {"asker": asker} | context)


@router.get("/audit")
async def audited(request: Request, asker: Technician, at: AtBench) -> Response:
    """Who commanded, claimed or did what."""
    records = await asyncio.to_thread(audit.newest, at.state_dir, AUDIT_SHOWN)
    return render(request, "audit.html", {"asker": asker, "records": records})


@router.post("/language")
async def language(
    request: Request, language: Annotated[str, Form()], back: Annotated[str, Form()] = "/"
) -> Response:
    """Speak another language from now on; nobody has to be logged in to be understood."""
    from_our_pages(request)
    answer = RedirectResponse(ours(back), 303)
    if language in LANGUAGES:
        secure = request.url.scheme == "https"
        answer.set_cookie(
            COOKIE, language, max_age=YEAR_S, samesite="strict", httponly=True, secure=secure, path="/"
        )
    return answer


def _outbox(folder: Path) -> dict[str, Any]:
    """What every stream has in the outbox, and what was set aside; or why that cannot be told."""
    try:
        streams = [stream for stream in counts(folder) if stream.events]
        return {"streams": streams, "parked": list(parked(folder)), "trouble": ""}
    except (OutboxRefused, sqlite3.Error) as error:
        return {"streams": [], "parked": [], "trouble": str(error)}
