"""Diagnostics under `/api/v1`: why a device does not read, the doctor, and the support bundle."""

import asyncio
from typing import TYPE_CHECKING

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import Field

from gateway.api.models import ApiModel, Finding
from gateway.console.api.routes import DEVICE_PATH, NOT_FOUND_ERRORS, ContextDep, Position, get_device_view
from gateway.console.auth.auth import Technician, Viewer
from gateway.console.web.context import AppContext
from gateway.console.web.problems import error_responses

# Diagnostics load MQTT and certificate libraries, which the other pages do not need.
if TYPE_CHECKING:
    from gateway.diagnostics import bundle

MEDIA_TYPE = "application/gzip"

router = APIRouter(prefix="/api/v1", responses=error_responses(401, 403, 421, 422, 503))


class BundleEntry(ApiModel):
    """One file of the archive."""

    name: str = Field(description="File name in the archive.", examples=["findings.txt"])
    description: str = Field(description="Content.", examples=["findings about the post, with remedies"])
    size_bytes: int = Field(ge=0, description="Its length, in bytes.", examples=[2048])


@router.get(DEVICE_PATH + "/why", responses=NOT_FOUND_ERRORS)
async def explain(_user: Viewer, ctx: ContextDep, position: Position) -> list[Finding]:
    """Explain why a device does not read, the likely cause first; one finding `ok` if no fault is found."""
    await get_device_view(ctx, position)
    return await device_findings(ctx, position)


@router.get("/doctor")
async def run_doctor(_user: Viewer, ctx: ContextDep) -> list[Finding]:
    """Run every check, the highest severity first; takes seconds if a broker or device does not respond."""
    from gateway.diagnostics import doctor

    async with ctx.diagnostics_lock:
        return await asyncio.to_thread(doctor.run_doctor, ctx.config, await ctx.daemon.view())


@router.get("/bundle/contents")
async def bundle_contents(_user: Technician, ctx: ContextDep) -> list[BundleEntry]:
    """List the contents of the support bundle."""
    return [
        BundleEntry(name=part.name, description=part.description, size_bytes=len(part.content))
        for part in (await _collect_bundle(ctx)).parts
    ]


@router.get(
    "/bundle",
    responses={200: {"description": "A gzipped tar archive.", "content": {MEDIA_TYPE: {}}}},
    response_class=Response,
)
async def download_bundle(_user: Technician, ctx: ContextDep) -> Response:
    """Return the support bundle, without personal data and without secrets."""
    collected = await _collect_bundle(ctx)
    headers = {"Content-Disposition": f'attachment; filename="{collected.name}.tar.gz"'}
    return Response(collected.to_tar_gz(), media_type=MEDIA_TYPE, headers=headers)


async def device_findings(ctx: AppContext, position: str) -> list[Finding]:
    """Return the reasons for which a device does not read, for the API and for pages."""
    from gateway.diagnostics import why

    view, tail = await asyncio.gather(ctx.daemon.view(), ctx.daemon.last_events(position))
    return await asyncio.to_thread(why.explain_device, ctx.config, position, view, tail)


async def _collect_bundle(ctx: AppContext) -> "bundle.Bundle":
    from gateway.diagnostics import bundle

    view = await ctx.daemon.view()
    positions = [device.position for device in view.devices]
    tails = await asyncio.gather(*(ctx.daemon.last_events(position) for position in positions))
    events = dict(zip(positions, tails, strict=True))
    async with ctx.diagnostics_lock:
        return await asyncio.to_thread(bundle.collect_bundle, ctx.config, view, events)
