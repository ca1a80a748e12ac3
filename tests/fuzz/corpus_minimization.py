"""The corpus in the repository: a few short inputs that cover the most, of all that a fuzzer kept.

By steps from line to line of our own code, the shortest input first: an input is kept if it takes a new step.
"""

import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from fuzz.target import CORPUS, Target, held

KEPT_BYTES = 10_000
"""Maximum size of a target's file."""
LONGEST = 2048
Step = tuple[CodeType, int, int]
_ROOT = Path(__file__).parents[2]
_OURS = (f"{_ROOT}/drivers/", f"{_ROOT}/gateway/")


class CoverageTracer:
    """Records steps while it is entered."""

    def __init__(self) -> None:
        self.taken: set[Step] = set()

    def __enter__(self) -> "CoverageTracer":
        sys.settrace(self._called)
        return self

    def __exit__(self, *_: object) -> None:
        sys.settrace(None)

    def _called(self, frame: FrameType, event: str, _argument: Any) -> Any:
        code = frame.f_code
        if not code.co_filename.startswith(_OURS):
            return None
        last, taken = 0, self.taken

        def stepped(frame: FrameType, event: str, _argument: Any) -> Any:
            nonlocal last
            if event == "line":
                taken.add((code, last, frame.f_lineno))
                last = frame.f_lineno
            return stepped

        return stepped


def minimize(target: Target, corpus: Path) -> tuple[int, int]:
    """Write its file; return the number of inputs in it, and of all inputs."""
    inputs = {*target.corpus_inputs(), *(file.read_bytes() for file in corpus.glob("*"))}
    chosen = list(_chosen(target, sorted(inputs, key=lambda data: (len(data), data))))
    file = CORPUS / f"{target.name}.txt"
    file.write_text("".join(chosen))
    if not chosen:
        file.unlink()
    held.close()
    return len(chosen), len(inputs)


def _chosen(target: Target, inputs: list[bytes]) -> Iterator[str]:
    known: set[Step] = set()
    size = 0
    for data in (*target.seeds, *inputs):
        with CoverageTracer() as steps, suppress(Exception):
            target.run(data)
        line = repr(data) + "\n"
        new = steps.taken - known
        known |= new
        if not new or data in target.seeds or len(data) > LONGEST or size + len(line) > KEPT_BYTES:
            continue
        size += len(line)
        yield line
