"""One simulator in a process of its own.

`python -m simulators.process FD`, started by `simulators.subprocesses`. The inherited socket FD carries JSON
lines: first the settings, then requests `{"id", "verb", ...}`; the process sends answers with the same `id`,
and events. Three things end the process, so that none can be left behind: end of file on the socket, SIGTERM,
and the parent's death, which the kernel turns into SIGTERM.
"""

import asyncio
import contextlib
import ctypes
import json
import os
import signal
import socket
import sys
from collections.abc import Mapping
from typing import Any

from simulators.control.fault_list import list_faults
from simulators.errors import SimulatorError
from simulators.registry import parse_settings
from simulators.simulator import Simulator

PR_SET_PDEATHSIG = 1
LAST_RESORT_S = 2
"""Seconds after which the kernel ends a process that is stopping."""


async def serve(connection: socket.socket) -> int:
    """Run the simulator that the other end describes until it closes the socket.

    Return 1 if it could not run.
    """
    reader, writer = await asyncio.open_connection(sock=connection)

    def send(message: Mapping[str, Any]) -> None:
        if not writer.is_closing():
            writer.write(json.dumps(message).encode() + b"\n")

    def emit(event: str, details: Mapping[str, Any]) -> None:
        send({"event": event, "details": details})

    try:
        simulator = parse_settings(json.loads(await reader.readline())).build()
        running = asyncio.create_task(simulator.run(emit))
        listening = asyncio.create_task(_listen(reader, simulator, send))
        await asyncio.wait({running, listening}, return_when=asyncio.FIRST_COMPLETED)
        listening.cancel()
        failed = running.done()
        if failed:
            emit("failed", {"text": _reason(running.exception())})
        running.cancel()
        await asyncio.gather(running, listening, return_exceptions=True)
        return int(failed)
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def _listen(reader: asyncio.StreamReader, simulator: Simulator, send: Any) -> None:
    """Answer requests, several at a time: a slow document must not delay an unplug."""
    answering: set[asyncio.Task[None]] = set()
    try:
        while line := await reader.readline():
            task = asyncio.create_task(_answer(json.loads(line), simulator, send))
            answering.add(task)
            task.add_done_callback(answering.discard)
    finally:
        for task in answering:
            task.cancel()
        await asyncio.gather(*answering, return_exceptions=True)


async def _answer(request: dict[str, Any], simulator: Simulator, send: Any) -> None:
    number, verb = request.pop("id"), request.pop("verb")
    try:
        answer = {"ok": True} | await _perform(simulator, verb, request)
    except SimulatorError as error:
        answer = {"ok": False, "error": str(error)}
    except TypeError as error:  # an argument that the verb does not have
        answer = {"ok": False, "error": f"{verb}: {str(error).rpartition('() ')[2]}"}
    send(answer | {"id": number})


async def _perform(simulator: Simulator, verb: str, arguments: dict[str, Any]) -> dict[str, Any]:
    match verb:
        case "clear":
            await simulator.clear_faults(**arguments)
        case "reset":
            await simulator.reset(**arguments)
        case "faults":
            return {"faults": list_faults(simulator.faults_adapter, **arguments)}
        case _:
            return await simulator.handle_command(verb, arguments)
    return {}


def _reason(error: BaseException | None) -> str:
    """Return the reason for a task's failure, which a TaskGroup wraps."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return str(error) if isinstance(error, SimulatorError) else repr(error)


def die_with_parent(parent: int) -> None:
    """Have the kernel send SIGTERM when the parent dies for any reason."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:  # the parent died before the call
        os.kill(os.getpid(), signal.SIGTERM)


async def _until_stopped(connection: socket.socket) -> int:
    task = asyncio.ensure_future(serve(connection))

    def stop() -> None:
        signal.alarm(LAST_RESORT_S)
        task.cancel()

    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop)
    with contextlib.suppress(asyncio.CancelledError):
        return await task
    return 0


def run(connection: socket.socket, parent: int) -> int:
    """Run a simulator at the connection to its post, which is the process `parent`; return the exit code."""
    # The post stops its simulators itself: ignore an interrupt typed at a terminal.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    die_with_parent(parent)
    return asyncio.run(_until_stopped(connection))


def main() -> int:
    """Run the process; its arguments are the socket's descriptor and the parent's pid."""
    return run(socket.socket(fileno=int(sys.argv[1])), int(sys.argv[2]))


if __name__ == "__main__":
    sys.exit(main())
