"""The simulators of a post, each in a process that the post starts, sends requests to and stops."""

import asyncio
import contextlib
import itertools
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from simulators.errors import SimulatorError
from simulators.forking import ForkedProcess, can_fork
from simulators.simulator import SimulatorSettings

STOP_WITHIN_S = 1.5
"""Seconds after which a simulator that was asked to stop is killed."""

OnEvent = Callable[[str, str, Mapping[str, Any]], None]
"""Callback with a simulator's name, an event and its details.

Events are `ready`, `host`, `document`, `fault`, `failed` and `exited`.
"""


class SimulatorProcess:
    """One simulator of a post, in its process."""

    def __init__(self, settings: SimulatorSettings, on_event: OnEvent, *, forks: bool = False) -> None:
        """`forks`: fork the process where that is safe, for a program that runs nothing but a post."""
        self.settings = settings
        self.name = settings.name
        self._on_event = on_event
        self._forks = forks
        self._numbers = itertools.count(1)
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._exited: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._process: subprocess.Popen[bytes] | ForkedProcess | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """Process id while the process runs."""
        return self._process.pid if self._process and not self._exited.done() else None

    async def start(self) -> None:
        """Start the process, also again after `stop`, and wait until a host can find the device.

        Raises SimulatorError if that fails.
        """
        loop = asyncio.get_running_loop()
        self._ready, self._exited = loop.create_future(), loop.create_future()
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                reader, self._writer = await asyncio.open_connection(sock=ours)
            except BaseException:
                ours.close()
                raise
            self._reading = asyncio.create_task(self._read(reader))
            forks = self._forks and can_fork()
            self._process = ForkedProcess(theirs) if forks else _spawn(theirs)
        self._await_exit(self._process, self._reading)
        self._send(self.settings.model_dump(mode="json", exclude_unset=True))
        await self._ready

    async def request(self, verb: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Send a request to the simulator; raise SimulatorError if it is no longer running."""
        if self._writer is None or self._exited.done():
            raise SimulatorError(f"{self.name} is not running")
        number = next(self._numbers)
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._answers[number] = answer
        try:
            self._send({**arguments, "id": number, "verb": verb})
            return await answer
        finally:
            del self._answers[number]

    async def stop(self) -> None:
        """End the process, by force if it does not stop, and clean up."""
        if self._writer is not None:
            self._writer.close()
        if self._process is not None:
            try:
                async with asyncio.timeout(STOP_WITHIN_S):
                    await asyncio.shield(self._exited)
            except TimeoutError:
                self._process.kill()
                await self._exited
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
        if self._writer is not None:
            with contextlib.suppress(OSError):
                await self._writer.wait_closed()

    def _send(self, message: Mapping[str, Any]) -> None:
        assert self._writer is not None
        self._writer.write(json.dumps(message).encode() + b"\n")

    def _await_exit(
        self, process: subprocess.Popen[bytes] | ForkedProcess, reading: asyncio.Task[None]
    ) -> None:
        # A pidfd rather than asyncio's child watchers: no thread, no SIGCHLD handler, any loop.
        descriptor = os.pidfd_open(process.pid)
        loop = asyncio.get_running_loop()

        def exited() -> None:
            loop.remove_reader(descriptor)
            os.close(descriptor)
            code = process.wait()
            # The process's end may be seen before its last lines, which say why it ended.
            reading.add_done_callback(lambda _: self._over(code))

        loop.add_reader(descriptor, exited)

    def _over(self, code: int) -> None:
        self._exited.set_result(code)
        gone = SimulatorError(f"{self.name} has ended (exit {code})")
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(gone)
        self._not_ready(f"it ended while starting (exit {code})")
        self._on_event(self.name, "exited", {"code": code})

    def _not_ready(self, why: str) -> None:
        if not self._ready.done():
            self._ready.set_exception(SimulatorError(f"{self.name}: {why}"))
            # A waiting caller gets the exception; without one, prevent asyncio's warning.
            self._ready.exception()

    async def _read(self, reader: asyncio.StreamReader) -> None:
        while line := await reader.readline():
            message = json.loads(line)
            if "event" not in message:
                answer = self._answers.get(message.pop("id"))
                if answer is not None and not answer.done():
                    answer.set_result(message)
                continue
            event, details = message["event"], message["details"]
            if event == "failed":
                self._not_ready(details["text"])
            elif event == "ready" and not self._ready.done():
                self._ready.set_result(None)
            self._on_event(self.name, event, details)


def _spawn(connection: socket.socket) -> subprocess.Popen[bytes]:
    # -P and the path to this package: modules in the current directory are not imported.
    package = str(Path(__file__).parent.parent)
    paths = [package, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "simulators.process", str(connection.fileno()), str(os.getpid())],
        pass_fds=[connection.fileno()],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
        process_group=0,  # the post handles an interrupt typed at the terminal and stops its simulators
    )
