"""The console process: started by the daemon at the first connection, ended by itself without clients."""

import argparse
import asyncio
import os
import signal
import socket
import sys
from pathlib import Path

import structlog

from drivers.installation import how_to_mend
from gateway.api.client import DaemonClient
from gateway.common import log as logging
from gateway.common.process import forbid_dumps
from gateway.config import ConfigError, load
from gateway.config.model import ConsoleSection, CounterSection
from gateway.state_dir import read_state_dir

log = structlog.get_logger()


async def run(
    settings: ConsoleSection,
    state_dir: Path,
    config: Path,
    descriptors: argparse.Namespace,
    counter: CounterSection | None = None,
) -> None:
    """Serve the console on those descriptors; raises OSError."""
    from gateway.console.web.app import build
    from gateway.console.web.server import serve, tls_context

    tls = None
    network = descriptors.tcp if settings.listen is not None else None
    if settings.tls is not None:
        try:
            tls = tls_context(str(settings.tls.cert_file), str(settings.tls.key_file))
        except OSError as error:  # ssl.SSLError is one
            # The socket of this machine stays open: technicians need it to mend the certificate.
            log.error(
                "console_network_closed", text=f"The certificate of the console cannot be used: {error}."
            )
            network = None
    daemon = await DaemonClient.connect(descriptors.rpc_fd)
    app = build(
        daemon,
        config=config,
        state_dir=state_dir,
        users_file=settings.users_file,
        simulators=settings.simulators,
        counter=counter,
    )
    ended = asyncio.create_task(daemon.disconnected.wait())
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, daemon.disconnected.set)
    try:
        await serve(
            app,
            socket.socket(fileno=descriptors.socket),
            socket.socket(fileno=network) if network is not None else None,
            tls,
            idle_s=settings.idle_timeout_s,
            until=ended,
        )
    finally:
        daemon.close()


def _settings(config: Path) -> tuple[ConsoleSection, CounterSection | None, Path, str]:
    """Return settings, those of the counter page, state directory and log level; raises ConfigError.

    Technicians need the console most when the file has errors: then the gateway keeps running with the
    previous settings, and the console serves this machine's socket alone.
    """
    try:
        post = load(config, to_run=True)
    except ConfigError:
        if (state_dir := read_state_dir(config)) is None:
            raise
        return ConsoleSection(), None, state_dir, "info"
    return post.console, post.counter, post.gateway.state_dir, post.log.level


def main(arguments: list[str]) -> int:
    """Run `python -m gateway.console --rpc-fd FD --socket FD [--tcp FD] --config PATH`."""
    forbid_dumps()
    parser = argparse.ArgumentParser("gateway.console")
    parser.add_argument("--rpc-fd", type=int, required=True)
    parser.add_argument("--socket", type=int, required=True)
    parser.add_argument("--tcp", type=int)
    parser.add_argument("--config", type=Path, required=True)
    given = parser.parse_args(arguments)
    try:
        settings, counter, state_dir, level = _settings(given.config)
        logging.configure(level)
        asyncio.run(run(settings, state_dir, given.config, given, counter))
    except ModuleNotFoundError as error:
        how = how_to_mend("console")
        log.error("console_failed", text=f"The extra `console` is not installed: no {error.name}.", how=how)
        return os.EX_UNAVAILABLE
    except (ConfigError, OSError) as error:
        log.error("console_failed", text=str(error))
        return os.EX_CONFIG
    return os.EX_OK


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
