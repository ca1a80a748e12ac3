"""Server-sent events (WHATWG HTML, section 9.2): items from the daemon, as they arrive."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Any

from fastapi.responses import StreamingResponse

from gateway.api.models import ApiModel
from gateway.api.operations import RpcError
from gateway.console.web.problems import HttpProblem, from_rpc_error

MEDIA_TYPE = "text/event-stream"
KEEPALIVE_S = 15.0
"""Seconds without an item after which a comment is sent: it detects closed connections and ended logins."""
ALIVE_S = 1.0
"""Seconds without an item after which a page gets the age of its content."""
MAX_STREAMS = 48
"""Maximum number of open streams, of all users."""
_open_streams = 0


def stream_responses(model: type[ApiModel]) -> dict[int | str, dict[str, Any]]:
    """Return the `responses` of a streaming route; `itemSchema` is OpenAPI 3.2's, section 4.14.4."""
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


Items = AsyncGenerator[ApiModel | str | None]
"""A view is sent as JSON; a string, a fragment of a page, unchanged; None is not sent."""
NextItem = asyncio.Future[ApiModel | str | None]


def event_stream(
    items: Items,
    is_allowed: Callable[[], bool],
    first: NextItem | None = None,
    age_s: Callable[[], float] | None = None,
) -> StreamingResponse:
    """Stream all items while `is_allowed` returns True; raises HttpProblem for too many streams.

    `first`: the first item, if it was requested already. `age_s`: returns the time since the gateway has
    confirmed the content, in seconds, which is sent as the event `alive` while there is no item.
    """
    if _open_streams >= MAX_STREAMS:
        raise HttpProblem(
            503,
            "too_many",
            "Too many pages are open, so this one gets no live updates.",
            "Close some.",
            {"Retry-After": "15"},
        )
    return StreamingResponse(
        _events(items, is_allowed, first, age_s), media_type=MEDIA_TYPE, headers={"X-Accel-Buffering": "no"}
    )


async def event_stream_after_first(items: Items, is_allowed: Callable[[], bool]) -> StreamingResponse:
    """Respond once there is a first item: a client that sees the response misses no later item."""
    first = asyncio.ensure_future(anext(items))
    try:
        await asyncio.wait([first])
        return event_stream(items, is_allowed, first)
    except BaseException:
        await _closed(items, first)
        raise


async def _events(
    items: Items,
    is_allowed: Callable[[], bool],
    following: NextItem | None,
    age_s: Callable[[], float] | None,
) -> AsyncGenerator[str]:
    global _open_streams  # noqa: PLW0603 - the process has one limit
    _open_streams += 1
    try:
        following = following or asyncio.ensure_future(anext(items))
        await asyncio.sleep(0)  # Now the item is requested.
        yield ": listening\n\n"
        while True:
            wait_s = KEEPALIVE_S if age_s is None else ALIVE_S
            done, _ = await asyncio.wait([following], timeout=wait_s)
            if not is_allowed():
                return
            if not done:
                yield ": nothing new\n\n" if age_s is None else f"event: alive\ndata: {age_s():.2f}\n\n"
                continue
            item, following = await following, asyncio.ensure_future(anext(items))
            if item is None:
                continue
            lines = item.splitlines() if isinstance(item, str) else [item.model_dump_json()]
            yield "event: item\n" + "".join(f"data: {line}\n" for line in lines) + "\n"
    except StopAsyncIteration:
        return
    except RpcError as refusal:
        yield f"event: problem\ndata: {from_rpc_error(refusal).details.model_dump_json()}\n\n"
    finally:
        _open_streams -= 1
        await _closed(items, following)


async def _closed(items: Items, following: NextItem | None) -> None:
    if following is not None:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
    await items.aclose()
