"""A hostile technician: a process that asks the console's local socket as fast as it answers."""

import contextlib
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from support.process.daemons import ForkedProcess

CONNECTIONS, PIPELINED = 16, 20


@contextlib.contextmanager
def flooding_console(path: Path, target: str) -> Iterator[None]:
    """Request that target over and over, on many connections, and read the answers."""
    process = ForkedProcess(_flood, str(path), target)
    try:
        yield
    finally:
        process.kill()
        process._process.join()
        process._process.close()


def _flood(path: str, target: str) -> None:
    os.nice(1)
    requests = f"GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode() * PIPELINED

    def ask() -> None:
        while True:
            with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as sock:
                sock.connect(path)
                threading.Thread(target=_drop_answers, args=(sock,), daemon=True).start()
                while True:
                    sock.sendall(requests)
            time.sleep(0.01)  # refused: the console has reached its limit of connections

    for _ in range(CONNECTIONS):
        threading.Thread(target=ask, daemon=True).start()
    threading.Event().wait()


def _drop_answers(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while sock.recv(65_536):
            pass
