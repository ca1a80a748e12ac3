"""The pages."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse

from gateway.console.asking import Viewer
from gateway.console.bench import Bench, bench
from gateway.console.templating import render

router = APIRouter(include_in_schema=False)


@router.get("/")
async def board(request: Request, asker: Viewer, at: Annotated[Bench, Depends(bench)]) -> HTMLResponse:
    """Every device of the post, and how it is."""
    return render(request, "board.html", {"post": await at.daemon.view(), "asker": asker})
