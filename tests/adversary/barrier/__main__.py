"""Random trials of barriers: python -m adversary.barrier --minutes 60 --board waveshare-tcp --seed 1."""

import argparse
import time
from collections import Counter

from adversary.barrier.judge.records import Command, Record, Wire
from adversary.barrier.rig.gpio_site import run_again
from adversary.barrier.rig.posts import BOARDS, PRELOADED
from adversary.barrier.trials import THEMES, TRIAL_S, Trial, run_trial


def main() -> int:
    """Run trials and print what was found; return 1 if an invariant was broken."""
    parser = argparse.ArgumentParser(prog="python -m adversary.barrier", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="real time, in minutes")
    parser.add_argument("--board", action="append", choices=BOARDS, help="kind of board; all without it")
    parser.add_argument("--seed", type=int, default=1, help="first seed; the next trials take the next ones")
    parser.add_argument("--trials", type=int, help="number of trials a board, instead of a time")
    parser.add_argument("--theme", choices=THEMES, help="one theme; chosen from the seed without it")
    parser.add_argument("--seconds", type=float, default=TRIAL_S, help="virtual time of a trial, in seconds")
    parser.add_argument("--trace", action="store_true", help="print every record")
    parser.add_argument("--all", action="store_true", help="print every violation of a rule")
    given = parser.parse_args()
    if set(PRELOADED) & set(given.board or BOARDS):
        run_again("adversary.barrier")
    began_s, seed = time.monotonic(), given.seed
    totals: Counter[str] = Counter()
    seen: Counter[tuple[int, str]] = Counter()
    while True:
        for board in given.board or BOARDS:
            log = _print_record if given.trace else None
            trial = run_trial(board, seed, seconds=given.seconds, theme=given.theme, log=log)
            _count(totals, trial)
            _report(trial, seen, time.monotonic() - began_s, every=given.all)
        seed += 1
        elapsed_s = time.monotonic() - began_s
        if seed - given.seed >= given.trials if given.trials else elapsed_s >= 60 * given.minutes:
            break
    print(
        f"{totals['trials']} trials, {totals['seconds'] / 60:.1f} lane-minutes, {totals['frames']} frames, "
        f"{totals['commands']} commands, {totals['lives']} lives of a driver, "
        f"in {time.monotonic() - began_s:.0f} s"
    )
    for (invariant, rule), number in sorted(seen.items()):
        print(f"  invariant {invariant:>2} {rule:<24} {number}")
    print(f"{sum(seen.values())} violations")
    return 1 if seen else 0


def _print_record(record: Record) -> None:
    print(record.line)


def _count(totals: Counter[str], trial: Trial) -> None:
    totals["trials"] += 1
    totals["seconds"] += round(trial.seconds)
    totals["frames"] += sum(isinstance(one, Wire) for one in trial.records)
    totals["commands"] += sum(isinstance(one, Command) for one in trial.records)
    totals["lives"] += trial.lives


def _report(trial: Trial, seen: Counter[tuple[int, str]], elapsed_s: float, *, every: bool) -> None:
    for violation in trial.violations:
        key = violation.invariant, violation.rule
        if every or not seen[key]:
            print(f"[{elapsed_s:6.1f} s] {trial.name}\n  {violation}", flush=True)
        seen[key] += 1


if __name__ == "__main__":
    raise SystemExit(main())
