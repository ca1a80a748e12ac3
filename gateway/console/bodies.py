"""How much may be sent to the console: forms are short, and nobody fills its memory."""

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LONGEST_BYTES = 64 * 1024


class ShortBodies:
    """Refuses a longer body as soon as somebody wants to read it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request. What comes with a GET nobody reads: a stream drops it, and has begun to answer."""
        if scope.get("method") == "GET":
            await self._app(scope, receive, send)
            return
        size = 0

        async def counted() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > LONGEST_BYTES:
                raise HTTPException(413, f"At most {LONGEST_BYTES} bytes may be sent")
            return message

        await self._app(scope, counted, send)
