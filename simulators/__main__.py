"""Run a simulated post: `python -m simulators POST.toml --run-dir DIR`."""

import argparse
import asyncio
import os
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from simulators.forking import keep_one_thread
from simulators.post import SimulatorError, run_post


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
    given = parser.parse_args(arguments)

    keep_one_thread()

    def ready(_: object) -> None:
        if given.ready_fd is not None:
            os.write(given.ready_fd, b"ready\n")
            os.close(given.ready_fd)

    try:
        return asyncio.run(
            run_post(given.post, run_dir=given.run_dir, on_ready=ready, on_event=_report, forks=True)
        )
    except SimulatorError as error:
        sys.stderr.write(f"{error}\n")
        return 2


if __name__ == "__main__":
    sys.exit(main())
