"""Panel of a simulated post. Without one, as in every production gateway, there is no such page."""

from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from gateway.console.auth.auth import AuthenticatedUser, Technician, Viewer
from gateway.console.pages import simulator_client as panel
from gateway.console.web.context import AppContext, ContextDep
from gateway.console.web.problems import HttpProblem
from gateway.console.web.templating import render, translator_of

router = APIRouter(prefix="/simulators", include_in_schema=False)


@router.get("")
async def simulators(request: Request, user: Viewer, ctx: ContextDep) -> Response:
    """Show every simulated device, with forms for insertions and faults."""
    return await _page(request, user, ctx)


@router.post("/{lane}/{device}/insert")
async def insert(request: Request, user: Technician, ctx: ContextDep, lane: str, device: str) -> Response:
    """Insert something into a simulated device."""
    form = await request.form()
    typed = {
        name: panel.parse_literal(str(value))
        for name, value in form.items()
        if name != "csrf" and value != ""
    }
    return await _done(request, user, ctx, {"do": "insert", "name": f"{lane}/{device}", **typed})


@router.post("/{lane}/{device}/fault")
async def fault(request: Request, user: Technician, ctx: ContextDep, lane: str, device: str) -> Response:
    """Inject a fault into a simulated device."""
    form = await request.form()
    try:
        arguments = panel.parse_arguments(str(form.get("args", "")))
    except panel.SimulatorError as error:
        return await _page(request, user, ctx, str(error))
    request_ = {
        "do": "fault",
        "name": f"{lane}/{device}",
        "fault": str(form.get("fault", "")),
        "args": arguments,
    }
    return await _done(request, user, ctx, request_)


async def _done(
    request: Request, user: AuthenticatedUser, ctx: AppContext, result: dict[str, Any]
) -> Response:
    try:
        await panel.call_simulator(_socket(ctx), result)
    except panel.SimulatorError as error:
        return await _page(request, user, ctx, str(error))
    return RedirectResponse(f"/simulators#simulator-{str(result['name']).replace('/', '--')}", 303)


async def _page(request: Request, user: AuthenticatedUser, ctx: AppContext, trouble: str = "") -> Response:
    socket, say = _socket(ctx), translator_of(request)
    status = 409 if trouble else 200
    try:
        devices = (await panel.call_simulator(socket, {"do": "status"}))["simulators"]
    except panel.SimulatorError as error:
        devices, trouble, status = {}, trouble or str(error), 503
    shown = [
        {
            "name": name,
            "kind": details.get("kind", ""),
            "details": {key: value for key, value in details.items() if key not in ("name", "kind")},
            "insert": panel.insert_form(str(details.get("kind", "")), say),
            "faults": panel.FAULTS.get(str(details.get("kind", "")), ()),
        }
        for name, details in devices.items()
    ]
    context = {"user": user, "simulators": shown, "trouble": trouble}
    return render(request, "simulators.html", context, status)


def _socket(ctx: AppContext) -> Path:
    if ctx.simulators is None:
        raise HttpProblem(404, "no_simulators", "This gateway has no simulated post.", "")
    return ctx.simulators
