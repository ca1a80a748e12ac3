"""Output, errors and the post's file, common to all commands."""

import os
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from drivers.installation import OURS, how_to_install
from gateway.common.printable import printable


class TerminalConsole(Console):
    """Console that writes no control or format character of the texts that it prints."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterator[Segment]:
        """Render like rich, which lets escape sequences pass."""
        for segment in super().render(renderable, options):
            safe = segment.control or segment.text.isprintable()
            yield segment if safe else Segment(printable(segment.text, keep="\n"), segment.style)


console = TerminalConsole(highlight=False)
errors = TerminalConsole(stderr=True, highlight=False)

ConfigFile = Annotated[
    Path,
    typer.Argument(
        envvar="BORDERPOST_CONFIG",
        help="The file that describes the post.",
        show_default=True,
        readable=False,  # not checked here: technicians may not read it, and need not for some commands
    ),
]
DEFAULT_CONFIG = Path("/etc/borderpost/post.toml")


INDENT = 4


def print_line(line: Text) -> None:
    """Print one line: wrapped to the terminal's width, cut if it is `no_wrap`, whole without a terminal."""
    if "\n" in line.plain:
        line = Text(printable(line.plain), line.style)
    if not console.is_terminal:
        console.print(line, soft_wrap=True)
    elif line.no_wrap:
        console.print(line, no_wrap=True, overflow="ellipsis", crop=True)
    else:
        first, *more = _wrapped(line, console.width)
        console.print(first, soft_wrap=True)
        rest = Text(" ").join(more)
        for part in _wrapped(rest, console.width - INDENT) if more else ():
            console.print(Text(" " * INDENT) + part, soft_wrap=True)


def _wrapped(line: Text, width: int) -> list[Text]:
    """Wrap a line; rich leaves the space at which it does."""
    parts = list(line.wrap(console, width))
    for part in parts:
        part.rstrip()
    return parts


def exit_with(text: str, exit_code: int = os.EX_SOFTWARE) -> NoReturn:
    """Print an error on standard error and end."""
    errors.print(text, markup=False, soft_wrap=True)
    sys.exit(exit_code)


def not_installed(text: str, extra: str, distribution: str = OURS) -> NoReturn:
    """Print the missing extra and the command that installs it, and end with EX_UNAVAILABLE."""
    exit_with(f"{text}\n    {how_to_install(extra, distribution)}", os.EX_UNAVAILABLE)


def require_simulators() -> None:
    """End with EX_UNAVAILABLE without simulators: the package of a real post has none."""
    if find_spec("simulators") is None:
        not_installed("This installation has no simulators.", "simulators")
