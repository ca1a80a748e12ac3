"""The pages of one device: how it is and why, what may be done about it, its wire, its acceptance."""

import asyncio
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import ValidationError

from drivers.driver import Family
from drivers.self_test import CheckLevel, CheckReport
from gateway.api.models import DeviceView, Finding
from gateway.api.operations import (
    Accept,
    EndClaim,
    Maintenance,
    Order,
    Refusal,
    ResetCounters,
    Restart,
    Reveal,
)
from gateway.console.api.diagnostics import reasons
from gateway.console.auth.auth import Asker, Supervisor, Technician, Viewer
from gateway.console.pages import view_models as sheets
from gateway.console.web.context import AtBench, Bench
from gateway.console.web.i18n import Say
from gateway.console.web.problems import STATUS_OF
from gateway.console.web.templating import render, say_in

router = APIRouter(prefix="/devices/{lane}/{device}", include_in_schema=False)

SOON_S = 0.7
"""How long a page waits for an examination; what comes later is put in."""
LEVELS = (CheckLevel.INTERNAL, CheckLevel.EXTERNAL, CheckLevel.INTERACTIVE)


@router.get("")
async def device_page(
    request: Request, asker: Viewer, at: AtBench, lane: str, device: str, done: str = ""
) -> Response:
    """One device."""
    view = await _view(at, f"{lane}/{device}")
    text = _done(done, say_in(request))
    return await _page(
        request, asker, at, view, said={"light": "good", "text": text, "how": ""} if text else None
    )


@router.post("/check")
async def check(
    request: Request,
    asker: Technician,
    at: AtBench,
    lane: str,
    device: str,
    level: Annotated[CheckLevel, Form()],
) -> Response:
    """Try it, and show what was found."""
    view = await _view(at, f"{lane}/{device}")
    try:
        report = await at.daemon.check(view.position, level, asker.who)
    except Refusal as refusal:
        return await _refused(request, asker, at, view, refusal)
    at.lookout.checked(view.position, report)
    return await _page(request, asker, at, await _view(at, view.position), checked=report)


@router.post("/restart")
async def restart(request: Request, asker: Technician, at: AtBench, lane: str, device: str) -> Response:
    """Replace its process."""
    return await _obeyed(request, asker, at, f"{lane}/{device}", Restart, {})


@router.post("/maintenance")
async def maintenance(request: Request, asker: Technician, at: AtBench, lane: str, device: str) -> Response:
    """Take it from its counter, or give it back."""
    return await _obeyed(request, asker, at, f"{lane}/{device}", Maintenance, await _fields(request))


@router.post("/accept")
async def accept(request: Request, asker: Supervisor, at: AtBench, lane: str, device: str) -> Response:
    """Let another serial number serve here."""
    return await _obeyed(request, asker, at, f"{lane}/{device}", Accept, await _fields(request))


@router.post("/counters/reset")
async def reset_counters(
    request: Request, asker: Technician, at: AtBench, lane: str, device: str
) -> Response:
    """Set its resettable counters to zero."""
    return await _obeyed(request, asker, at, f"{lane}/{device}", ResetCounters, {})


@router.post("/claim/end")
async def end_claim(request: Request, asker: Supervisor, at: AtBench, lane: str, device: str) -> Response:
    """Take it from the station that has it."""
    return await _obeyed(request, asker, at, f"{lane}/{device}", EndClaim, await _fields(request))


@router.get("/why")
async def why(request: Request, asker: Viewer, at: AtBench, lane: str, device: str) -> Response:
    """Why it does not read, however long that takes: a broker that is away is waited for."""
    view = await _view(at, f"{lane}/{device}")
    found = await _examination(at, view)
    return render(request, "why.html", {"asker": asker, "device": view, "why": found})


@router.get("/trace")
async def trace(request: Request, asker: Technician, at: AtBench, lane: str, device: str) -> Response:
    """What crosses its wire, without its content."""
    view = await _view(at, f"{lane}/{device}")
    return render(request, "trace.html", {"asker": asker, "device": view, "ticket": ""})


@router.post("/trace")
async def revealed_trace(
    request: Request, asker: Supervisor, at: AtBench, lane: str, device: str
) -> Response:
    """What crosses its wire as it is, for a reason that is put on record by the daemon when it begins."""
    view = await _view(at, f"{lane}/{device}")
    try:
        reveal = Reveal.model_validate(await _fields(request))
    except ValidationError as error:
        return await _refused(request, asker, at, view, _invalid(error))
    ticket = at.tickets.give(asker.who.name, view.position, reveal)
    return render(request, "trace.html", {"asker": asker, "device": view, "ticket": ticket})


@router.get("/acceptance")
async def acceptance(request: Request, asker: Technician, at: AtBench, lane: str, device: str) -> Response:
    """Every check in turn, and a sheet to print and sign."""
    return _acceptance(request, asker, at, await _view(at, f"{lane}/{device}"))


