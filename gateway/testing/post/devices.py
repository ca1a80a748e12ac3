"""Devices of a simulated post: their program, their ports, and the gateway's file."""

import contextlib
import json
import os
import re
import select
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from gateway.testing.post.errors import FolderTooLongError, PostError
from gateway.testing.post.programs import Program, running

SERVICES = ("CONSOLE", "WEBSOCKET", "READER", "CHIP", "CAMERA", "FINGER")
"""Services of a post that listen at a port of their own, as the variables of its files name them."""
LONGEST_SOCKET = "simulators.sock"
"""Name of the socket with the longest path in a post's folder."""
SOCKET_PATH_MAX = 107
"""Longest path of a Unix socket, in bytes (unix(7))."""
READY_S = 60.0
"""Time for the simulated devices to appear, in seconds."""


def port_variables(folder: str, ports: list[int]) -> dict[str, str]:
    """Return the variables of a post's files: its folder, and the port of each service."""
    named = {f"BORDERPOST_{name}_PORT": str(port) for name, port in zip(SERVICES, ports, strict=True)}
    return {"BORDERPOST_RUN": folder, **named}


def require_short(run_dir: Path) -> None:
    """Raise FolderTooLongError if the post's sockets cannot be created in its folder."""
    if len(os.fsencode(run_dir / LONGEST_SOCKET)) > SOCKET_PATH_MAX:
        raise FolderTooLongError(
            f"{run_dir}: too long for the post's sockets (at most {SOCKET_PATH_MAX} bytes)\n"
            "    set TMPDIR to a shorter folder, such as TMPDIR=/tmp"
        )


@contextlib.contextmanager
def simulated_devices(
    post: Path,
    run_dir: Path,
    check: Callable[[], None] = lambda: None,
    environment: Mapping[str, str] | None = None,
) -> Iterator[tuple[Program, int]]:
    """Run the simulated devices.

    `check` raises where the start is to be given up. `environment`: variables of their file.
    Yields their program, and the descriptor that becomes readable when they are ready.
    """
    ours, theirs = os.pipe()
    command = [sys.executable, "-m", "simulators", str(post), "--run-dir", str(run_dir)]
    try:
        with contextlib.ExitStack() as stack:
            try:
                check()
                command += ["--ready-fd", str(theirs)]
                program = running("simulators", command, run_dir, (theirs,), environment)
                started = stack.enter_context(program)
            finally:
                os.close(theirs)
            yield started, ours
    finally:
        os.close(ours)


def wait_for_devices(ready: int, check: Callable[[], None] = lambda: None) -> bool:
    """Wait for the devices; False if their program ended instead.

    Raises PostError where they are not ready within READY_S; `check` raises to give up earlier.
    """
    for _ in range(int(READY_S * 10)):
        check()
        if select.select([ready], [], [], 0.1)[0]:
            return bool(os.read(ready, 1))
    raise PostError(
        f"The simulated devices are not ready after {READY_S:g} s; the machine may be overloaded."
    )


def write_resolved(config: Path, copy: Path, environment: Mapping[str, str]) -> None:
    """Copy a post's file with the variables of a run filled in, so that other programs can read it.

    Files that it names relative to its folder are linked beside the copy.
    """
    text = config.read_text("utf-8")
    for name, value in environment.items():
        filled = json.dumps(value)[1:-1].replace("\\", "\\\\")
        text = re.sub(rf"\$\{{{name}(:-[^}}]*)?\}}", filled, text)
    copy.write_text(text)
    for name in _strings(tomllib.loads(text)):
        relative = Path(name)
        if not name or relative.is_absolute() or ".." in relative.parts:
            continue
        with contextlib.suppress(OSError, ValueError):
            if (config.parent / relative).exists():
                (copy.parent / relative).parent.mkdir(parents=True, exist_ok=True)
                (copy.parent / relative).symlink_to((config.parent / relative).absolute())


def _strings(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case dict():
            for inner in value.values():
                yield from _strings(inner)
        case list():
            for inner in value:
                yield from _strings(inner)
