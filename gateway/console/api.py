"""The routes under `/api/v1`, which the command line, the pages' scripts and tests use."""

from typing import Annotated

from fastapi import APIRouter, Depends

from gateway.console.asking import Viewer
from gateway.console.bench import Bench, bench
from gateway.console.problems import documented
from gateway.local.views import PostView

router = APIRouter(prefix="/api/v1", responses=documented(401, 403, 421, 503))


@router.get("/post")
async def post(_asker: Viewer, at: Annotated[Bench, Depends(bench)]) -> PostView:
    """The whole post at this moment."""
    return await at.daemon.view()
