"""Command `python -m torture --minutes 10 [--seed 7]`, or `--soak`; exits 1 when a guarantee was broken."""

import argparse
import asyncio
import logging
import random
import shutil
import signal
import sys
import tempfile
from pathlib import Path

import structlog

from torture import soak
from torture.run import run


def _tidy_up(number: int, _frame: object) -> None:
    """End as after Ctrl-C, ignoring further signals: processes, brokers and mounts must be removed."""
    signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def main() -> int:
    parser = argparse.ArgumentParser(prog="torture", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10, help="duration in minutes (a soak needs 15)")
    parser.add_argument("--seed", type=int, default=random.randrange(10_000), help="repeats the same run")
    parser.add_argument("--soak", action="store_true", help="measure memory and descriptors instead")
    parser.add_argument("--folder", type=Path, help="keep logs and configuration here (must not exist)")
    chosen = parser.parse_args()
    if chosen.folder is not None:
        chosen.folder.mkdir(parents=True)
    folder = chosen.folder or Path(tempfile.mkdtemp(prefix="torture-"))
    signal.signal(signal.SIGTERM, _tidy_up)
    logging.disable()  # of the MQTT clients, which warn when a broker is killed
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    if chosen.soak:
        lines, good = asyncio.run(soak.run(chosen.minutes * 60, chosen.seed, folder=folder))
    else:
        print(f"torture for {chosen.minutes:g} minutes, seed {chosen.seed}", flush=True)
        result = asyncio.run(run(chosen.minutes * 60, chosen.seed, folder=folder))
        lines, good = result.lines(), not result.verdict.breaches
    print("\n".join(lines))
    if not good or chosen.folder is not None:
        print(f"  logs, faults and evidence: {folder}")
    else:
        shutil.rmtree(folder, ignore_errors=True)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
