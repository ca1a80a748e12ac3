"""Load on every processor of the machine. It ends with this program, however that ends."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

LIMIT_S = 300.0
"""Longest time under load, in seconds."""
PROGRAM = """
import os, sys, time
parent, end_s = int(sys.argv[1]), time.monotonic() + float(sys.argv[2])
while os.getppid() == parent and time.monotonic() < end_s:
    for _ in range(100_000):
        pass
"""


@contextmanager
def busy_machine(processes: int | None = None) -> Iterator[int]:
    """Keep every processor busy with ordinary priority; yields the number of processes."""
    count = processes or len(os.sched_getaffinity(0))
    command = [sys.executable, "-I", "-S", "-c", PROGRAM, str(os.getpid()), str(LIMIT_S)]
    with ExitStack() as stack:
        for _ in range(count):
            process = stack.enter_context(subprocess.Popen(command, stdin=subprocess.DEVNULL))
            stack.callback(process.kill)
        yield count
