"""`make mutants [AREA=delivery] [SAMPLE=100] [SEED=1]`: run tests against changed source.

mutmut makes the mutants and tries each with the tests that call its function. SAMPLE mutants of every area
are drawn by SEED; SAMPLE=all takes all, which is hours. Prints killed and survived mutants by module, and
the change that each survivor made; ends in an error if fewer than 85 % of an area's are killed. Works in
.cache/mutants.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from mutants.areas import AREAS, COPIED, FAILED, LEFT_OUT, NOT_MUTATED, PACKAGES, Area
from mutants.outcome import Outcome, read

ENOUGH = 0.85
"""Share of an area's mutants that must be killed."""
ROOT = Path(__file__).parents[2]


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        prog="mutants", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--area", choices=[area.name for area in AREAS], help="only this one")
    parser.add_argument("--sample", default="100", help="how many mutants of each area, or all")
    parser.add_argument("--seed", default="1", help="which ones")
    parser.add_argument(
        "--workers", type=int, default=3 * (os.cpu_count() or 1), help="mutants tried at a time"
    )
    parser.add_argument("--work", type=Path, default=ROOT / ".cache" / "mutants")
    given = parser.parse_args()
    if given.sample != "all" and not given.sample.isdigit():
        parser.error("--sample takes a number, or all")
    failed = []
    for area in AREAS:
        if given.area not in (None, area.name):
            continue
        print(f"# {area.name}", flush=True)
        began = time.monotonic()
        work = given.work.absolute() / area.name
        outcome = _run(area, work, given.sample, given.seed, given.workers)
        if outcome is None:
            failed.append(area.name)
            continue
        _print(outcome, work, time.monotonic() - began)
        if outcome.void:
            print(f"void, because tests fail without a change: {', '.join(outcome.void)}")
        if outcome.void or outcome.share < ENOUGH:
            failed.append(area.name)
    if failed:
        print(f"fewer than {ENOUGH:.0%} killed, or not run to the end: {', '.join(failed)}")
    return 1 if failed else 0


def _run(area: Area, work: Path, sample: str, seed: str, workers: int) -> Outcome | None:
    """Try one area's mutants; None if mutmut did not finish."""
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    for name in (*PACKAGES, "tests", *COPIED):
        (work / name).symlink_to(ROOT / name)
    (work / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text() + _settings(area))
    with (work / "mutmut.log").open("w") as log:
        ended = subprocess.run(
            [sys.executable, "-m", "mutants.one", sample, seed, str(workers)],
            cwd=work,
            env=os.environ | {LEFT_OUT: " ".join(area.left_out)},
            stdout=log,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if ended.returncode:
        if (work / FAILED).exists():
            print((work / FAILED).read_text())
        print(f"mutmut ended with {ended.returncode}; all it said is in {work / 'mutmut.log'}")
        return None
    return read(work)


def _settings(area: Area) -> str:
    """Return the settings of mutmut for one area, as a table of TOML; lists and strings are those of JSON."""
    options = [
        "-p",
        "no:cacheprovider",
        "-p",
        "mutants.judging",
        *(f"--deselect={test}" for test in area.deselected),
    ]
    settings = {
        "source_paths": PACKAGES,
        "only_mutate": area.sources,
        "do_not_mutate_patterns": NOT_MUTATED,
        "also_copy": COPIED,
        "pytest_add_cli_args": options,
        "pytest_add_cli_args_test_selection": area.tests,
        # Not "fork": tests of the gateway start a fork server, and it must be the parent of their processes.
        "process_isolation": "forkserver",
        "forkserver_warmup": "none" if area.at_import else "collect",
        # Most tests that wait in vain give up after at most 20 s; a machine may be busy.
        "timeout_constant": 30.0,
        "timeout_multiplier": 4.0,
        "track_dependencies": False,
        "use_git_change_detection": False,
        "use_setproctitle": False,
    }
    lines = [f"{name} = {json.dumps(value)}" for name, value in settings.items()]
    return "\n".join(["", "[tool.mutmut]", *lines, ""])


def _print(outcome: Outcome, work: Path, seconds: float) -> None:
    for (path, name), change in zip(outcome.survivors, _differences(work, outcome.survivors), strict=True):
        print(f"\n## {path}: {name} survived\n{change}")
    modules = sorted(outcome.killed | outcome.survived)
    width = max(map(len, [*modules, "in all"]))
    print(f"\n{'':{width}}  killed (timed out)  survived (unreached)")
    for module in modules:
        print(
            f"{module:{width}}  {outcome.killed[module]:6} {outcome.timed_out[module] or '':11}"
            f"  {outcome.survived[module]:8} {outcome.unreached[module] or '':11}"
        )
    print(
        f"{'in all':{width}}  {outcome.killed.total():6} {outcome.timed_out.total():11}"
        f"  {outcome.survived.total():8} {outcome.unreached.total():11}"
    )
    print(f"{outcome.share:.1%} killed, in {seconds:.0f} s\n", flush=True)


def _differences(work: Path, mutants: list[tuple[str, str]]) -> list[str]:
    """Return the change of each mutant, as a unified diff without its headings.

    Another process makes them, because mutmut reads the settings of the folder it is in.
    """
    program = (
        "import json, sys; from mutmut.mutation.diff_apply import get_diff_for_mutant as diff;"
        "print(json.dumps([diff(name, path=path) for path, name in json.load(sys.stdin)]))"
    )
    found = subprocess.run(
        [sys.executable, "-c", program],
        cwd=work,
        input=json.dumps(mutants),
        capture_output=True,
        text=True,
        check=True,
    )
    headings = ("---", "+++")
    return [
        "\n".join(line for line in diff.splitlines() if line and not line.startswith(headings))
        for diff in json.loads(found.stdout)
    ]


if __name__ == "__main__":
    sys.exit(main())
