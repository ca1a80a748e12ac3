"""What is wrong, under `/api/v1`: why a device does not read, the doctor, and the archive for support."""

import asyncio
from typing import TYPE_CHECKING

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import Field

from gateway.api.models import Finding, View
from gateway.console.api.routes import ONE_DEVICE, UNKNOWN, At, Position, found
from gateway.console.auth.auth import Technician, Viewer
from gateway.console.web.context import Bench
from gateway.console.web.problems import documented

# The diagnosis loads what speaks to brokers and reads certificates: not for who only wants to see the board.
if TYPE_CHECKING:
    from gateway.diagnostics import bundle

MEDIA_TYPE = "application/gzip"

router = APIRouter(prefix="/api/v1", responses=documented(401, 403, 421, 422, 503))


class Content(View):
    """One file of the archive."""

    name: str = Field(description="Its name there.", examples=["findings.txt"])
    what: str = Field(description="What it is.", examples=["what is wrong at the post, and what to do"])
    size_bytes: int = Field(ge=0, description="Its length, in bytes.", examples=[2048])


@router.get(ONE_DEVICE + "/why", responses=UNKNOWN)
async def why_not(_asker: Viewer, at: At, position: Position) -> list[Finding]:
    """Why a device is not reading, the cause first; one finding `ok` where nothing is wrong."""
    await found(at, position)
    return await reasons(at, position)


@router.get("/doctor")
async def examined(_asker: Viewer, at: At) -> list[Finding]:
    """Everything that was looked at, the worst first; takes seconds where somebody does not answer."""
    from gateway.diagnostics import doctor

    async with at.examining:
        return await asyncio.to_thread(doctor.doctor, at.config, await at.daemon.view())


@router.get("/bundle/contents")
async def contents(_asker: Technician, at: At) -> list[Content]:
    """What is in the archive for support."""
    return [
        Content(name=part.name, what=part.what, size_bytes=len(part.content))
        for part in (await _collected(at)).parts
    ]


@router.get(
    "/bundle",
    responses={200: {"description": "A gzipped tar archive.", "content": {MEDIA_TYPE: {}}}},
    response_class=Response,
)
async def packed(_asker: Technician, at: At) -> Response:
    """What support needs to know, without anything personal and without a secret."""
    collected = await _collected(at)
    headers = {"Content-Disposition": f'attachment; filename="{collected.name}.tar.gz"'}
    return Response(collected.archive(), media_type=MEDIA_TYPE, headers=headers)


async def reasons(at: Bench, position: str) -> list[Finding]:
    """Why a device is not reading; pages show the same."""
    from gateway.diagnostics import why

    view, tail = await asyncio.gather(at.daemon.view(), at.daemon.tail(position))
    return await asyncio.to_thread(why.why, at.config, position, view, tail)


async def _collected(at: Bench) -> "bundle.Bundle":
    from gateway.diagnostics import bundle

    view = await at.daemon.view()
    positions = [device.position for device in view.devices]
    tails = await asyncio.gather(*(at.daemon.tail(position) for position in positions))
    events = dict(zip(positions, tails, strict=True))
    async with at.examining:
        return await asyncio.to_thread(bundle.bundle, at.config, view, events)
