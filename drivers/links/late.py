"""Answers that nobody waits for any longer, and that may come all the same."""

import asyncio
from collections.abc import Callable


class LateAnswers:
    """On a wire whose answers carry no number: what was asked and not answered, and until when it may be.

    `late_s`: so long after it was given up an answer may still come, in seconds.
    """

    def __init__(self, late_s: float) -> None:
        self._late_s = late_s
        self._until: dict[bytes, float] = {}

    def expect(self, question: bytes) -> None:
        """Nobody waits for the answer to this any longer."""
        self._until[question] = asyncio.get_running_loop().time() + self._late_s

    def until(self, alike: Callable[[bytes], bool]) -> float:
        """Until when answers to questions like that may come, a time of the loop; 0 if none may."""
        now_s = asyncio.get_running_loop().time()
        self._until = {question: late_s for question, late_s in self._until.items() if late_s > now_s}
        return max((late_s for question, late_s in self._until.items() if alike(question)), default=0.0)
