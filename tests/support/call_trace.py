"""Calls of a gateway's processes, while a test records them: files of the project and their functions.

Every process of the daemon notes its calls in a file that all have mapped, because a confined worker can
open none.
"""

import contextlib
import mmap
import os
import sys
import threading
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Self

MAP = "CALL_TRACE_MAP"
"""Environment variable with the path of the mapped file; its first byte is the recording's number, or 0."""
PLACES, PLACE_BYTES = 64, 1 << 17
"""Places for processes, by their pid, and the length of each."""
FOLDERS = ("gateway", "drivers")
TESTS = Path(__file__).resolve().parents[1]
STARTUP = "from support.call_trace import trace_process\n\ntrace_process()\n"


class CallTrace:
    """Recorded calls of one daemon."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.path = folder, TESTS
        """Comes first in the daemon's PYTHONPATH: Python imports `sitecustomize` before anything else."""
        (folder / "sitecustomize.py").write_text(STARTUP)
        file = folder / "calls"
        file.write_bytes(bytes(PLACE_BYTES * (PLACES + 1)))
        self.environment = {MAP: str(file)}
        with file.open("r+b") as opened:
            self._map = mmap.mmap(opened.fileno(), 0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._map.close()

    @contextlib.contextmanager
    def recording(self, number: int) -> Iterator[None]:
        """Record calls while the context is open; `number`: from 1."""
        self._map[0] = number
        try:
            yield
        finally:
            self._map[0] = 0

    def calls(self, recording: int) -> dict[str, set[str]]:
        """Return the functions that were called, by file, relative to the project."""
        found: dict[str, set[str]] = defaultdict(set)
        noted = self._map[PLACE_BYTES:].replace(b"\0", b"").decode()
        for line in noted.splitlines():
            number, file, function = line.split("\t")
            if int(number) == recording:
                found[file].add(function)
        return found


def trace_process() -> None:
    """Note calls of this process and of its children, if a trace is wanted."""
    if (file := os.environ.get(MAP)) is None:
        return
    root = f"{TESTS.parent}/"
    wanted = tuple(f"{root}{folder}/" for folder in FOLDERS)
    with open(file, "r+b") as opened:  # noqa: PTH123 - imported before the environment's libraries
        shared = mmap.mmap(opened.fileno(), 0)
    noted: set[bytes] = set()
    used = 0

    def note(frame: FrameType, event: str, _: object) -> None:
        nonlocal used
        number = shared[0]
        if event != "call" or not number or not frame.f_code.co_filename.startswith(wanted):
            return
        name = frame.f_code.co_filename.removeprefix(root)
        line = f"{number}\t{name}\t{frame.f_code.co_qualname}\n".encode()
        if line not in noted:
            noted.add(line)
            start = PLACE_BYTES * (1 + os.getpid() % PLACES) + used
            shared[start : start + len(line)] = line
            used += len(line)

    def begin_in_child() -> None:
        nonlocal used
        noted.clear()
        used = 0

    os.register_at_fork(after_in_child=begin_in_child)
    threading.setprofile(note)
    sys.setprofile(note)
