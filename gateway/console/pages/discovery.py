"""Page of devices that are plugged in or respond: `borderpost discover` for a browser."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi.responses import Response

from drivers.driver import StateCode
from gateway.api.models import DeviceView
from gateway.api.operations import RpcError
from gateway.console.auth.auth import AuthenticatedUser, Technician
from gateway.console.web.context import AppContext, ContextDep
from gateway.console.web.problems import STATUS_OF_CODE
from gateway.console.web.templating import render

router = APIRouter(prefix="/discover", include_in_schema=False)

MAX_TEXT = 2000
CLOSED = (StateCode.STARTING, StateCode.OFFLINE, StateCode.NO_DEVICE, StateCode.UNKNOWN)
"""States in which a worker has not opened its device."""
EMPTY_FORM: Mapping[str, Any] = {"network": True, "interfaces": "", "modbus": "", "result": None}


@router.get("")
async def discovery(request: Request, user: Technician) -> Response:
    """Show the form. A link to this page, which another site may have, starts no search."""
    return _page(request, user, EMPTY_FORM)


@router.post("")
async def search(
    request: Request,
    user: Technician,
    ctx: ContextDep,
    network: Annotated[bool, Form()] = False,
    interfaces: Annotated[str, Form(max_length=MAX_TEXT)] = "",
    modbus: Annotated[str, Form(max_length=MAX_TEXT)] = "",
) -> Response:
    """Search this machine, its networks for cameras if asked, and the named hosts for Modbus boards."""
    # Imported here: the other pages do not need the drivers' links.
    from gateway.diagnostics.discovery import isolated
    from gateway.diagnostics.discovery import network as networks
    from gateway.diagnostics.discovery.search import SearchOptions

    shown = {**EMPTY_FORM, "network": network, "interfaces": interfaces, "modbus": modbus}
    try:
        boards = networks.modbus_addresses(_words(modbus))
        own = networks.interface_addresses(_words(interfaces)) if network else ()
        options = SearchOptions(own, tuple(boards), workers=await _workers(ctx))
        async with ctx.diagnostics_lock:
            shown["result"] = await isolated.search_isolated(ctx.config, options)
    except ValueError as error:
        refusal = RpcError("conflict", f"{networks.address_fault(error)}.", "Correct it, and search again.")
        return _page(request, user, shown, refusal)
    except RpcError as failure:
        return _page(request, user, shown, failure)
    return _page(request, user, shown)


def _words(text: str) -> list[str]:
    return text.replace(",", " ").split()


async def _workers(ctx: AppContext) -> dict[str, int]:
    """Return the worker of each position whose device is open."""
    view = await ctx.daemon.view()
    return {one.position: one.pid for one in view.devices if one.pid is not None and _is_open(one)}


def _is_open(device: DeviceView) -> bool:
    return (device.actual_state or device.state).state not in CLOSED


def _page(
    request: Request, user: AuthenticatedUser, shown: Mapping[str, Any], refusal: RpcError | None = None
) -> Response:
    context: dict[str, Any] = {"user": user, **shown}
    if refusal is not None:
        context["message"] = {"light": "bad", "text": refusal.text, "how": refusal.how}
    return render(request, "discovery.html", context, STATUS_OF_CODE[refusal.code] if refusal else 200)
