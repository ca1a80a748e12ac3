"""Pages of one device: state and cause, operations, trace, acceptance."""

import asyncio
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import ValidationError

from drivers.driver import Family
from drivers.self_test import SelfTestLevel, SelfTestReport
from gateway.api.models import DeviceView, Finding
from gateway.api.operations import (
    AcceptDevice,
    Maintenance,
    ManagementOperation,
    ResetCounters,
    Restart,
    RevealTrace,
    RevokeClaim,
    RpcError,
)
from gateway.console.api.diagnostics import device_findings
from gateway.console.auth.auth import AuthenticatedUser, Supervisor, Technician, Viewer
from gateway.console.pages import view_models
from gateway.console.pages.barrier_tests import protocol_views
from gateway.console.web.context import AppContext, ContextDep
from gateway.console.web.i18n import Translate
from gateway.console.web.problems import STATUS_OF_CODE
from gateway.console.web.templating import render, translator_of

router = APIRouter(prefix="/devices/{lane}/{device}", include_in_schema=False)

WAIT_S = 0.7
"""Seconds that a page waits for a diagnosis; a later result is inserted by the script."""
LEVELS = (SelfTestLevel.INTERNAL, SelfTestLevel.EXTERNAL, SelfTestLevel.INTERACTIVE)


@router.get("")
async def device_page(
    request: Request, user: Viewer, ctx: ContextDep, lane: str, device: str, done: str = ""
) -> Response:
    """Show one device."""
    view = await _view(ctx, f"{lane}/{device}")
    text = _done(done, translator_of(request))
    return await _page(
        request, user, ctx, view, message={"light": "good", "text": text, "how": ""} if text else None
    )


@router.post("/check")
async def check(
    request: Request,
    user: Technician,
    ctx: ContextDep,
    lane: str,
    device: str,
    level: Annotated[SelfTestLevel, Form()],
) -> Response:
    """Run a self-test, and show its report."""
    view = await _view(ctx, f"{lane}/{device}")
    try:
        report = await ctx.daemon.check(view.position, level, user.actor)
    except RpcError as refusal:
        return await _refused(request, user, ctx, view, refusal)
    ctx.live_state.on_check_report(view.position, report)
    return await _page(request, user, ctx, await _view(ctx, view.position), checked=report)


@router.post("/restart")
async def restart(request: Request, user: Technician, ctx: ContextDep, lane: str, device: str) -> Response:
    """Restart its worker."""
    return await _perform(request, user, ctx, f"{lane}/{device}", Restart, {})


@router.post("/maintenance")
async def maintenance(
    request: Request, user: Technician, ctx: ContextDep, lane: str, device: str
) -> Response:
    """Begin or end its maintenance."""
    return await _perform(request, user, ctx, f"{lane}/{device}", Maintenance, await _fields(request))


@router.post("/accept")
async def accept(request: Request, user: Supervisor, ctx: ContextDep, lane: str, device: str) -> Response:
    """Accept its serial number."""
    return await _perform(request, user, ctx, f"{lane}/{device}", AcceptDevice, await _fields(request))


@router.post("/counters/reset")
async def reset_counters(
    request: Request, user: Technician, ctx: ContextDep, lane: str, device: str
) -> Response:
    """Reset its resettable counters."""
    return await _perform(request, user, ctx, f"{lane}/{device}", ResetCounters, {})


@router.post("/claim/revoke")
async def revoke_claim(
    request: Request, user: Supervisor, ctx: ContextDep, lane: str, device: str
) -> Response:
    """Revoke a station's claim of it."""
    return await _perform(request, user, ctx, f"{lane}/{device}", RevokeClaim, await _fields(request))


@router.get("/why")
async def why(request: Request, user: Viewer, ctx: ContextDep, lane: str, device: str) -> Response:
    """Show why it does not read, after however long that takes: a check may wait for a broker."""
    view = await _view(ctx, f"{lane}/{device}")
    found = await _diagnosis_task(ctx, view)
    return render(request, "why.html", {"user": user, "device": view, "why": found})


@router.get("/trace")
async def trace(request: Request, user: Technician, ctx: ContextDep, lane: str, device: str) -> Response:
    """Show its trace, without the bytes."""
    view = await _view(ctx, f"{lane}/{device}")
    return render(request, "trace.html", {"user": user, "device": view, "ticket": ""})


@router.post("/trace")
async def revealed_trace(
    request: Request, user: Supervisor, ctx: ContextDep, lane: str, device: str
) -> Response:
    """Show its trace with the bytes, for a reason that the daemon records when the trace begins."""
    view = await _view(ctx, f"{lane}/{device}")
    try:
        reveal = RevealTrace.model_validate(await _fields(request))
    except ValidationError as error:
        return await _refused(request, user, ctx, view, _invalid(error))
    ticket = ctx.tickets.issue(user.actor.name, view.position, reveal)
    return render(request, "trace.html", {"user": user, "device": view, "ticket": ticket})


@router.get("/acceptance")
async def acceptance(request: Request, user: Technician, ctx: ContextDep, lane: str, device: str) -> Response:
    """Show each self-test level in turn, as a sheet to print and sign."""
    return await _acceptance(request, user, ctx, await _view(ctx, f"{lane}/{device}"))


