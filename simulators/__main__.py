"""Run a simulated post: `python -m simulators POST.toml --run-dir DIR`."""

import argparse
import asyncio
import os
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from simulators.control import parse_listen, read_or_make_token
from simulators.forking import keep_one_thread
from simulators.post import Listen, SimulatorError, run_post


def _report(name: str, event: str, details: Mapping[str, Any]) -> None:
    """Write an event to standard error."""
    facts = " ".join(f"{key}={value}" for key, value in details.items())
    sys.stderr.write(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f}Z {name} {event} {facts}\n")


def main(arguments: list[str] | None = None) -> int:
    """Parse the arguments and run the post; return 2 if it cannot be run."""
    parser = argparse.ArgumentParser(prog="python -m simulators", description=__doc__)
    parser.add_argument("post", help="the post's file")
    parser.add_argument("--run-dir", required=True, help="directory of the control socket; ${BORDERPOST_RUN}")
    parser.add_argument(
        "--ready-fd",
        type=int,
        help="file descriptor to which a line is written once every device can be opened",
    )
    parser.add_argument(
        "--listen", metavar="HOST:PORT", help="also take requests over TCP, with --token-file"
    )
    parser.add_argument("--token-file", type=Path, help="file of the token; made where it is absent")
    given = parser.parse_args(arguments)
    if (given.listen is None) is not (given.token_file is None):
        parser.error("--listen and --token-file are given together, or neither")

    keep_one_thread()

    def ready(_: object) -> None:
        if given.ready_fd is not None:
            os.write(given.ready_fd, b"ready\n")
            os.close(given.ready_fd)

    try:
        listen = None
        if given.listen is not None:
            listen = Listen(*parse_listen(given.listen), read_or_make_token(given.token_file))
        return asyncio.run(
            run_post(
                given.post,
                run_dir=given.run_dir,
                on_ready=ready,
                on_event=_report,
                forks=True,
                listen=listen,
            )
        )
    except SimulatorError as error:
        sys.stderr.write(f"{error}\n")
        return 2


if __name__ == "__main__":
    sys.exit(main())
