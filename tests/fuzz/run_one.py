"""Fuzzing of targets in turn, each in a process of its own, because libFuzzer ends its process.

All of them are forked from this one, which has loaded and instrumented everything: that takes longer than a
run. A finding does not end a run: an undocumented error, an input that takes too long or too much memory is
stored once for each place it comes from. libFuzzer stores inputs that hang or crash the interpreter, and
there the run ends.
"""

import argparse
import gc
import hashlib
import logging
import os
import re
import resource
import signal
import sys
import tempfile
import time
import traceback
import warnings
from pathlib import Path

import atheris
import structlog

from fuzz.run_log import FuzzRun, append, found
from fuzz.target import Target, chosen

SLOW_S = 3.0
HANGS_S = 20
GROWTH_BYTES = 256 * 1024 * 1024
"""Maximum growth of the process by one input."""
MEMORY_BYTES = 3 * 1024**3
ROOT = Path(__file__).parents[2]
IN_MEMORY = Path("/dev/shm")
"""Memory file system: some targets write every input to a file."""


class FindingRecorder:
    """Runs inputs and stores findings."""

    def __init__(self, target: Target, findings: Path) -> None:
        self._target = target
        self._findings = findings
        self._peak_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    def __call__(self, data: bytes) -> None:
        began_s = time.process_time()
        try:
            self._target.run(data)
        except Exception as error:
            place = _place(error)
            self._keep(f"{type(error).__name__} at {place}", data, "".join(traceback.format_exception(error)))
        took_s = time.process_time() - began_s
        if took_s > SLOW_S:
            self._keep("slow", data, f"took {took_s:.1f} s of CPU")
        peak_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        if peak_kib - self._peak_kib > GROWTH_BYTES // 1024:
            self._keep("memory", data, f"grew by {(peak_kib - self._peak_kib) // 1024} MiB")
        self._peak_kib = max(peak_kib, self._peak_kib)

    def _keep(self, what: str, data: bytes, story: str) -> None:
        """Store the shortest input for each place."""
        stem = self._findings / "".join(c if c.isalnum() else "-" for c in what)[:150]
        file = stem.with_suffix(".bin")
        if not file.exists() or file.stat().st_size > len(data):
            file.write_bytes(data)
            stem.with_suffix(".txt").write_text(f"{what}\n{data[:300]!r}\n\n{story}")


def _place(error: BaseException) -> str:
    """Return the innermost place in our code."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [
        f"{Path(frame.filename).relative_to(ROOT)}:{frame.name}"
        for frame in frames
        if frame.filename.startswith(f"{ROOT}/") and not frame.filename.startswith(f"{ROOT}/.")
    ]
    return ours[-1] if ours else "nowhere"


def main() -> None:
    """Run the command line; see `--help`."""
    parser = argparse.ArgumentParser(prog="fuzz.run_one", description=__doc__)
    parser.add_argument("targets", help="targets whose names begin with this")
    parser.add_argument("--work", type=Path, required=True, help="folder for corpora and findings")
    parser.add_argument("--seconds", type=int, default=10, help="seconds of each run")
    parser.add_argument("--until", type=float, default=float("inf"), help="no run starts after this time")
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    with atheris.instrument_imports(include=["drivers", "gateway"]):
        targets = chosen(given.targets)
    gc.freeze()
    for target in targets:
        if time.time() < given.until:
            _run_target(target, given.work, given.seconds)


def _run_target(target: Target, work: Path, seconds: int) -> None:
    """Fork, and wait for the end."""
    findings = work / "findings" / target.name
    for folder in (findings, work / "corpus" / target.name, work / "words"):
        folder.mkdir(parents=True, exist_ok=True)
    before, at = found(work, target.name), time.time()
    with tempfile.TemporaryDirectory(prefix="fuzz-", dir=IN_MEMORY if IN_MEMORY.is_dir() else None) as folder:
        log = Path(folder, "log")
        sys.stdout.flush()
        if (child := os.fork()) == 0:
            os.environ["TMPDIR"] = tempfile.tempdir = folder
            descriptor = os.open(log, os.O_WRONLY | os.O_CREAT)
            os.dup2(descriptor, 1)
            os.dup2(descriptor, 2)
            try:
                _fuzz(target, work, seconds)
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(99)
        ended, used = _end_of(child, seconds + 120)
        output = log.read_text(errors="replace")
    if ended:
        (findings / f"ended-{ended}.txt").write_text(output[-8000:])
    counted = re.findall(r"stat::number_of_executed_units:\s+(\d+)|^#(\d+)\t", output, re.MULTILINE)
    inputs = int("".join(counted[-1])) if counted else 0
    new = len(found(work, target.name) - before)
    append(work, FuzzRun(target.name, at, time.time() - at, used, inputs, new))


def _end_of(child: int, within_s: float) -> tuple[int, float]:
    """Return the exit code, 0 for success, and the CPU time in seconds."""
    until = time.monotonic() + within_s
    while True:
        pid, status, usage = os.wait4(child, os.WNOHANG)
        if pid:
            return os.waitstatus_to_exitcode(status), usage.ru_utime + usage.ru_stime
        if time.monotonic() > until:
            os.kill(child, signal.SIGKILL)
            until = float("inf")
        time.sleep(0.1)


def _fuzz(target: Target, work: Path, seconds: int) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    corpus = work / "corpus" / target.name
    judge = FindingRecorder(target, work / "findings" / target.name)
    with atheris.instrument_imports(include=["drivers", "gateway"]):
        for data in (*target.seeds, *target.corpus_inputs()):
            (corpus / hashlib.sha1(data).hexdigest()).write_bytes(data)
            judge(data)  # modules imported on the way are instrumented as well
    options = [
        f"-timeout={HANGS_S}", "-rss_limit_mb=0", f"-max_len={target.longest}", "-print_final_stats=1",
        f"-max_total_time={seconds}",
        f"-artifact_prefix={work / 'findings' / target.name}/ended-",
    ]  # fmt: skip
    if target.words:
        words = work / "words" / target.name
        words.write_text("".join(f'"{_escaped(word)}"\n' for word in target.words))
        options.append(f"-dict={words}")
    atheris.Setup([sys.argv[0], *options, str(corpus)], judge)
    atheris.Fuzz()


def _escaped(word: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in word)


if __name__ == "__main__":
    main()
