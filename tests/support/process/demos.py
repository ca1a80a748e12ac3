"""A running demo on a terminal of 80 columns, as `make demo` starts it, and the files that it leaves."""

import contextlib
import fcntl
import os
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import tempfile
import termios
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from support.patience import PATIENCE_S

ROOT = Path(__file__).parents[3]
COLOURS = re.compile(r"\x1b\[[0-9;]*m")
COLUMNS = 80


def one_reader(folder: Path) -> tuple[str, ...]:
    """Write the demo's two files with one reader only; return the options that name them.

    For tests of the program itself: a whole demo takes five seconds of processor time.
    """
    config = (ROOT / "config/demo.toml").read_text().partition('[device."lane-2/reader"]')[0]
    first = (ROOT / "config/demo-post.toml").read_text().split("[[simulator]]")[:2]
    (folder / "demo.toml").write_text(config)
    (folder / "demo-post.toml").write_text("[[simulator]]".join(first))
    shutil.copy(ROOT / "config/demo-roles.toml", folder)
    return "--config", f"{folder}/demo.toml", "--post", f"{folder}/demo-post.toml"


class Demo:
    """One demo on a pseudo-terminal, with its own directory for temporary files."""

    def __init__(self, *command: str) -> None:
        # Not pytest's folder: the paths of sockets in it would be too long.
        self.folder = Path(tempfile.mkdtemp(prefix="demo-"))
        self.environment = os.environ | {"TMPDIR": str(self.folder), "TERM": "xterm"}
        # Under `make test`, MAKEFLAGS would have a `make demo` here keep its output back (--output-sync).
        make_variables = ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")
        for name in ("COLUMNS", "BORDERPOST_CONFIG", "BORDERPOST_RUN", *make_variables):
            self.environment.pop(name, None)
        self.raw = b""
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, COLUMNS, 0, 0))
        self._terminal = ours
        self.process = subprocess.Popen(
            ["setsid", "--ctty", *command],  # so that Ctrl-C comes from the terminal
            cwd=ROOT,
            env=self.environment,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
        )
        os.close(theirs)
        # A terminal that is not yet the program's own sends no signal.
        while self.process.poll() is None and os.tcgetpgrp(ours) != self.process.pid:
            time.sleep(0.001)
        self.started_s = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.interrupt()
            try:
                self.ended()
            except TimeoutError:
                os.killpg(self.process.pid, signal.SIGKILL)
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()
        os.close(self._terminal)
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def screen(self) -> str:
        """Output without colours."""
        return COLOURS.sub("", self.raw.decode("utf-8", "replace")).replace("\r\n", "\n")

    def shows(self, pattern: str, within_s: float = PATIENCE_S) -> re.Match[str]:
        """Read the terminal until it shows the pattern."""
        deadline = time.monotonic() + within_s
        while (found := re.search(pattern, self.screen, re.MULTILINE)) is None:
            if time.monotonic() > deadline or not self.read(0.2):
                raise AssertionError(f"no {pattern!r} on the screen:\n{self.screen}")
        return found

    def read(self, within_s: float) -> bool:
        """Read for that time at most; False after its end."""
        if select.select([self._terminal], [], [], within_s)[0]:
            try:
                self.raw += os.read(self._terminal, 65536)
            except OSError:
                return False
        return True

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        with contextlib.suppress(OSError):
            os.write(self._terminal, b"\x03")

    def ended(self, within_s: float = PATIENCE_S) -> int:
        """Wait for its end; return the exit code, or the signal as a negative number."""
        deadline = time.monotonic() + within_s
        while self.process.poll() is None:
            if time.monotonic() > deadline:
                raise TimeoutError(f"the demo does not end:\n{self.screen}")
            if not self.read(0.05):
                time.sleep(0.01)
        while select.select([self._terminal], [], [], 0)[0] and self.read(0):
            pass
        return self.process.returncode

    def processes(self) -> list[int]:
        """List all processes that it started: they have its directory in their environment."""
        mark = f"TMPDIR={self.folder}".encode()
        return [pid for pid, environment in _environments() if mark in environment.split(b"\0")]

    def left(self) -> list[int]:
        """List the processes that outlive it by more than a second, time for make's own `$(shell)`."""
        deadline = time.monotonic() + 1
        while (left := self.processes()) and time.monotonic() < deadline:
            time.sleep(0.02)
        return left

    def files(self) -> list[str]:
        """List the files in its directory for temporary files."""
        return sorted(path.name for path in self.folder.iterdir())


def _environments() -> Iterator[tuple[int, bytes]]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                if environment := (entry / "environ").read_bytes():  # a zombie has none
                    yield int(entry.name), environment
