"""Daemons forked from a process that has imported the gateway: starting Python takes 0.3 s each time.

It has also imported the modules of command lines (`support.process.command_lines`), except those that inspect
the terminal.
"""

import multiprocessing
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterable
from multiprocessing import reduction
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

from support.process.probes import fork_probes

from drivers.links.device_node import wait_ready
from gateway.supervision.processes.forkserver_client import ForkServerClient

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(
    [
        "gateway.__main__",
        "gateway.client",
        "gateway.delivery.outbox.admin",
        "rich.table",
        "typer",
        "support.process.forkserver_preload",
    ]
)


def expect_daemons() -> None:
    """Start the fork server of daemons, so that it exists before a test counts processes."""
    first = FORKS.Process(target=int)
    first.start()
    first.join()
    first.close()


class ForkedProcess:
    """A process that runs a function, with the part of `asyncio.subprocess.Process` that tests use."""

    def __init__(self, target: Callable[..., None], *arguments: object) -> None:
        self._process: ForkServerProcess = FORKS.Process(target=target, args=arguments, daemon=False)
        self._process.start()
        assert self._process.pid is not None
        self.pid = self._process.pid
        self.returncode: int | None = None

    def send_signal(self, number: int) -> None:
        if self.returncode is not None or self._process.exitcode is not None:
            raise ProcessLookupError(self.pid)
        os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    async def wait(self) -> int:
        """Wait for its end; return its exit code, or the signal as a negative number."""
        if self.returncode is None:
            await wait_ready(self._process.sentinel)
            self._process.join()
            self.returncode = self._process.exitcode
            self._process.close()
        assert self.returncode is not None
        return self.returncode


def fork_daemon(
    config: Path, log: Path, environment: dict[str, str], probe_cpu_s: int, options: Iterable[str] = ()
) -> ForkedProcess:
    """Start a daemon like `python -m gateway CONFIG OPTIONS`.

    `probe_cpu_s`: processor time of a driver's trial.
    """
    log.touch()
    return ForkedProcess(_become_daemon, [str(config), *options], str(log), environment, probe_cpu_s)


def forkserver_client(drivers: Iterable[str], level: str, log: Path | None = None) -> ForkServerClient:
    """Start a fork server of workers; it has imported more than one that is started as a new program."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        process = ForkedProcess(_become_forkserver, theirs, _Descriptor(2) if log is None else str(log))
    client = ForkServerClient([*drivers], level, (process.pid, ours))
    client._process = process  # type: ignore[assignment]
    return client


class _Descriptor:
    """A descriptor that is passed to a forked process. By its path in /proc it could not be opened there.

    A process that is not dumpable, as some tests make it, has that closed to all but root.
    """

    def __init__(self, number: int) -> None:
        self.number = number

    def __getstate__(self) -> Any:
        return reduction.DupFd(self.number)

    def __setstate__(self, passed: Any) -> None:
        self.number = passed.detach()


def _become_forkserver(channel: socket.socket, log: str | _Descriptor) -> None:
    if isinstance(log, str):
        log = _Descriptor(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600))
    os.dup2(log.number, 2)
    from gateway.supervision.processes.forkserver import main

    main(channel)


def _become_daemon(arguments: list[str], log: str, environment: dict[str, str], probe_cpu_s: int) -> None:
    fork_probes(probe_cpu_s)
    os.environ.clear()
    os.environ.update(environment)
    written = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for descriptor, place in ((nothing, 0), (written, 1), (written, 2)):
        os.dup2(descriptor, place)
    os.close(written)
    os.close(nothing)
    sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w"), open(2, "w")  # noqa: SIM115
    sys.path[:0] = environment["PYTHONPATH"].split(os.pathsep)

    from gateway.__main__ import main

    sys.exit(main(arguments))
