"""Launcher of the console: listening sockets, and a console process that runs while a client is connected.

The daemon only waits for a socket to become readable and passes it to a process that accepts. So an unused
console costs nothing, and a crash of it affects nothing else.
"""

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from drivers.links.device_node import wait_ready
from gateway.ipc.frames import FrameConnection, FrameType
from gateway.ipc.rpc import RpcServer

if TYPE_CHECKING:
    from gateway.management.api_server import ManagementApi

log = structlog.get_logger()

SOCKET = "console.sock"
UNFINISHED = ".console.sock"
"""Name of the socket until it accepts connections."""
BACKLOG = 16
STOP_TIMEOUT_S = 1.0
"""Time for the console process to end, in seconds."""
CRASH_WINDOW_S = 5.0
"""A process that failed within this time is restarted after a delay, in seconds."""
RESTART_DELAY_S = 2.0


class ConsoleLauncher:
    """Listening sockets of one gateway, and the process that serves them on demand."""

    def __init__(
        self,
        folder: Path,
        config: Path,
        open_api: "Callable[[], ManagementApi]",
        program: Sequence[str] = (sys.executable, "-m", "gateway.console"),
        systemd_socket: socket.socket | None = None,
    ) -> None:
        """Create it; `open_api` is called at the first connection, `program` is the console.

        `systemd_socket` is the local socket if the service manager has opened it.
        """
        self._systemd_socket = systemd_socket
        self._program = program
        self._folder = folder
        self._config = config
        self._open_api = open_api
        self._sockets: dict[str, socket.socket] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self._serving: asyncio.Task[None] | None = None

    def open(self, listen: str | None) -> None:
        """Open the sockets; raises OSError, and then serves those that could be opened."""
        failed = None
        for name, opened in (
            ("--socket", _open_unix_socket(self._folder, self._systemd_socket)),
            ("--tcp", _open_tcp_socket(listen)),
        ):
            try:
                if (one := opened()) is not None:
                    self._sockets[name] = one
            except OSError as error:
                failed = error
        self._serving = asyncio.create_task(self._serve(), name="reception")
        if failed is not None:
            raise failed

    async def close(self) -> None:
        """Close the sockets and end the console process."""
        if self._serving is not None:
            self._serving.cancel()
            await asyncio.gather(self._serving, return_exceptions=True)
            self._serving = None
        if "--socket" in self._sockets:
            with contextlib.suppress(OSError):
                (self._folder / SOCKET).unlink()
        while self._sockets:
            self._sockets.popitem()[1].close()

    async def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        while self._sockets:
            await self._wait_for_client()
            born = loop.time()
            try:
                code = await self._run_console()
            except OSError as error:
                log.error("console_not_started", exc_info=error)
                code = None
            log.info("console_ended", exit_code=code, seconds=round(loop.time() - born, 1))
            if code and loop.time() - born < CRASH_WINDOW_S:
                self._reject_waiting()
                await asyncio.sleep(RESTART_DELAY_S)

    async def _wait_for_client(self) -> None:
        """Wait for a connection."""
        waiting = [asyncio.create_task(wait_ready(each.fileno())) for each in self._sockets.values()]
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)

    def _reject_waiting(self) -> None:
        """Close waiting connections, which cannot be served now."""
        for each in self._sockets.values():
            with contextlib.suppress(BlockingIOError):
                while True:
                    each.accept()[0].close()

    async def _run_console(self) -> int:
        """Run the console process until it ends; returns its exit code, negative for a signal."""
        ours, theirs = socket.socketpair()
        async with serve_api(self._open_api(), ours):
            with theirs:
                process = self._start_process(theirs)
            return await _wait_ended(process)

    def _start_process(self, rpc_socket: socket.socket) -> "subprocess.Popen[bytes]":
        descriptors = {"--rpc-fd": rpc_socket} | self._sockets
        named = [word for name, one in descriptors.items() for word in (name, str(one.fileno()))]
        process = subprocess.Popen(
            [*self._program, *named, "--config", str(self._config)],
            pass_fds=[one.fileno() for one in descriptors.values()],
            stdin=subprocess.DEVNULL,
        )
        log.info("console_started", pid=process.pid)
        return process


@asynccontextmanager
async def serve_api(api: "ManagementApi", channel: socket.socket) -> AsyncIterator[None]:
    """Serve the management API on a socket, and close the socket."""
    answers: RpcServer | None = None

    def received(kind: FrameType, head: dict[str, Any], body: bytes) -> None:
        if answers is not None and kind is FrameType.REQUEST:
            answers.on_request(head, body)
        elif answers is not None and kind is FrameType.CANCEL:
            answers.on_cancel(head)

    connection = FrameConnection(received, lambda: None)
    answers = RpcServer(connection, api.serve_request)
    channel.setblocking(False)
    await asyncio.get_running_loop().create_unix_connection(lambda: connection, sock=channel)
    try:
        yield
    finally:
        await answers.close()
        connection.close()


async def _wait_ended(process: "subprocess.Popen[bytes]") -> int:
    """Wait for the end of a process; terminate it when cancelled."""
    pidfd = os.pidfd_open(process.pid)
    try:
        await wait_ready(pidfd)
    except asyncio.CancelledError:
        process.terminate()
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await wait_ready(pidfd)
        except TimeoutError:
            process.kill()
        raise
    finally:
        os.close(pidfd)
        process.wait()
    return process.returncode


def _open_unix_socket(folder: Path, passed: socket.socket | None) -> Callable[[], socket.socket | None]:
    def opened() -> socket.socket:
        path = folder / SOCKET
        path.unlink(missing_ok=True)  # the state directory is locked by us: the earlier listener has ended
        if passed is not None:
            path.symlink_to(passed.getsockname())
            return passed.dup()
        one = socket.socket(socket.AF_UNIX)
        unfinished = folder / UNFINISHED
        unfinished.unlink(missing_ok=True)
        try:
            # A socket path has 107 bytes at most, and that of the directory may be longer.
            folder_descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                one.bind(f"/proc/self/fd/{folder_descriptor}/{UNFINISHED}")
            finally:
                os.close(folder_descriptor)
            unfinished.chmod(0o660)
            one.listen(BACKLOG)
            one.setblocking(False)
            # Between bind and listen clients are refused: the socket gets its name when it accepts them.
            unfinished.rename(path)
        except OSError:
            one.close()
            raise
        return one

    return opened


def _open_tcp_socket(listen: str | None) -> Callable[[], socket.socket | None]:
    def opened() -> socket.socket | None:
        if listen is None:
            return None
        host, _, port = listen.rpartition(":")
        host = host.strip("[]")
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        one = socket.create_server((host, int(port)), family=family, backlog=BACKLOG)
        one.setblocking(False)
        return one

    return opened
