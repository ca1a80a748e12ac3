"""Process of a gateway: arguments, signals, service manager, exit codes. `python -m gateway CONFIG`."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from pathlib import Path

from drivers.installation import how_to_install
from gateway.base_install import missing_modules
from gateway.common import log as logging
from gateway.common.process import forbid_dumps
from gateway.config import ConfigError, Post, load
from gateway.config.preloading import preload_drivers
from gateway.gateway import Gateway
from gateway.state_dir import CannotStartError
from gateway.supervision.processes.forkserver import fork_server
from gateway.supervision.processes.forkserver_client import ForkServerClient
from gateway.systemd import CONSOLE, NOTIFY_VARIABLES, ServiceManager, sockets_from_systemd

USAGE = "Usage: python -m gateway CONFIG [--author]"
HELP = f"""{USAGE}

Run the gateway until SIGTERM or Ctrl-C; SIGHUP reads the file again. `borderpost run` starts the same.

  CONFIG    Configuration file of the post.
  --author  For the author of a driver: log the messages of its exceptions, which may quote documents.
            Refused in production.
  --help    Show this text.

Exit codes: 0 ended by a signal; 64 wrong arguments; 69 extra `post` not installed; 73 state directory
unusable; 75 in use by another gateway; 77 refused in production; 78 configuration faulty.
"""
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


def parse_arguments(arguments: list[str]) -> tuple[Path, bool]:
    """Return the configuration file, and True with `--author`; raises CannotStartError.

    Without argparse, which every worker would have in its memory.
    """
    options = [word for word in arguments if word.startswith("-")]
    files = [word for word in arguments if not word.startswith("-")]
    unknown = [word for word in options if word != "--author"]
    if unknown:
        fault = f"There is no option {unknown[0]}."
    elif not files:
        fault = "No configuration file is given."
    elif len(files) > 1:
        fault = f"More than one configuration file is given: {', '.join(files)}."
    else:
        return Path(files[0]), bool(options)
    raise CannotStartError(fault, f"{USAGE}\n    python -m gateway --help explains them.", os.EX_USAGE)


def _require_post() -> None:
    """Raise CannotStartError in an installation without the extra `post`."""
    if missing := missing_modules():
        raise CannotStartError(
            f"The gateway needs the extra `post`, which is not installed (no {', '.join(missing)}).",
            f"Install it with: {how_to_install('post')}",
            os.EX_UNAVAILABLE,
        )


def main(arguments: list[str]) -> int:
    """Run `python -m gateway CONFIG [--author]`, to which `borderpost run` execs; return the exit code."""
    if "--help" in arguments:
        sys.stdout.write(HELP)
        return os.EX_OK
    manager = ServiceManager.from_environ(os.environ)
    try:
        path, is_author = parse_arguments(arguments)
        _require_post()
        _run_daemon(path, manager, is_author=is_author)
    except (ConfigError, CannotStartError) as error:
        manager.notify(f"STATUS=Not started: {str(error).splitlines()[0]}")
        with contextlib.suppress(BrokenPipeError):
            print(error, file=sys.stderr)  # noqa: T201
        return error.exit_code
    return os.EX_OK


def _run_daemon(path: Path, manager: ServiceManager, *, is_author: bool) -> None:
    """Start the fork server, read the configuration, and run; raises ConfigError, CannotStartError."""
    forbid_dumps()
    # A SIGHUP during the start would end the process by default. It is ignored: the start reads the new file
    # anyway.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    passed = sockets_from_systemd(os.environ)
    for word in NOTIFY_VARIABLES:  # meant for this process only, not for its children
        os.environ.pop(word, None)
    preload_drivers(path)
    # Before the configuration: what this process reads now, every worker would have in its memory.
    server = fork_server(passed.values())
    post = load(path, to_run=True)
    if is_author and post.gateway.profile == "production":
        raise NO_AUTHOR_IN_PRODUCTION
    logging.configure(post.log.level, is_author=is_author)
    drivers = sorted({each.driver for each in post.devices.values() if each.driver_fault is None})
    forkserver = ForkServerClient(drivers, post.log.level, server, is_author=is_author)
    asyncio.run(run(post, path, forkserver, manager, passed.get(CONSOLE)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
