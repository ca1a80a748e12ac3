"""Trial of an entry point of another package in a process of its own, before it is imported here.

`python -m drivers.probe FD CHECK NAME LIMIT` calls the function CHECK, `module:function`, with the entry
point's name and the text on standard input (for a driver, the settings of its devices). It yields faults.
The import may end the process, block it, or change it.
"""

import contextlib
import importlib
import json
import os
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from drivers.packages.vocabularies import describe_error
from drivers.registry import UnknownDriverError

DRIVER_CHECK = "drivers.packages.driver_faults:driver_faults"
CPU_LIMIT_S = 10
"""Processor time that importing a driver and validating its settings may take, in seconds."""
TIMEOUT_S = 60.0
"""Time for the same on a busy machine, in seconds."""
MEMORY_LIMIT_BYTES = 4 * 1024**3
MAX_ANSWER_BYTES = 16384
"""Longest answer, which a pipe holds."""
MAX_FAULTS = 30
MAX_FAULT_CHARACTERS = 400


def probe_driver(name: str, settings: Sequence[Mapping[str, Any]]) -> str | None:
    """Return the reason why a driver cannot be used; None: it can. `settings`: those of its devices."""
    faults = probe(DRIVER_CHECK, name, json.dumps(settings, default=str, sort_keys=True))
    if len(faults) > 1:
        return f"{faults[0]}; `borderpost drivers` lists {len(faults) - 1} more"
    return faults[0] if faults else None


@cache
def probe(check: str, name: str, text: str = "[]") -> tuple[str, ...]:
    """Return the faults that a check finds in another process, or the one that ended that process."""
    try:
        return _probe(check, name, text)
    except OSError as error:
        return (f"it cannot be tried: {error.strerror}",)


def _probe(check: str, name: str, text: str) -> tuple[str, ...]:
    read_end, write_end = os.pipe()
    with open(read_end, "rb") as answer:  # noqa: PTH123 - a descriptor
        try:
            code = _run(check, name, text, write_end)
        except subprocess.TimeoutExpired:
            return (f"its import did not end within {TIMEOUT_S:g} seconds",)
        finally:
            os.close(write_end)
        said = answer.read(MAX_ANSWER_BYTES)
    if code in (-signal.SIGXCPU, -signal.SIGKILL):
        return (f"its import took more than {CPU_LIMIT_S} s of processor time",)
    try:
        return tuple(map(str, json.loads(said)))
    except ValueError:
        how = f"by signal {-code}" if code < 0 else f"with status {code}"
        return (f"its import ended the process {how}",)


def _run(check: str, name: str, text: str, answer: int) -> int:
    """Run `main` in a new process; return its exit code, or the signal as a negative number."""
    child = subprocess.Popen(
        [sys.executable, "-m", "drivers.probe", str(answer), check, name, str(CPU_LIMIT_S)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        pass_fds=[answer],
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
    )
    try:
        child.communicate(text.encode(), timeout=TIMEOUT_S)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)  # also what the import started
        child.wait()
    return child.returncode


def _faults(check: str, name: str, text: str) -> list[str]:
    module, _, function = check.partition(":")
    find_faults = getattr(importlib.import_module(module), function)
    handlers = {number: signal.getsignal(number) for number in signal.valid_signals()}
    hooks = sys.excepthook, threading.excepthook, sys.unraisablehook
    found: list[str] = []
    try:
        found += find_faults(name, text)
    except UnknownDriverError as error:
        found.append(str(error))
    except Exception as error:  # noqa: BLE001 - code of another package may fail in any way
        found.append(describe_error(error))
    if threading.active_count() > 1:
        found.append("its import starts threads")
    if handlers != {number: signal.getsignal(number) for number in signal.valid_signals()}:
        found.append("its import changes signal handlers")
    if hooks != (sys.excepthook, threading.excepthook, sys.unraisablehook):
        found.append("its import changes hooks of the interpreter")
    return [fault[:MAX_FAULT_CHARACTERS] for fault in found[:MAX_FAULTS]]


def main(arguments: list[str]) -> None:
    """Write the faults as JSON to a descriptor."""
    descriptor, check, name, limit_s = int(arguments[0]), arguments[1], arguments[2], int(arguments[3])
    text = sys.stdin.read()
    resource.setrlimit(resource.RLIMIT_CPU, (limit_s, limit_s + 1))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT_BYTES, MEMORY_LIMIT_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.write(descriptor, json.dumps(_faults(check, name, text)).encode()[:MAX_ANSWER_BYTES])
    os._exit(0)  # no handler of the driver runs at the end


if __name__ == "__main__":
    main(sys.argv[1:])
