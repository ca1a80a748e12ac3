"""Client of the control API: one request to the socket or the port of a simulated post."""

import asyncio
import contextlib
import json
import os
import socket
from collections.abc import Mapping
from typing import Any

from simulators.control.control_port import parse_listen
from simulators.errors import SimulatorError

TCP = "tcp://"
ANSWER_MAX = 16 * 1024 * 1024
"""Longest answer, in bytes."""
Address = str | os.PathLike[str]
"""Path of a control socket, or `tcp://HOST:PORT`."""


async def send_command(address: Address, request: Mapping[str, Any], *, token: str = "") -> dict[str, Any]:
    """Send one request to a simulated post and return its answer, `ok` or not.

    `token`: of the post, for an address `tcp://HOST:PORT`. Raises SimulatorError when no post answers there.
    """
    text = os.fspath(address)
    try:
        if text.startswith(TCP):
            host, port = parse_listen(text.removeprefix(TCP))
            reader, writer = await asyncio.open_connection(host, port, limit=ANSWER_MAX)
        else:
            reader, writer = await asyncio.open_unix_connection(text, limit=ANSWER_MAX)
    except OSError as error:
        raise _no_post_error(text) from error
    try:
        writer.write(_encoded(request, text, token))
        return _decoded(await reader.readline(), text)
    except ConnectionError as error:
        raise _no_post_error(text) from error
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def send_command_blocking(
    address: Address, request: Mapping[str, Any], *, timeout_s: float = 30.0, token: str = ""
) -> dict[str, Any]:
    """Run `send_command` without an event loop; give up after `timeout_s` seconds."""
    text = os.fspath(address)
    try:
        with _connected(text, timeout_s) as connection, connection.makefile("rb") as answers:
            connection.sendall(_encoded(request, text, token))
            return _decoded(answers.readline(), text)
    except OSError as error:
        raise _no_post_error(text) from error


def _connected(address: str, timeout_s: float) -> socket.socket:
    if address.startswith(TCP):
        return socket.create_connection(parse_listen(address.removeprefix(TCP)), timeout_s)
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.settimeout(timeout_s)
        connection.connect(address)
    except BaseException:
        connection.close()
        raise
    return connection


def _encoded(request: Mapping[str, Any], address: str, token: str) -> bytes:
    named = {"token": token} if address.startswith(TCP) else {}
    return json.dumps({**request, **named}).encode() + b"\n"


def _decoded(line: bytes, address: str) -> dict[str, Any]:
    if not line.endswith(b"\n"):
        raise _no_post_error(address)
    answer: dict[str, Any] = json.loads(line)
    return answer


def _no_post_error(address: str) -> SimulatorError:
    return SimulatorError(f"{address}: no simulated post responds here: start one with borderpost simulate")
