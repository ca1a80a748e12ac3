"""Hostile devices: processes of their own that send as fast as the line or connection takes it."""

import contextlib
import itertools
import os
import socket
import threading
import tty
from collections.abc import Callable, Iterator
from pathlib import Path

from support.process.daemons import ForkedProcess

BELOW_TESTS = 1
"""Niceness of the flood: the measurement runs on the same cores."""


@contextlib.contextmanager
def flooding_line(port: Path, chunk: bytes) -> Iterator[None]:
    """Send these bytes over and over on a serial line, whoever listens."""
    with _running(_flood_line, str(port), chunk):
        yield


@contextlib.contextmanager
def flooding_service(bound: socket.socket, chunk: bytes) -> Iterator[None]:
    """Accept connections at that socket's port, and send these bytes on each over and over, unasked."""
    with _running(_flood_clients, bound, chunk):
        yield


@contextlib.contextmanager
def flooding_pushes(port: int) -> Iterator[None]:
    """Push vehicles as an Axis camera does, each another one, without waiting for an answer."""
    with _running(_flood_pushes, port):
        yield


@contextlib.contextmanager
def _running(target: Callable[..., None], *arguments: object) -> Iterator[None]:
    process = ForkedProcess(target, *arguments)
    try:
        yield
    finally:
        process.kill()
        process._process.join()
        process._process.close()


def _flood_line(port: str, chunk: bytes) -> None:
    os.nice(BELOW_TESTS)
    master, slave = os.openpty()
    tty.setraw(slave)
    Path(port).symlink_to(os.ttyname(slave))
    while True:
        os.write(master, chunk)


def _flood_clients(listener: socket.socket, chunk: bytes) -> None:
    os.nice(BELOW_TESTS)
    listener.listen()

    def send(client: socket.socket) -> None:
        with contextlib.suppress(OSError), client:
            while True:
                client.sendall(chunk)

    while True:
        threading.Thread(target=send, args=(listener.accept()[0],), daemon=True).start()


def _flood_pushes(port: int) -> None:
    os.nice(BELOW_TESTS)

    def drop_answers(sock: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while sock.recv(65_536):
                pass

    numbers = itertools.count()
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)) as sock:
            threading.Thread(target=drop_answers, args=(sock,), daemon=True).start()
            while True:
                sock.sendall(b"".join(_push(next(numbers)) for _ in range(50)))


def _push(number: int) -> bytes:
    body = b'{"plateUTF8":"KAA%03dA","carState":"new","carID":"%d"}' % (number % 1000, number)
    return b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
