"""Questions and their answers over a corridor: asked with a ticket, answered once or on and on until enough.

Who does not keep up pays for it himself: what he has not taken is bounded, and the oldest of it goes first.
"""

import asyncio
import itertools
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any, Literal, NamedTuple, Self, get_args

import structlog

from gateway.ipc.frames import Corridor, Kind

log = structlog.get_logger()

KEPT_BYTES = 4 * 1024 * 1024
KEPT_PIECES = 1024
"""How much of an answer waits for whoever asked; beyond it the oldest is lost."""
OPEN_QUESTIONS = 64
"""How many questions one end answers at a time."""

Code = Literal["unknown", "not_permitted", "conflict", "unavailable"]


class Refusal(Exception):  # noqa: N818 - an answer, not a fault
    """It is not done, or not told; nothing has changed."""

    def __init__(self, code: Code, text: str, how: str = "") -> None:
        super().__init__(text)
        self.code = code
        self.text = text
        self.how = how


class Piece(NamedTuple):
    """A part of an answer."""

    body: bytes
    lost: int
    """How many before it were lost, because nobody took them in time."""


class Bounded:
    """Pieces that wait for whoever takes them; the oldest are lost when there are too many."""

    def __init__(self) -> None:
        self._waiting: deque[bytes] = deque()
        self._size = 0
        self._lost = 0
        self._news = asyncio.Event()
        self._ended: Refusal | Literal[True] | None = None

    def put(self, body: bytes) -> None:
        """Add a piece."""
        self._waiting.append(body)
        self._size += len(body)
        while len(self._waiting) > KEPT_PIECES or (self._size > KEPT_BYTES and len(self._waiting) > 1):
            self._size -= len(self._waiting.popleft())
            self._lost += 1
        self._news.set()

    def end(self, refusal: Refusal | None = None) -> None:
        """Nothing more comes; `refusal`: why."""
        self._ended = refusal or True
        self._news.set()

    def __aiter__(self) -> Self:
        """Take what comes, until the end."""
        return self

    async def __anext__(self) -> Piece:
        """Wait for a piece; raises the refusal that it ended with."""
        while not self._waiting:
            if isinstance(self._ended, Refusal):
                raise self._ended
            if self._ended:
                raise StopAsyncIteration
            self._news.clear()
            await self._news.wait()
        body = self._waiting.popleft()
        self._size -= len(body)
        lost, self._lost = self._lost, 0
        return Piece(body, lost)


class Questions:
    """The end that asks. `send` sends a frame of the corridor."""

    def __init__(self, send: Callable[[Kind, dict[str, Any], bytes], None]) -> None:
        self._send = send
        self._tickets = itertools.count(1)
        self._asked: dict[int, Bounded] = {}

    async def ask(self, what: str, body: bytes = b"", **head: Any) -> AsyncGenerator[Piece]:
        """Ask, and yield the answer in pieces, as they come; raises Refusal. To close it is enough."""
        ticket = next(self._tickets)
        answer = self._asked[ticket] = Bounded()
        self._send(Kind.ASK, {"ticket": ticket, "what": what, **head}, body)
        try:
            async for piece in answer:
                yield piece
        finally:
            if self._asked.pop(ticket, None) is not None:
                self._send(Kind.ENOUGH, {"ticket": ticket}, b"")

    async def ask_once(self, what: str, body: bytes = b"", **head: Any) -> bytes:
        """Ask what has an answer of one piece; raises Refusal."""
        async with aclosing(self.ask(what, body, **head)) as pieces:
            async for piece in pieces:
                return piece.body
        raise Refusal("unavailable", "There was no answer.")

    def told(self, head: dict[str, Any], body: bytes) -> None:
        """Take a TOLD frame; one that nobody waits for any more is passed over."""
        if not head.get("end"):
            if (answer := self._asked.get(head["ticket"])) is not None:
                answer.put(body)
        elif (answer := self._asked.pop(head["ticket"], None)) is not None:
            refused = head.get("refused")
            answer.end(Refusal(_code(refused[0]), *refused[1:]) if refused else None)

    def gone(self, text: str) -> None:
        """The other end is gone: nothing that was asked will be answered."""
        while self._asked:
            _, answer = self._asked.popitem()
            answer.end(Refusal("unavailable", text))


def _code(word: str) -> Code:
    return next((code for code in get_args(Code) if code == word), "unavailable")


Answer = Callable[[dict[str, Any], bytes], AsyncGenerator[bytes]]
"""From a question's head and body to its answer; raises Refusal."""


class Answers:
    """The end that answers, each question beside the others."""

    def __init__(self, corridor: Corridor, answer: Answer) -> None:
        self._corridor = corridor
        self._answer = answer
        self._running: dict[int, asyncio.Task[None]] = {}

    def asked(self, head: dict[str, Any], body: bytes) -> None:
        """Take an ASK frame."""
        ticket = head["ticket"]
        if len(self._running) >= OPEN_QUESTIONS:
            self._end(ticket, ["unavailable", "Too much is asked at once.", "Close some pages."])
            return
        task = asyncio.create_task(self._tell(ticket, head, body), name=f"answer {head['what']}")
        self._running[ticket] = task

    def enough(self, head: dict[str, Any]) -> None:
        """Take an ENOUGH frame: nobody listens any more."""
        if (task := self._running.get(head["ticket"])) is not None:
            task.cancel()

    async def close(self) -> None:
        """End all answers."""
        running = list(self._running.values())
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def _tell(self, ticket: int, head: dict[str, Any], body: bytes) -> None:
        refused: list[str] | None = None
        try:
            async with aclosing(self._answer(head, body)) as pieces:
                async for piece in pieces:
                    await self._corridor.drained()
                    self._corridor.send(Kind.TOLD, {"ticket": ticket}, piece)
        except Refusal as refusal:
            refused = [refusal.code, refusal.text, refusal.how]
        except Exception as error:
            log.error("answer_failed", text=head["what"], exc_info=error)
            refused = ["unavailable", "The gateway met something it does not understand.", "See its journal."]
        finally:
            del self._running[ticket]
        self._end(ticket, refused)

    def _end(self, ticket: int, refused: list[str] | None) -> None:
        self._corridor.send(Kind.TOLD, {"ticket": ticket, "end": True, "refused": refused})
