"""`make fuzz MINUTES=60 [TARGET=name]`: one target after the other in rounds, one process at a time.

Coverage-guided (atheris, libFuzzer). Corpora, findings and a log of the runs are kept in .cache/fuzz. It
exits with an error if there are findings. `--keep` writes the inputs with the most coverage in few bytes to
tests/fuzz/corpus.
"""

import argparse
import logging
import subprocess
import sys
import time
from pathlib import Path

import structlog

from fuzz.corpus_minimization import minimize
from fuzz.run_log import report
from fuzz.target import chosen

FIRST_S, LONGEST_S = 5, 40
"""Seconds of a run in the first round, and at most; it doubles with each round."""


def main() -> int:
    """Run the command line; see `--help`."""
    parser = argparse.ArgumentParser(prog="fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--target", default="", help="only targets whose names begin with this")
    parser.add_argument("--work", type=Path, default=Path(".cache/fuzz"))
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--report", action="store_true", help="only report past runs")
    given = parser.parse_args()
    work = given.work.absolute()
    work.mkdir(parents=True, exist_ok=True)
    one = [sys.executable, "-m", "fuzz.run_one", given.target, "--work", str(work)]
    if given.keep:
        _keep(given.target, work)
        return 0
    until, run_s = time.time() + 60 * given.minutes, FIRST_S
    while not given.report and time.time() < until:
        # Loaded again in each round: changes of the code meanwhile take effect.
        subprocess.run([*one, "--seconds", str(run_s), "--until", str(until)], check=False)
        run_s = min(2 * run_s, LONGEST_S)
    return 1 if report(work, given.target) else 0


def _keep(beginning: str, work: Path) -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    for target in chosen(beginning):
        kept, of = minimize(target, work / "corpus" / target.name)
        print(f"{target.name}: {kept} of {of}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
