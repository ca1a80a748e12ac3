"""Trial of a driver of another package in a process of its own, before it is imported here.

`python -m drivers.probe FD NAME LIMIT` imports the driver, checks its declaration, and validates the settings
of its devices, a JSON array on standard input. The import may end the process, block it, or change it.
"""

import contextlib
import json
import os
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.metadata import EntryPoint
from typing import Any

from pydantic import ValidationError

from drivers.declaration import declaration_fault
from drivers.registry import load_driver

CPU_LIMIT_S = 10
"""Processor time that importing a driver and validating its settings may take, in seconds."""
TIMEOUT_S = 60.0
"""Time for the same on a busy machine, in seconds."""
MEMORY_LIMIT_BYTES = 4 * 1024**3
MAX_ANSWER_BYTES = 4096


def is_foreign(point: EntryPoint) -> bool:
    """Return True if a driver comes from another package than ours."""
    return point.module.partition(".")[0] != __name__.partition(".")[0]


def probe_driver(name: str, settings: Sequence[Mapping[str, Any]]) -> str | None:
    """Return the reason why a driver cannot be used; None: it can. `settings`: those of its devices.

    Wrong settings are no such reason: their errors are shown with line and key.
    """
    try:
        return _probe(name, json.dumps(settings, default=str, sort_keys=True))
    except OSError as error:
        return f"it cannot be tried: {error.strerror}"


@cache
def _probe(name: str, settings: str) -> str | None:
    read_end, write_end = os.pipe()
    with open(read_end, "rb") as answer:  # noqa: PTH123 - a descriptor
        try:
            code = _run(name, settings, write_end)
        except subprocess.TimeoutExpired:
            return f"its import did not end within {TIMEOUT_S:g} seconds"
        finally:
            os.close(write_end)
        text = answer.read(MAX_ANSWER_BYTES)
    if code in (-signal.SIGXCPU, -signal.SIGKILL):
        return f"its import took more than {CPU_LIMIT_S} seconds of processor time"
    try:
        fault = json.loads(text)
    except ValueError:
        how = f"by signal {-code}" if code < 0 else f"with status {code}"
        return f"its import ended the process {how}"
    return fault if isinstance(fault, str) else None


def _run(name: str, settings: str, answer: int) -> int:
    """Run `main` in a new process; return its exit code, or the signal as a negative number."""
    child = subprocess.Popen(
        [sys.executable, "-m", "drivers.probe", str(answer), name, str(CPU_LIMIT_S)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        pass_fds=[answer],
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
    )
    try:
        child.communicate(settings.encode(), timeout=TIMEOUT_S)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)  # also what the import started
        child.wait()
    return child.returncode


def _fault(name: str, settings: str) -> str | None:
    handlers = {number: signal.getsignal(number) for number in signal.valid_signals()}
    hooks = sys.excepthook, threading.excepthook, sys.unraisablehook
    try:
        driver = load_driver(name)
        if (fault := declaration_fault(driver)) is not None:
            return fault
        driver.settings_model.model_json_schema()
        for one in json.loads(settings):
            with contextlib.suppress(ValidationError):
                driver.settings_model.model_validate(one)
    except Exception as error:  # noqa: BLE001 - code of another package may fail in any way
        return f"{type(error).__name__}: {_first_line(error)}"
    if threading.active_count() > 1:
        return "its import starts threads"
    if handlers != {number: signal.getsignal(number) for number in signal.valid_signals()}:
        return "its import changes signal handlers"
    if hooks != (sys.excepthook, threading.excepthook, sys.unraisablehook):
        return "its import changes hooks of the interpreter"
    return None


def _first_line(error: Exception) -> str:
    text = str(error).partition("\n")[0][:200]
    return "".join(character if character.isprintable() else "?" for character in text)


def main(arguments: list[str]) -> None:
    """Write the fault as JSON to a descriptor: a text, or null."""
    descriptor, name, limit_s = int(arguments[0]), arguments[1], int(arguments[2])
    settings = sys.stdin.read()
    resource.setrlimit(resource.RLIMIT_CPU, (limit_s, limit_s + 1))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT_BYTES, MEMORY_LIMIT_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    fault = _fault(name, settings)
    os.write(descriptor, json.dumps(fault).encode()[:MAX_ANSWER_BYTES])
    os._exit(0)  # no handler of the driver runs at the end


if __name__ == "__main__":
    main(sys.argv[1:])
