"""Process of one worker: its fork, its frame connection, and its end with the texts that report it."""

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Callable
from typing import Any

import structlog

from drivers.driver import StateCode
from drivers.links.device_node import wait_ready
from drivers.links.link import Action, Cause
from drivers.links.settings import LinkRights
from gateway.ipc.frames import FrameConnection, FrameError, FrameType
from gateway.supervision.processes.doorman import Doorman
from gateway.supervision.processes.forkserver_client import ForkServerClient
from gateway.supervision.worker_output import MAX_FRAME_BYTES
from gateway.worker.spec import WorkerSpec

log = structlog.get_logger()

ENDED_TEXTS = {
    Cause.WORKER_CRASHED: "The worker process of the device ended and is being restarted.",
    Cause.FORBIDDEN_CALL: "The worker process of the device tried an operation that no driver needs, and was "
    "ended. The driver is faulty, or was taken over by what the device sent.",
    Cause.HEARTBEAT_LOST: "The worker process of the device stopped responding and is being replaced.",
}
NO_RIGHTS = LinkRights()
VIOLATION_TEXT = "The worker process of the device was ended, because it sent {what}."
VIOLATION_HOW = (
    "It is started again by itself. If it repeats, unplug the device, and send a diagnostics bundle to "
    "support: the driver is faulty, or the device attacks it."
)


class WorkerProcess:
    """One worker process. Its frames go to `on_frame`; an error there ends the process."""

    def __init__(self, position: str, on_frame: Callable[[FrameType, dict[str, Any], bytes], None]) -> None:
        self.pid = 0
        """Process id, also after its end; 0 before its fork."""
        self.connection: FrameConnection | None = None
        """Connection to the process; None before its fork and after its end."""
        self.ended = asyncio.Event()
        """Set when the connection is closed, or when the process has to be ended."""
        self.violation: Exception | None = None
        """Frame that the process may not send, and for which it is being ended."""
        self._position = position
        self._on_frame = on_frame
        self._pidfd = -1
        self._doorman: Doorman | None = None

    async def fork(
        self, forkserver: ForkServerClient, spec: WorkerSpec, rights: LinkRights = NO_RIGHTS
    ) -> None:
        """Fork the process and send its specification; raises OSError.

        `rights`: to hosts and a search, through a doorman; without either it has no doorman.
        """
        ours, theirs = socket.socketpair()
        with theirs, contextlib.ExitStack() as others:
            try:
                doorman = self._open_doorman(rights, others)
                self.pid = await forkserver.fork(theirs.fileno(), doorman)
                with contextlib.suppress(ProcessLookupError):
                    self._pidfd = os.pidfd_open(self.pid)
            except BaseException:
                ours.close()
                raise
        connection = FrameConnection(self._on_frame, self.ended.set, MAX_FRAME_BYTES, self._on_violation)
        self.connection = connection
        await asyncio.get_running_loop().create_unix_connection(lambda: connection, sock=ours)
        connection.send(FrameType.SPEC, spec.to_head())

    def _open_doorman(self, rights: LinkRights, others: contextlib.ExitStack) -> int | None:
        """Start the doorman of a networked device; return the worker's end, which `others` closes."""
        if not rights.hosts and rights.search is None:
            return None
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        others.enter_context(theirs)
        self._doorman = Doorman(rights.hosts, ours, self._on_violation, rights.search)
        return theirs.fileno()

    def send(self, kind: FrameType, head: dict[str, Any] | None = None, body: bytes = b"") -> None:
        """Send a frame; without a connection it is dropped."""
        if self.connection is not None:
            self.connection.send(kind, head, body)

    async def wait_ended(self) -> None:
        """Wait until the kernel has ended the process: only then can the next one open the device."""
        await self.ended.wait()
        await self._wait_exited()

    async def kill(self) -> None:
        """Close the connection, end the process by SIGKILL, and wait until the kernel has ended it."""
        if self._doorman is not None:
            self._doorman.close()
            self._doorman = None
        if self.connection is not None:
            self.connection.close()
            self.connection = None
        if self._pidfd >= 0:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
            await self._wait_exited()
            os.close(self._pidfd)
            self._pidfd = -1

    async def _wait_exited(self) -> None:
        if self._pidfd >= 0:
            await wait_ready(self._pidfd)

    def _on_violation(self, error: Exception) -> None:
        """Note why the connection was closed, and end the process."""
        log.error("worker_violation", device=self._position, exc_info=error)
        self.violation = error
        self.ended.set()

    def end_state(self, cause: Cause) -> dict[str, Any]:
        """Return the fields of the device's state after the process has ended."""
        if cause is Cause.WORKER_VIOLATION:
            what = str(self.violation) if isinstance(self.violation, FrameError) else "a malformed frame"
            return {
                "state": StateCode.FAULT,
                "cause": cause,
                "text": VIOLATION_TEXT.format(what=what),
                "action": Action.CALL_SUPPORT,
                "how": VIOLATION_HOW,
            }
        return {
            "state": StateCode.OFFLINE,
            "cause": cause,
            "text": ENDED_TEXTS[cause],
            "action": Action.WAIT,
            "how": "If it repeats: replug the device, then send a diagnostics bundle to support.",
        }
