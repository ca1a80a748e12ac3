"""Attempts of a hostile driver whose device is on the network: at other hosts, and at the doorman."""

import asyncio
import ctypes
import errno
import json
import os
import socket
from typing import Any

from hostile_calls import Targets, attempt, libc

OTHER_HOST = "127.0.0.2"
"""Another host, where the allowed port is open as well."""


def channel() -> socket.socket | None:
    """Return the socket to the doorman; None without a jail."""
    doorman = getattr(asyncio.get_running_loop(), "doorman", None)
    return None if doorman is None else doorman._channel


def ask(request: dict[str, Any]) -> tuple[dict[str, Any], socket.socket]:
    """Send a request and return the answer with its socket; raises OSError."""
    doorman = channel()
    if doorman is None:
        raise OSError(errno.ENOTCONN, "no doorman")
    doorman.setblocking(True)
    doorman.send(json.dumps({"id": 1, **request}).encode())
    message, descriptors, _, _ = socket.recv_fds(doorman, 4096, 1)
    answer = json.loads(message or b'{"errno": 104}')
    if not descriptors:
        raise OSError(answer.get("errno", errno.EIO), "no socket")
    return answer, socket.socket(fileno=descriptors[0])


def own_device(targets: Targets) -> socket.socket:
    """Return a connection to the own device."""
    address = "127.0.0.1", int(targets["allowed_port"])
    if channel() is None:
        return socket.create_connection(address)
    return ask({"host": address[0], "port": address[1]})[1]


@attempt
def connect_allowed_port(targets: Targets) -> None:
    """Connect to the own device: no attack."""
    own_device(targets).close()


@attempt
def connect_other_host(targets: Targets) -> None:
    with socket.socket() as one:
        one.settimeout(2)
        one.connect((OTHER_HOST, int(targets["allowed_port"])))


@attempt
def reconnect_own_connection(targets: Targets) -> None:
    """connect(2) with AF_UNSPEC releases a socket, which then can be connected again."""
    with own_device(targets) as one:
        if libc.connect(one.fileno(), bytes(16), 16) != 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        one.connect((OTHER_HOST, int(targets["allowed_port"])))


@attempt
def ask_for_other_host(targets: Targets) -> None:
    ask({"host": OTHER_HOST, "port": int(targets["allowed_port"])})[1].close()


@attempt
def ask_for_other_port(targets: Targets) -> None:
    ask({"host": "127.0.0.1", "port": int(targets["port"])})[1].close()


@attempt
def ask_for_name(targets: Targets) -> None:
    ask({"host": "localhost", "port": int(targets["allowed_port"])})[1].close()


@attempt
def ask_for_address_in_other_spelling(targets: Targets) -> None:
    """An address that C libraries read as 127.0.0.2."""
    ask({"host": "0x7f000002", "port": int(targets["allowed_port"])})[1].close()


@attempt
def resolve_other_name(_targets: Targets) -> None:
    """Names that are resolved can carry data out of the machine."""
    ask({"host": "secret.example"})[1].close()


@attempt
def flood_doorman(targets: Targets) -> None:
    doorman = channel()
    if doorman is None:
        raise OSError(errno.ENOTCONN, "no doorman")
    doorman.setblocking(True)
    for number in range(100_000):
        request = {"id": number, "host": "127.0.0.1", "port": int(targets["allowed_port"])}
        doorman.send(json.dumps(request).encode())


@attempt
def send_garbage_to_doorman(_targets: Targets) -> None:
    doorman = channel()
    if doorman is None:
        raise OSError(errno.ENOTCONN, "no doorman")
    doorman.setblocking(True)
    doorman.send(b"[" * 4000)
    if not doorman.recv(100):
        raise ConnectionResetError(errno.ECONNRESET, "closed")


@attempt
def ask_for_search(_targets: Targets) -> None:
    """Ask for a search that the device does not make."""
    ask({"search": True})[1].close()


@attempt
def reconnect_search(targets: Targets) -> None:
    _, search = ask({"search": True})
    with search:
        search.connect("\0" + str(targets["abstract_datagrams"]))
        search.send(b"x")


@attempt
def flood_search(_targets: Targets) -> None:
    _, search = ask({"search": True})
    with search:
        for _ in range(100_000):
            search.send(b"x" * 1000)
