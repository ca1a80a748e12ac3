"""Run mutmut over one area, in the folder laid out for it: `python -m mutants.one SAMPLE SEED WORKERS`.

mutmut keeps settings and pytest in the process, so every area has its own process. The outcome is in the
files that mutmut leaves in `mutants/`, and in SAMPLED: one line for each mutant of the sample.
"""

import os
import random
import sys
from pathlib import Path

from mutmut import __main__ as mutmut
from mutmut.mutation.data import SourceFileMutationData
from mutmut.mutation.trampoline import set_mutant_under_test
from mutmut.workers.isolation import ForkServerRunner

from mutants.outcome import CONTROL, SAMPLED

CONTROLS = 3


def main(sample: str, seed: str, workers: int) -> None:
    """Make all mutants, draw SAMPLE of them ("all": take all), try these, and a few that change nothing."""
    set_mutant_under_test("mutant_generation")
    Path("mutants").mkdir()
    mutmut.copy_src_dir()
    mutmut.copy_also_copy_files()
    mutmut.create_mutants(os.cpu_count() or 1)
    _, files = mutmut.collect_source_file_mutation_data(mutant_names=())
    file_of = {name: file for file in files.values() for name in file.exit_code_by_key}
    print(f"{len(file_of)} mutants in {len(files)} files", flush=True)
    names, chance = sorted(file_of), random.Random(seed)
    drawn = names if sample == "all" else chance.sample(names, min(int(sample), len(names)))
    drawn = [*drawn, *_controls(chance.sample(drawn, min(CONTROLS, len(drawn))), file_of)]
    Path(SAMPLED).write_text("\n".join(drawn))
    # The run that recorded the calls of each test had no mutant; the controls are more such runs.
    ForkServerRunner.run_clean_tests = lambda *_, **__: 0  # type: ignore[method-assign]
    mutmut._run(drawn, workers)


def _controls(beside: list[str], file_of: dict[str, SourceFileMutationData]) -> list[str]:
    """Add mutants that change nothing, in the functions of some others, to mutmut's data.

    If a test fails with one of these, it fails by itself, and its other results are void.
    """
    names = set()
    for mutant in beside:
        name = mutant.rpartition("_")[0] + CONTROL
        file_of[mutant].exit_code_by_key[name] = None
        file_of[mutant].save()
        names.add(name)
    return sorted(names)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
