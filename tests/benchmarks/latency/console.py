"""Cost of open console pages: latency, CPU and memory with no page open, with one, and with ten."""

import contextlib
import os
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.candidates import GATEWAY
from benchmarks.measures import NotMeasuredError, prepare, steady

PAGES = (0, 1, 10)
LIVE = b"GET /api/v1/live HTTP/1.1\r\nHost: localhost\r\n\r\n"


@dataclass
class ConsoleTimes:
    """A gateway at 20 lines a second with this number of open pages."""

    pages: int
    latencies_ms: list[float]
    cpu_percent: float
    """CPU of all processes, the console's included, in percent of a core."""
    pss_mib: float
    """Memory, with the console's process, if there is one."""


def consoles(lines: int) -> list[ConsoleTimes]:
    """Measure one gateway, with an increasing number of open pages."""
    found = []
    with prepare(GATEWAY) as setup:
        setup.start()
        setup.settle()
        for pages in PAGES:
            with _open(setup.setting.folder / "state", pages):
                setup.settle()
                latencies, cpu = steady(setup, lines)
                found.append(ConsoleTimes(pages, latencies, cpu, sum(setup.process.pss_mib())))
    return found


@contextlib.contextmanager
def _open(state_dir: Path, pages: int) -> Iterator[None]:
    """Keep this number of event streams open, each with a reader."""
    with contextlib.ExitStack() as open_pages:
        for _ in range(pages):
            page = open_pages.enter_context(socket.socket(socket.AF_UNIX))
            page.settimeout(20)
            with contextlib.ExitStack() as folder:
                descriptor = os.open(state_dir, os.O_PATH)
                folder.callback(os.close, descriptor)
                page.connect(f"/proc/self/fd/{descriptor}/console.sock")
            page.sendall(LIVE)
            if not page.recv(1 << 16).startswith(b"HTTP/1.1 200"):
                raise NotMeasuredError("the console does not answer")
            page.settimeout(None)
            reading = threading.Thread(target=_read, args=(page,))
            reading.start()
            open_pages.callback(reading.join)
            open_pages.callback(page.shutdown, socket.SHUT_RDWR)
        yield


def _read(page: socket.socket) -> None:
    while page.recv(1 << 16):
        pass
