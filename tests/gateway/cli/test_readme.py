"""The README from top to bottom, as a newcomer follows it: every block, in order, beside one demo.

The blocks are read from README.md. A block in a language without a runner fails; so does one with a command
that is not run here, unless `NOT_RUN` has a reason for it.
"""

import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.process.demos import ROOT, Demo

README = ROOT / "README.md"
NOT_RUN = {"make test": "it runs this test, and installs packages of the system with apt"}
DEMO = "make demo"
PORT = "18830"
"""Default port of a demo; another one only while a developer's own demo uses it."""
CODES = {"doctor": (0, 1, 3)}
"""Documented exit codes other than 0: the machine of the tests may have warnings and errors of its own."""
LINES = 2
"""Number of lines of a long-running program that show that it works."""
ENDS_S = 2.0
"""Seconds in which a program that has shown these lines may still end by itself."""
RUN_S, TRY_S = 60.0, 90.0
"""Seconds for one run of a block, and until it must succeed: a moving barrier refuses commands."""


@dataclass(frozen=True)
class Block:
    """One fenced block of the page."""

    line: int
    language: str
    text: str


@dataclass(frozen=True)
class Ended:
    """One run of a command or of a program."""

    code: int
    output: str
    by_itself: bool


def blocks(page: str) -> Iterator[Block]:
    """Find the fenced blocks of a page in Markdown."""
    inside: tuple[int, str, list[str]] | None = None
    for number, line in enumerate(page.splitlines(), 1):
        fence = re.match(r"\s*(```|~~~)(.*)", line)
        if inside is None and fence:
            inside = number, fence[2].strip(), []
        elif inside is not None and fence:
            yield Block(inside[0], inside[1], "\n".join(inside[2]))
            inside = None
        elif inside is not None:
            inside[2].append(line)
    assert inside is None, f"README.md:{inside[0]}: the block does not end"


class Reader:
    """Newcomer with two terminals."""

    def __init__(self, demo: Demo, folder: Path) -> None:
        self.demo = demo
        self.folder = folder
        self.port = PORT

    def shell(self, block: Block) -> None:
        """Type the block's lines, one after another, in a second terminal once the demo runs."""
        for line in block.text.splitlines():
            command = line.partition("#")[0].strip()
            if command and command not in (*NOT_RUN, DEMO):
                self.tries(block, command, ["sh", "-c", f"exec {command}"])

    def python(self, block: Block) -> None:
        """Save the block as a file and run it."""
        file = self.folder / f"example_{block.line}.py"
        file.write_text(block.text.replace(PORT, self.port))
        self.tries(block, f"python {file.name}", [sys.executable, str(file)])

    def text(self, block: Block) -> None:
        """Accept a block of text: a picture, or a screen."""
        assert not re.search(r"^\s*(\$ |make |(\S*/)?borderpost )", block.text, re.MULTILINE), block

    def tries(self, block: Block, name: str, command: list[str]) -> None:
        """Run a command until it succeeds; a device's command must also appear in the demo."""
        station = re.search(r"station[ =]\"?([\w-]+)", block.text if name.startswith("python") else name)
        obeyed = re.compile(rf"requested by {station[1]}: accepted") if station else None
        seen = len(obeyed.findall(self.demo.screen)) if obeyed else 0
        deadline = time.monotonic() + TRY_S
        while True:
            ended = self.runs(command)
            said = f"README.md:{block.line}: {name}: exit code {ended.code}\n{ended.output}"
            assert "Traceback" not in ended.output, said
            accepted = next((codes for word, codes in CODES.items() if f" {word}" in name), (0,))
            well = ended.code in accepted if ended.by_itself else ended.output.count("\n") >= LINES
            if obeyed is not None and well:
                with contextlib.suppress(AssertionError):
                    self.demo.shows(rf"({obeyed.pattern}[\s\S]*){{{seen + 1}}}", 3)
                well = len(obeyed.findall(self.demo.screen)) > seen
            if well:
                return
            assert time.monotonic() < deadline, f"{said}\n\nThe demo:\n{self.demo.screen[-2000:]}"

    def runs(self, command: list[str]) -> Ended:
        """Run a command to its end or its first lines; then end it by Ctrl-C, or SIGTERM for a script."""
        with tempfile.TemporaryFile() as output:
            process = subprocess.Popen(
                command,
                cwd=ROOT,
                # A terminal shows each line at once; a file would receive none before the program's end.
                env=self.demo.environment | {"PYTHONUNBUFFERED": "1"},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

            def said() -> str:
                return os.pread(output.fileno(), 1_000_000, 0).decode()

            try:
                deadline = time.monotonic() + RUN_S
                while process.poll() is None and time.monotonic() < deadline:
                    self.demo.read(0.1)
                    # A program that continues after some lines does not end by itself.
                    if said().count("\n") >= LINES and time.monotonic() < deadline - ENDS_S:
                        deadline = time.monotonic() + ENDS_S
                by_itself = process.poll() is not None
            finally:
                if process.poll() is None:
                    process.send_signal(signal.SIGTERM if command[0] == sys.executable else signal.SIGINT)
                process.wait(30)
            return Ended(process.returncode, said(), by_itself)


RUNNERS: dict[str, Callable[[Reader, Block], None]] = {
    "sh": Reader.shell,
    "python": Reader.python,
    "text": Reader.text,
}


@pytest.mark.parametrize(
    ("page", "found"),
    [
        ("a\n```sh\nmake demo\n```\n", [Block(2, "sh", "make demo")]),
        ("```python\na\n\nb\n```\n~~~\nc\n~~~", [Block(1, "python", "a\n\nb"), Block(6, "", "c")]),
    ],
)
def test_blocks(page: str, found: list[Block]) -> None:
    assert list(blocks(page)) == found


def test_every_block_has_a_runner() -> None:
    for block in blocks(README.read_text()):
        assert block.language in RUNNERS, (
            f"README.md:{block.line}: no runner for {block.language or 'a block'}"
        )


def test_first_block_starts_demo() -> None:
    shell = next(block for block in blocks(README.read_text()) if block.language == "sh")
    assert shell.text.startswith(DEMO)


@pytest.mark.long(60)
@pytest.mark.timeout(400)
def test_readme(tmp_path: Path) -> None:
    with Demo(*DEMO.split()) as demo:
        printed = demo.shows(r"Workstation\(\"127\.0\.0\.1\", (\d+), site=\"[\w-]+\", training=True\)\n", 90)
        demo.shows("lane-1/barrier +● online")
        demo.shows("lane-1/camera +● online")
        reader = Reader(demo, tmp_path)
        reader.port = printed[1]
        for block in blocks(README.read_text()):
            RUNNERS[block.language](reader, block)
        # The lines that the demo prints for copying.
        pasted = re.findall(r"^  (\S*borderpost .+)$", demo.screen, re.MULTILINE)
        assert len(pasted) == 4, demo.screen
        for line in pasted:
            reader.shell(Block(0, "sh", line))
        demo.interrupt()
        demo.ended()
        assert "Traceback" not in demo.screen
