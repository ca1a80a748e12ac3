"""The panel of a simulated post; a gateway without one, and so every production gateway, has no such page."""

from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from gateway.console.auth.auth import Asker, Technician, Viewer
from gateway.console.pages import simulator_client as panel
from gateway.console.web.context import AtBench, Bench
from gateway.console.web.problems import Problem
from gateway.console.web.templating import render, say_in

router = APIRouter(prefix="/simulators", include_in_schema=False)


@router.get("")
async def simulators(request: Request, asker: Viewer, at: AtBench) -> Response:
    """Every simulated device, what can be inserted and what can go wrong."""
    return await _page(request, asker, at)


@router.post("/{lane}/{device}/insert")
async def insert(request: Request, asker: Technician, at: AtBench, lane: str, device: str) -> Response:
    """Have something come to a simulated device."""
    form = await request.form()
    typed = {
        name: panel.literal(str(value)) for name, value in form.items() if name != "csrf" and value != ""
    }
    return await _done(request, asker, at, {"do": "insert", "name": f"{lane}/{device}", **typed})


@router.post("/{lane}/{device}/fault")
async def fault(request: Request, asker: Technician, at: AtBench, lane: str, device: str) -> Response:
    """Have something go wrong with it."""
    form = await request.form()
    try:
        arguments = panel.arguments(str(form.get("args", "")))
    except panel.PanelError as error:
        return await _page(request, asker, at, str(error))
    request_ = {
        "do": "fault",
        "name": f"{lane}/{device}",
        "fault": str(form.get("fault", "")),
        "args": arguments,
    }
    return await _done(request, asker, at, request_)


async def _done(request: Request, asker: Asker, at: Bench, told: dict[str, Any]) -> Response:
    try:
        await panel.ask(_socket(at), told)
    except panel.PanelError as error:
        return await _page(request, asker, at, str(error))
    return RedirectResponse(f"/simulators#simulator-{str(told['name']).replace('/', '--')}", 303)


async def _page(request: Request, asker: Asker, at: Bench, trouble: str = "") -> Response:
    socket, say = _socket(at), say_in(request)
    status = 409 if trouble else 200
    try:
        told = (await panel.ask(socket, {"do": "status"}))["simulators"]
    except panel.PanelError as error:
        told, trouble, status = {}, trouble or str(error), 503
    shown = [
        {
            "name": name,
            "kind": details.get("kind", ""),
            "details": {key: value for key, value in details.items() if key not in ("name", "kind")},
            "insert": panel.insert_form(str(details.get("kind", "")), say),
            "faults": panel.FAULTS.get(str(details.get("kind", "")), ()),
        }
        for name, details in told.items()
    ]
    context = {"asker": asker, "simulators": shown, "trouble": trouble}
    return render(request, "simulators.html", context, status)


def _socket(at: Bench) -> Path:
    if at.simulators is None:
        raise Problem(404, "no_simulators", "This gateway has no simulated post.", "")
    return at.simulators