@router.post("/acceptance")
async def accept_step(
    request: Request,
    asker: Technician,
    at: AtBench,
    lane: str,
    device: str,
    level: Annotated[CheckLevel, Form()],
) -> Response:
    """One step of it."""
    view = await _view(at, f"{lane}/{device}")
    try:
        at.lookout.checked(view.position, await at.daemon.check(view.position, level, asker.who))
    except Refusal as refusal:
        return _acceptance(request, asker, at, view, refusal)
    return RedirectResponse(f"/devices/{view.position}/acceptance#h-{level}", 303)


async def _view(at: Bench, position: str) -> DeviceView:
    await at.lookout.post()
    view = at.lookout.device(position)
    if view is None:
        raise Refusal("unknown", f"There is no {position} at this post.", "See the board.")
    return view


def _examination(at: Bench, view: DeviceView) -> asyncio.Task[list[Finding]]:
    """One that goes on, or a new one where the device is not as it was when that began."""
    running = at.lookout.examinations.get(view.position)
    if running is None or running[0] != view.state or running[1].done():
        task = asyncio.create_task(reasons(at, view.position))
        task.add_done_callback(lambda done: done.cancelled() or done.exception())  # somebody has looked
        running = at.lookout.examinations[view.position] = (view.state, task)
    return running[1]


async def _soon(running: asyncio.Task[list[Finding]]) -> list[Finding] | None:
    """What it found, if that is there within a moment."""
    await asyncio.wait([running], timeout=SOON_S)
    return running.result() if running.done() else None


async def _fields(request: Request) -> dict[str, str]:
    """What a form sent, its token and whatever was no text apart."""
    form = await request.form()
    return {name: value for name, value in form.items() if isinstance(value, str) and name != "csrf"}


async def _obeyed(
    request: Request, asker: Asker, at: Bench, position: str, kind: type[Order], fields: dict[str, str]
) -> Response:
    """Have an order carried out, and show the device after it; or say why not."""
    view = await _view(at, position)
    try:
        order = kind.model_validate(fields)
        await at.daemon.obey(position, order, asker.who)
    except ValidationError as error:
        return await _refused(request, asker, at, view, _invalid(error))
    except Refusal as refusal:
        return await _refused(request, asker, at, view, refusal)
    return RedirectResponse(f"/devices/{position}?done={order.do}", 303)


async def _refused(request: Request, asker: Asker, at: Bench, view: DeviceView, refusal: Refusal) -> Response:
    said = {"light": "bad", "text": refusal.text, "how": refusal.how}
    return await _page(request, asker, at, view, said=said, status=STATUS_OF[refusal.code])


async def _page(
    request: Request,
    asker: Asker,
    at: Bench,
    view: DeviceView,
    *,
    said: dict[str, str] | None = None,
    checked: CheckReport | None = None,
    status: int = 200,
) -> Response:
    say = say_in(request)
    context: dict[str, Any] = {
        "asker": asker,
        "device": view,
        "waiting": sheets.waiting_serial(view),
        "why": await _soon(_examination(at, view)),
        "counters": sheets.counter_rows(view, say),
        "day": sheets.day_plots(view.tally.hours, datetime.now(UTC), say),
        "plots": sheets.device_plots(at.lookout.of(view.position), say),
        "events": [event for event in at.lookout.events if event.position == view.position][:20],
        "checked": checked,
        "said": said,
    }
    return render(request, "device.html", context, status)


def _acceptance(
    request: Request, asker: Asker, at: Bench, view: DeviceView, refusal: Refusal | None = None
) -> Response:
    say = say_in(request)
    reports = at.lookout.reports.get(view.position, {})
    context: dict[str, Any] = {
        "asker": asker,
        "device": view,
        "now": datetime.now(UTC),
        "verdict": sheets.verdict(view, reports, say),
        "steps": [
            {"level": level, "report": reports.get(level), "hint": _hint(view.family, level, say)}
            for level in LEVELS
            if level in view.levels
        ],
    }
    if refusal is not None:
        context["said"] = {"light": "bad", "text": refusal.text, "how": refusal.how}
    return render(request, "acceptance.html", context, STATUS_OF[refusal.code] if refusal else 200)


def _hint(family: Family, level: CheckLevel, say: Say) -> str:
    if level is not CheckLevel.INTERACTIVE:
        return ""
    if family is Family.PASSPORT_READER:
        return say(
            "Press the button, then present a specimen, a document of UTO, within 45 seconds. "
            "Any other document is refused and not shown."
        )
    return say("Press the button, then do what the device asks for within a minute.")


def _done(order: str, say: Say) -> str:
    texts = {
        "restart": say("Its process is being replaced."),
        "maintenance": say("Done, and on record."),
        "accept": say("Accepted, and on record."),
        "reset_counters": say("The counters are at zero."),
        "end_claim": say("The claim is over, and on record."),
    }
    return texts.get(order, "")


def _invalid(error: ValidationError) -> Refusal:
    """What is wrong with a form, by field; never what was typed."""
    places = (
        f"{'.'.join(map(str, wrong['loc']))}: {wrong['msg']}" for wrong in error.errors(include_input=False)
    )
    return Refusal("conflict", "; ".join(places), "")
