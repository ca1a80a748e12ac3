"""Fork server: imports the drivers once, then becomes the parent of every worker process.

Forking a loaded process takes milliseconds and shares its memory; starting Python anew takes a third of a
second and shares nothing. Forking the running daemon would copy its threads' locks, its keys, passwords and
connections; so the server is forked from the daemon before it has any of them (`fork_server`). If it has to
be replaced later, a new one is started as a new program. `multiprocessing` has such a server, but it imports
the program's main module, with the whole command line, into every worker and adds a process of its own.
"""

import contextlib
import ctypes
import gc
import json
import os
import selectors
import signal
import socket
import sys
import time
from collections.abc import Iterable, Sequence
from typing import Any

import structlog

from drivers.registry import load_driver
from gateway.common import log as logging
from gateway.common.process import FORK_SERVER, forbid_dumps, scrub_environment
from gateway.ipc.frames import receive_frame
from gateway.supervision.processes.output_relay import OutputRelay, output_pipe, redirect_output
from gateway.worker.process import serve
from gateway.worker.spec import WorkerSpec

log = structlog.get_logger()

REQUEST_BYTES = 256 * 1024
PR_SET_NAME = 15  # prctl(2)
INTERNED_STRINGS = 22_000
"""Two thirds of 32,768: a table with more entries than that is moved. The move takes 8 ms."""
GRACE_S = 2.0
"""Time for workers to end by themselves once the daemon is gone, in seconds."""


def fork_server(close_in_child: Iterable[socket.socket] = ()) -> tuple[int, socket.socket]:
    """Fork the server from this process; return its pid and the daemon's end of its socket.

    Call it before there are threads, keys, connections or an event loop, and before the configuration is
    read, which has the password of every device. Modules that the daemon has imported by then are shared, and
    no second Python has to start before the first device opens.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    _grow_intern_table()
    gc.collect()
    gc.freeze()
    pid = os.fork()
    if pid == 0:
        code = 70  # EX_SOFTWARE
        try:
            for one in (ours, *close_in_child):
                one.close()
            _detach_stdin()
            main(theirs)
            code = 0
        except BaseException as error:
            log.error("forkserver_failed", exc_info=error)
        finally:
            os._exit(code)
    theirs.close()
    return pid, ours


def _grow_intern_table() -> None:
    """Make Python enlarge its table of interned strings now, in memory that all processes share.

    Slots of strings that are freed are not reused, so every process reaches the end of its table after a
    quarter of an hour or a day, and then grows by half a megabyte (seen in a soak, CPython 3.11; the enlarged
    table does not fill up again).
    """
    for number in range(INTERNED_STRINGS):
        sys.intern(f"forgotten {number}")


def _detach_stdin() -> None:
    """Close the daemon's standard input in this process."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)


def setup_message(drivers: Sequence[str], level: str, *, is_author: bool = False) -> bytes:
    """Return the first message to the server: the drivers to import, and how to log."""
    return json.dumps({"drivers": list(drivers), "level": level, "is_author": is_author}).encode()


def main(channel: socket.socket) -> None:
    """Serve fork requests until the daemon closes its end.

    The first message is `setup_message`. Each later one is a request, with the worker's socket and one to
    its doorman: the worker reads its specification there itself, so that no password ever is in this process.
    """
    ctypes.CDLL(None).prctl(PR_SET_NAME, FORK_SERVER.encode(), 0, 0, 0)
    forbid_dumps()
    scrub_environment()
    setup = _receive(channel)[0]
    if not setup:
        return
    wanted = json.loads(setup)
    logging.configure(wanted["level"], is_author=wanted["is_author"])
    for name in wanted["drivers"]:
        try:
            load_driver(name)
        except Exception as error:
            log.error("driver_not_loaded", driver=name, exc_info=error)
    # Modules imported by now are never collected: the collector would otherwise touch, and so copy, all of
    # them.
    gc.collect()
    gc.freeze()
    wake_read, wake_write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    children: set[int] = set()
    relays: set[OutputRelay] = set()
    with selectors.DefaultSelector() as ready:
        ready.register(channel, selectors.EVENT_READ)
        ready.register(wake_read, selectors.EVENT_READ)
        while True:
            for key, _ in ready.select():
                if key.fd == wake_read:
                    os.read(wake_read, 512)
                    for pid, status in _reap(children):
                        _send(channel, {"pid": pid, "status": status})
                    continue
                if key.fd != channel.fileno():
                    relay: OutputRelay = key.data
                    if not relay.relay():
                        ready.unregister(relay.descriptor)
                        relays.discard(relay)
                        relay.close()
                    continue
                request, descriptors = _receive(channel)
                if not request:
                    _terminate(children, relays)
                    return
                ours, theirs = output_pipe()
                pid = os.fork()
                if pid == 0:
                    ready.close()
                    channel.close()
                    # A worker must not read what another one prints.
                    for descriptor in (ours, *(one.descriptor for one in relays)):
                        os.close(descriptor)
                    redirect_output(theirs)
                    signal.set_wakeup_fd(-1)
                    os.close(wake_read)
                    os.close(wake_write)
                    _run_worker(*descriptors)
                for descriptor in descriptors:
                    os.close(descriptor)
                os.close(theirs)
                relays.add(relay := OutputRelay(ours, pid))
                ready.register(ours, selectors.EVENT_READ, relay)
                children.add(pid)
                _send(channel, {"pid": pid})


def _receive(channel: socket.socket) -> tuple[bytes, list[int]]:
    """Receive a message and its descriptors; empty once the daemon has closed its end."""
    try:
        message, descriptors, _, _ = socket.recv_fds(channel, REQUEST_BYTES, 2)
    except ConnectionResetError:  # closed with exit notices in it that the daemon had not read
        return b"", []
    return message, descriptors


def _run_worker(descriptor: int, doorman: int | None = None) -> None:
    """Run the child process from start to end, with its socket, and one to the doorman of its device."""
    code = 70  # EX_SOFTWARE
    position = None
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        channel = socket.socket(fileno=descriptor)
        if (received := receive_frame(channel)) is not None:
            spec = WorkerSpec(**received[1])
            position = spec.position
            serve(spec, channel, None if doorman is None else socket.socket(fileno=doorman))
        code = 0
    except BaseException as error:
        log.error("worker_failed", device=position, exc_info=error)
    finally:
        with contextlib.suppress(OSError):
            sys.stderr.flush()
        os._exit(code)


def _reap(children: set[int]) -> list[tuple[int, int]]:
    """Reap the children that have ended; return pids and exit statuses (negative: the signal)."""
    ended = []
    for pid in list(children):
        reaped, status = os.waitpid(pid, os.WNOHANG)
        if reaped:
            children.discard(pid)
            ended.append((pid, os.waitstatus_to_exitcode(status)))
    return ended


def _send(channel: socket.socket, message: dict[str, Any]) -> None:
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        channel.send(json.dumps(message).encode())


def _terminate(children: set[int], relays: Iterable[OutputRelay]) -> None:
    """End the workers after the daemon: let them close their devices, then kill those that remain."""
    deadline = time.monotonic() + GRACE_S
    while children and time.monotonic() < deadline:
        _reap(children)
        time.sleep(0.02)
        for relay in relays:
            relay.relay()
    for pid in children:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])))
