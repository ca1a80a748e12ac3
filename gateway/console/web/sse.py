"""Server-sent events (WHATWG HTML, section 9.2): what comes out of the daemon, as it comes."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Any

from fastapi.responses import StreamingResponse

from gateway.api.models import View
from gateway.api.operations import Refusal
from gateway.console.web.problems import Problem, problem_of

MEDIA_TYPE = "text/event-stream"
QUIET_S = 15.0
"""Without news, a comment is sent this often: it finds out who is gone, and who may listen no more."""
MOST = 48
"""Streams that are open at a time, of everybody."""
_open = 0


def documented(model: type[View]) -> dict[int | str, dict[str, Any]]:
    """Such a stream for the `responses` of a route; `itemSchema` is OpenAPI 3.2's, section 4.14.4."""
    item = {
        "type": "object",
        "required": ["event", "data"],
        "properties": {
            "event": {"enum": ["item", "problem"], "description": "`problem`: a ProblemDetails, at the end."},
            "data": {
                "type": "string",
                "contentMediaType": "application/json",
                "contentSchema": {"$ref": f"#/components/schemas/{model.__name__}"},
            },
        },
    }
    return {200: {"description": "Until closed.", "content": {MEDIA_TYPE: {"itemSchema": item}}}}


Items = AsyncGenerator[View | str | None]
"""A view is sent as JSON; a string, a piece of a page, as it is; None not at all."""
Next = asyncio.Future[View | str | None]


def streamed(items: Items, may: Callable[[], bool], first: Next | None = None) -> StreamingResponse:
    """Send all items, for as long as `may` says that whoever listens may; raises Problem for too many.

    `first`: the first of them, if it has been asked for.
    """
    if _open >= MOST:
        raise Problem(503, "too_many", "Too many pages are open.", "Close some.", {"Retry-After": "15"})
    return StreamingResponse(
        _events(items, may, first), media_type=MEDIA_TYPE, headers={"X-Accel-Buffering": "no"}
    )


async def begun(items: Items, may: Callable[[], bool]) -> StreamingResponse:
    """Answer once there is a first item: whoever sees an answer misses nothing that happens from then on."""
    first = asyncio.ensure_future(anext(items))
    try:
        await asyncio.wait([first])
        return streamed(items, may, first)
    except BaseException:
        await _closed(items, first)
        raise


async def _events(items: Items, may: Callable[[], bool], following: Next | None) -> AsyncGenerator[str]:
    global _open  # noqa: PLW0603 - the process has one limit
    _open += 1
    try:
        following = following or asyncio.ensure_future(anext(items))
        await asyncio.sleep(0)  # now it is asked for
        yield ": listening\n\n"
        while True:
            done, _ = await asyncio.wait([following], timeout=QUIET_S)
            if not may():
                return
            if not done:
                yield ": nothing new\n\n"
                continue
            item, following = await following, asyncio.ensure_future(anext(items))
            if item is None:
                continue
            lines = item.splitlines() if isinstance(item, str) else [item.model_dump_json()]
            yield "event: item\n" + "".join(f"data: {line}\n" for line in lines) + "\n"
    except StopAsyncIteration:
        return
    except Refusal as refusal:
        yield f"event: problem\ndata: {problem_of(refusal).details.model_dump_json()}\n\n"
    finally:
        _open -= 1
        await _closed(items, following)


async def _closed(items: Items, following: Next | None) -> None:
    if following is not None:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
    await items.aclose()
