"""`make fuzz MINUTES=60 [TARGET=name]`: one target after the other, round and round, one process at a time.

Coverage-guided (atheris, libFuzzer). Corpora, findings and a ledger of the turns are kept in .cache/fuzz. It
ends in an error where findings are left. `--keep` writes what covers most in few bytes to tests/fuzz/corpus.
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
"""How long a turn is in the first round, and at most; in each it is twice as long as in the one before."""


def main() -> int:
    """See `--help`."""
    parser = argparse.ArgumentParser(prog="fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--target", default="", help="only those whose names begin so")
    parser.add_argument("--work", type=Path, default=Path(".cache/fuzz"))
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--report", action="store_true", help="only tell of what ran so far")
    given = parser.parse_args()
    work = given.work.absolute()
    work.mkdir(parents=True, exist_ok=True)
    one = [sys.executable, "-m", "fuzz.run_one", given.target, "--work", str(work)]
    if given.keep:
        _keep(given.target, work)
        return 0
    until, turn_s = time.time() + 60 * given.minutes, FIRST_S
    while not given.report and time.time() < until:
        # Loaded anew in each round: what is mended or added meanwhile is taken up.
        subprocess.run([*one, "--seconds", str(turn_s), "--until", str(until)], check=False)
        turn_s = min(2 * turn_s, LONGEST_S)
    return 1 if report(work, given.target) else 0


def _keep(beginning: str, work: Path) -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    for target in chosen(beginning):
        kept, of = minimize(target, work / "corpus" / target.name)
        print(f"{target.name}: {kept} of {of}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