@router.post("/acceptance")
async def accept_step(
    request: Request,
    user: Technician,
    ctx: ContextDep,
    lane: str,
    device: str,
    level: Annotated[SelfTestLevel, Form()],
) -> Response:
    """Run one step of the acceptance."""
    view = await _view(ctx, f"{lane}/{device}")
    try:
        ctx.live_state.on_check_report(
            view.position, await ctx.daemon.check(view.position, level, user.actor)
        )
    except RpcError as refusal:
        return await _acceptance(request, user, ctx, view, refusal)
    return RedirectResponse(f"/devices/{view.position}/acceptance#h-{level}", 303)


async def _view(ctx: AppContext, position: str) -> DeviceView:
    await ctx.live_state.post()
    view = ctx.live_state.device(position)
    if view is None:
        raise RpcError("unknown", f"There is no {position} at this post.", "Choose a device on the board.")
    return view


def _diagnosis_task(ctx: AppContext, view: DeviceView) -> asyncio.Task[list[Finding]]:
    """Return the running diagnosis, or start a new one if the device's state has changed since."""
    running = ctx.live_state.examinations.get(view.position)
    if running is None or running[0] != view.state or running[1].done():
        task = asyncio.create_task(device_findings(ctx, view.position))
        task.add_done_callback(
            lambda done: done.cancelled() or done.exception()
        )  # A page has shown the exception.
        running = ctx.live_state.examinations[view.position] = (view.state, task)
    return running[1]


async def _wait_briefly(running: asyncio.Task[list[Finding]]) -> list[Finding] | None:
    """Return the findings if they are ready within a moment."""
    await asyncio.wait([running], timeout=WAIT_S)
    return running.result() if running.done() else None


async def _fields(request: Request) -> dict[str, str]:
    """Return the fields of a form, without its token and without files."""
    form = await request.form()
    return {name: value for name, value in form.items() if isinstance(value, str) and name != "csrf"}


async def _perform(
    request: Request,
    user: AuthenticatedUser,
    ctx: AppContext,
    position: str,
    kind: type[ManagementOperation],
    fields: dict[str, str],
) -> Response:
    """Perform an operation and show the device afterwards, or the reason for a refusal."""
    view = await _view(ctx, position)
    try:
        operation = kind.model_validate(fields)
        await ctx.daemon.perform(position, operation, user.actor)
    except ValidationError as error:
        return await _refused(request, user, ctx, view, _invalid(error))
    except RpcError as refusal:
        return await _refused(request, user, ctx, view, refusal)
    return RedirectResponse(f"/devices/{position}?done={operation.operation}", 303)


async def _refused(
    request: Request, user: AuthenticatedUser, ctx: AppContext, view: DeviceView, refusal: RpcError
) -> Response:
    message = {"light": "bad", "text": refusal.text, "how": refusal.how}
    return await _page(request, user, ctx, view, message=message, status=STATUS_OF_CODE[refusal.code])


async def _page(
    request: Request,
    user: AuthenticatedUser,
    ctx: AppContext,
    view: DeviceView,
    *,
    message: dict[str, str] | None = None,
    checked: SelfTestReport | None = None,
    status: int = 200,
) -> Response:
    say = translator_of(request)
    context: dict[str, Any] = {
        "user": user,
        "device": view,
        "waiting": view_models.waiting_serial(view),
        "why": await _wait_briefly(_diagnosis_task(ctx, view)),
        "counters": view_models.counter_rows(view, say),
        "day": view_models.day_plots(view.counters.hours, datetime.now(UTC), say),
        "plots": view_models.device_plots(ctx.live_state.samples_of(view.position), say),
        "events": [event for event in ctx.live_state.events if event.position == view.position][:20],
        "checked": checked,
        "message": message,
    }
    return render(request, "device.html", context, status)


async def _acceptance(
    request: Request,
    user: AuthenticatedUser,
    ctx: AppContext,
    view: DeviceView,
    refusal: RpcError | None = None,
) -> Response:
    say = translator_of(request)
    reports = ctx.live_state.reports.get(view.position, {})
    context: dict[str, Any] = {
        "user": user,
        "device": view,
        "now": datetime.now(UTC),
        "verdict": view_models.acceptance_result(view, reports, say),
        "steps": [
            {"level": level, "report": reports.get(level), "hint": _hint(view.family, level, say)}
            for level in LEVELS
            if level in view.check_levels
        ],
        "protocols": await protocol_views(ctx.config, view, say),
    }
    if refusal is not None:
        context["message"] = {"light": "bad", "text": refusal.text, "how": refusal.how}
    return render(request, "acceptance.html", context, STATUS_OF_CODE[refusal.code] if refusal else 200)


def _hint(family: Family, level: SelfTestLevel, say: Translate) -> str:
    if level is not SelfTestLevel.INTERACTIVE:
        return ""
    if family is Family.PASSPORT_READER:
        return say(
            "Press the button, then present a specimen document of UTO within 45 seconds. "
            "Any other document is refused and not shown."
        )
    return say("Press the button, then follow the device's instructions within one minute.")


def _done(operation: str, say: Translate) -> str:
    texts = {
        "restart": say("The device's worker is restarting."),
        "maintenance": say("Done, and recorded in the audit."),
        "accept": say("Accepted, and recorded in the audit."),
        "reset_counters": say("The counters were reset."),
        "revoke_claim": say("The claim was revoked, and recorded in the audit."),
    }
    return texts.get(operation, "")


def _invalid(error: ValidationError) -> RpcError:
    """Return the errors of a form by field, without the values sent."""
    places = (
        f"{'.'.join(map(str, wrong['loc']))}: {wrong['msg']}" for wrong in error.errors(include_input=False)
    )
    return RpcError("conflict", "; ".join(places), "")
