"""`make fuzz MINUTES=60 [TARGET=name]`: one target after the other, round and round, one process at a time.

Coverage-guided (atheris, libFuzzer). Corpora, findings and a ledger of the turns are kept in .cache/fuzz. It
ends in an error where findings are left. `--keep` writes what covers most in few bytes to tests/fuzz/corpus.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path

from fuzz.ledger import report
from fuzz.target import CORPUS

FIRST_S, LONGEST_S = 5, 40
"""How long a turn is in the first round, and at most; in each it is twice as long as in the one before."""
KEPT_BYTES = 12_000
"""Of each target's corpus as it is written down in the repository."""
LONGEST_KEPT = 2048


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
    one = [sys.executable, "-m", "fuzz.one", given.target, "--work", str(work)]
    if given.keep:
        subprocess.run([*one, "--merge"], check=True)
        for few in sorted((work / "few").glob(f"{given.target}*")):
            _keep(few)
        return 0
    until, turn_s = time.time() + 60 * given.minutes, FIRST_S
    while not given.report and time.time() < until:
        # Loaded anew in each round: what is mended or added meanwhile is taken up.
        subprocess.run([*one, "--seconds", str(turn_s), "--until", str(until)], check=False)
        turn_s = min(2 * turn_s, LONGEST_S)
    return 1 if report(work, given.target) else 0


def _keep(few: Path) -> None:
    """The shortest of the inputs that reach what all of them reach, as a file of one line each."""
    lines, size = [], 0
    for data in sorted((file.read_bytes() for file in few.iterdir()), key=lambda data: (len(data), data)):
        line = repr(data) + "\n"
        size += len(line)
        if size > KEPT_BYTES or len(data) > LONGEST_KEPT:
            break
        lines.append(line)
    (CORPUS / f"{few.name}.txt").write_text("".join(lines))
    print(f"{few.name}: {len(lines)} of {len(list(few.iterdir()))}")


if __name__ == "__main__":
    sys.exit(main())
