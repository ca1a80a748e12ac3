"""Client of the fork server in the daemon: requests workers, reads exit notices, replaces the server."""

import asyncio
import contextlib
import json
import os
import socket
import sys

from drivers.links.device_node import wait_ready
from gateway.common.process import kept_environment
from gateway.supervision.processes.forkserver import setup_message

EXIT_NOTICE_TIMEOUT_S = 1.0
"""Time limit for the notice of a worker's end, in seconds, once the kernel has ended it."""
MAX_EXIT_STATUSES = 256


class _ForkedProcess:
    """Child made by fork alone, with the part of `asyncio.subprocess.Process` that the client uses."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._code: int | None = None

    @property
    def returncode(self) -> int | None:
        """Exit status; None while it runs."""
        if self._code is None:
            ended, status = os.waitpid(self.pid, os.WNOHANG)
            if ended:
                self._code = os.waitstatus_to_exitcode(status)
        return self._code

    async def wait(self) -> int:
        """Wait for its end."""
        pidfd = os.pidfd_open(self.pid) if self.returncode is None else -1
        if pidfd >= 0:
            try:
                await wait_ready(pidfd)
            finally:
                os.close(pidfd)
        code = self.returncode
        assert code is not None
        return code


class ForkServerClient:
    """Client of the fork server: requests workers, reads exit notices, replaces the server."""

    def __init__(
        self,
        drivers: list[str],
        level: str,
        server: tuple[int, socket.socket] | None = None,
        *,
        is_author: bool = False,
    ) -> None:
        """Use `server`, forked before the daemon began; None: the first `fork` starts one.

        `level`, `is_author`: see `gateway.common.log.configure`.
        """
        self._setup = setup_message(drivers, level, is_author=is_author)
        self._process: asyncio.subprocess.Process | _ForkedProcess | None = None
        self._channel: socket.socket | None = None
        if server is not None:
            pid, self._channel = server
            self._channel.setblocking(False)
            self._process = _ForkedProcess(pid)
            self._set_up(self._channel)
        self._lock = asyncio.Lock()
        self._running: set[int] = set()
        """Workers of the present server whose end it has not reported yet."""
        self._exit_statuses: dict[int, int] = {}

    def _set_up(self, channel: socket.socket) -> None:
        """Send the first message. A server that has ended already is replaced at the first `fork`."""
        with contextlib.suppress(OSError):
            channel.send(self._setup)

    async def _ensure_server(self) -> socket.socket:
        if self._channel is not None and self._process is not None and self._process.returncode is None:
            return self._channel
        await self.close()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "gateway.supervision.processes.forkserver",
                str(theirs.fileno()),
                pass_fds=[theirs.fileno()],
                stdin=asyncio.subprocess.DEVNULL,
                env=kept_environment(os.environ),
            )
        ours.setblocking(False)
        self._set_up(ours)
        self._channel = ours
        return ours

    async def fork(self, descriptor: int, doorman: int | None = None) -> int:
        """Fork a worker process, which reads its specification from `descriptor`, its end of a socket pair.

        `doorman`: its end of the channel to the doorman of its device. Return its pid. Raises OSError;
        ConnectionError if the server ended meanwhile: then the worker may run, and `descriptor` is not used
        again.
        """
        async with self._lock:
            channel = await self._ensure_server()
            try:
                socket.send_fds(channel, [b"fork"], [descriptor, *(() if doorman is None else (doorman,))])
                while (pid := await self._receive(channel)) is None:
                    pass
            except ConnectionError:
                self._drop_channel()
                raise
            self._running.add(pid)
            return pid

    async def exit_status(self, pid: int) -> int | None:
        """Return the exit status of a worker that has ended, negative for a signal; None: unknown.

        It is unknown after the end of the server that forked the worker.
        """
        with contextlib.suppress(TimeoutError, OSError):
            async with asyncio.timeout(EXIT_NOTICE_TIMEOUT_S), self._lock:
                while pid in self._running and self._channel is not None:
                    try:
                        await self._receive(self._channel)
                    except ConnectionError:
                        self._drop_channel()
        return self._exit_statuses.pop(pid, None)

    async def _receive(self, channel: socket.socket) -> int | None:
        """Receive a message of the server: the pid of a new worker, or an exit notice (None)."""
        answer = await asyncio.get_running_loop().sock_recv(channel, 4096)
        if not answer:
            raise ConnectionResetError("the fork server ended")
        message = json.loads(answer)
        if "status" not in message:
            return int(message["pid"])
        self._running.discard(message["pid"])
        self._exit_statuses[message["pid"]] = message["status"]
        while len(self._exit_statuses) > MAX_EXIT_STATUSES:
            del self._exit_statuses[next(iter(self._exit_statuses))]
        return None

    def _drop_channel(self) -> None:
        """Close the channel, which ends the server; the ends of its workers are not reported."""
        self._running.clear()
        if self._channel is not None:
            self._channel.close()
            self._channel = None

    async def close(self) -> None:
        """Close the server, which ends its remaining children."""
        self._drop_channel()
        if self._process is not None:
            await self._process.wait()
            self._process = None
