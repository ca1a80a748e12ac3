"""The console process: what the daemon starts as soon as somebody connects, and which ends by itself."""

import argparse
import asyncio
import os
import signal
import socket
import ssl
import sys
from pathlib import Path

import structlog

from gateway import log as logging
from gateway.config import ConfigError, Post, load
from gateway.console.app import build
from gateway.console.serving import serve, tls_context
from gateway.local.intercom import Intercom

log = structlog.get_logger()


async def run(post: Post, config: Path, intercom_fd: int, local: int, network: int | None) -> None:
    """Serve the console on those descriptors; raises OSError, ssl.SSLError."""
    console = post.console
    tls = tls_context(str(console.tls.cert_file), str(console.tls.key_file)) if console.tls else None
    intercom = await Intercom.on(intercom_fd)
    app = build(
        intercom,
        config=config,
        state_dir=post.gateway.state_dir,
        users_file=console.users_file,
        simulators=console.simulators if post.gateway.profile != "production" else None,
    )
    ended = asyncio.create_task(intercom.gone.wait())
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, intercom.gone.set)
    try:
        await serve(
            app,
            socket.socket(fileno=local),
            socket.socket(fileno=network) if network is not None else None,
            tls,
            idle_s=console.idle_s,
            until=ended,
        )
    finally:
        intercom.close()


def main(arguments: list[str]) -> int:
    """`python -m gateway.console --intercom FD --socket FD [--tcp FD] --config PATH`."""
    parser = argparse.ArgumentParser("gateway.console")
    parser.add_argument("--intercom", type=int, required=True)
    parser.add_argument("--socket", type=int, required=True)
    parser.add_argument("--tcp", type=int)
    parser.add_argument("--config", type=Path, required=True)
    given = parser.parse_args(arguments)
    try:
        post = load(given.config)
        logging.configure(post.log.level)
        asyncio.run(run(post, given.config, given.intercom, given.socket, given.tcp))
    except (ConfigError, OSError, ssl.SSLError) as error:
        log.error("console_failed", text=str(error))
        return os.EX_CONFIG
    return os.EX_OK


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
