"""Process of a gateway: signals, service manager, exit codes. `python -m gateway CONFIG`."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from pathlib import Path

from gateway.common import log as logging
from gateway.common.process import forbid_dumps
from gateway.config import ConfigError, Post, load
from gateway.gateway import Gateway
from gateway.state_dir import CannotStartError
from gateway.supervision.processes.forkserver import fork_server
from gateway.supervision.processes.forkserver_client import ForkServerClient
from gateway.systemd import CONSOLE, NOTIFY_VARIABLES, ServiceManager, sockets_from_systemd

NO_AUTHOR_IN_PRODUCTION = CannotStartError(
    "--author logs the messages of exceptions, which may quote documents: a post in production refuses it.",
    'Start it without --author, or from a file with profile = "training".',
    os.EX_NOPERM,
)


async def run(
    post: Post,
    path: Path,
    forkserver: ForkServerClient,
    manager: ServiceManager,
    console_socket: socket.socket | None = None,
) -> None:
    """Run a gateway until SIGTERM or SIGINT; SIGHUP reloads the configuration; raises CannotStartError."""
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    reloading = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    loop.add_signal_handler(signal.SIGHUP, reloading.set)
    gateway = Gateway(post, path, forkserver, console_socket)
    feeding = None
    try:
        await gateway.start()
        manager.notify_ready(gateway.status_line())
        feeding = asyncio.create_task(
            manager.run_watchdog(gateway.find_stuck_part, gateway.status_line), name="watchdog"
        )
        while not stopping.is_set():
            waits = [asyncio.create_task(event.wait()) for event in (stopping, reloading)]
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)
            if reloading.is_set():
                reloading.clear()
                manager.notify_reloading()
                await gateway.reload()
                manager.notify_ready(gateway.status_line())
    finally:
        manager.notify_stopping()
        if feeding is not None:
            feeding.cancel()
            await asyncio.gather(feeding, return_exceptions=True)
        await gateway.stop()


def main(arguments: list[str]) -> int:
    """Run `python -m gateway CONFIG [--author]`, to which `borderpost run` execs; return the exit code."""
    forbid_dumps()
    path, is_author = Path(arguments[0]), "--author" in arguments[1:]
    # A SIGHUP during the start would end the process by default. It is ignored: the start reads the new file
    # anyway.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    manager, passed = ServiceManager.from_environ(os.environ), sockets_from_systemd(os.environ)
    for word in NOTIFY_VARIABLES:  # meant for this process only, not for its children
        os.environ.pop(word, None)
    # Before the configuration: what this process reads now, every worker would have in its memory.
    server = fork_server(passed.values())
    try:
        post = load(path, to_run=True)
        if is_author and post.gateway.profile == "production":
            raise NO_AUTHOR_IN_PRODUCTION
        logging.configure(post.log.level, is_author=is_author)
        drivers = sorted({each.driver for each in post.devices.values() if each.driver_fault is None})
        forkserver = ForkServerClient(drivers, post.log.level, server, is_author=is_author)
        asyncio.run(run(post, path, forkserver, manager, passed.get(CONSOLE)))
    except (ConfigError, CannotStartError) as error:
        manager.notify(f"STATUS=Not started: {str(error).splitlines()[0]}")
        with contextlib.suppress(BrokenPipeError):
            print(error, file=sys.stderr)  # noqa: T201
        return error.exit_code
    return os.EX_OK


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
