"""Fork server: imports the drivers once, then becomes the parent of every worker process.

Forking a loaded process takes milliseconds and shares its memory; starting Python anew takes a third of a
second and shares nothing. Forking the running daemon would copy its threads' locks, its keys and its
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
from collections.abc import Iterable
from typing import Any

from drivers.registry import load_driver
from gateway.common import log as logging
from gateway.worker import worker

REQUEST_BYTES = 256 * 1024
PR_SET_NAME = 15  # prctl(2)
INTERNED_STRINGS = 22_000
"""Two thirds of 32,768: a table with more entries than that is moved. The move takes 8 ms."""
GRACE_S = 2.0
"""Time for workers to end by themselves once the daemon is gone, in seconds."""


def fork_server(
    drivers: list[str], level: str, close_in_child: Iterable[socket.socket] = ()
) -> tuple[int, socket.socket]:
    """Fork the server from this process; return its pid and the daemon's end of its socket.

    Call it before there are threads, keys, connections or an event loop. Modules that the daemon has imported
    by then are shared: measured, all processes of a post with one device take 69 MB (PSS) instead of 79, and
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
            ctypes.CDLL(None).prctl(PR_SET_NAME, b"forkserver", 0, 0, 0)
            main(theirs, drivers, level)
            code = 0
        except BaseException as error:  # noqa: BLE001 - nothing may return into the daemon's start
            worker.log.error("forkserver_failed", exc_info=error)
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


def main(channel: socket.socket, drivers: list[str], level: str) -> None:
    """Serve fork requests until the daemon closes its end.

    A request is a `WorkerSpec` and the worker's socket.
    """
    logging.configure(level)
    for name in drivers:
        try:
            load_driver(name)
        except Exception as error:  # noqa: BLE001 - a package of others may fail in any way when imported
            worker.log.error("driver_not_loaded", driver=name, exc_info=error)
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
                try:
                    request, descriptors, _, _ = socket.recv_fds(channel, REQUEST_BYTES, 1)
                except ConnectionResetError:  # closed with exit notices in it that the daemon had not read
                    request, descriptors = b"", []
                if not request:
                    _terminate(children)
                    return
                pid = os.fork()
                if pid == 0:
                    ready.close()
                    channel.close()
                    signal.set_wakeup_fd(-1)
                    os.close(wake_read)
                    os.close(wake_write)
                    _run_worker(json.loads(request), descriptors[0])
                os.close(descriptors[0])
                children.add(pid)
                _send(channel, {"pid": pid})


def _run_worker(spec: dict[str, Any], descriptor: int) -> None:
    """Run the child process from start to end."""
    code = 70  # EX_SOFTWARE
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        worker.serve(worker.WorkerSpec(**spec), socket.socket(fileno=descriptor))
        code = 0
    except BaseException as error:  # noqa: BLE001 - nothing may return into the server's loop
        worker.log.error("worker_failed", device=spec.get("position"), exc_info=error)
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


def _terminate(children: set[int]) -> None:
    """End the workers after the daemon: let them close their devices, then kill those that remain."""
    deadline = time.monotonic() + GRACE_S
    while children and time.monotonic() < deadline:
        _reap(children)
        time.sleep(0.02)
    for pid in children:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])), sys.argv[3:], sys.argv[2])
