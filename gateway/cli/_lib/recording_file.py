"""Files of recordings, limited in size and never overwritten, and the drivers that they need."""

import os
from pathlib import Path
from typing import Annotated

import typer

from drivers.links.recording.recorder import LIMIT_BYTES
from drivers.links.recording.recording import Recording, RecordingError
from drivers.registry import load_driver
from drivers.unavailable import MissingDriver
from gateway.cli._lib.terminal import exit_with, not_installed

TEXT_LIMIT_BYTES = 4 * LIMIT_BYTES
"""A byte takes three characters in hexadecimal."""

RecordingFile = Annotated[Path, typer.Argument(metavar="RECORDING", help="Recording of a device.")]


def recording_or_fail(path: Path) -> Recording:
    """Read a recording from a file; prints an error and ends if it is invalid."""
    try:
        if path.stat().st_size > TEXT_LIMIT_BYTES:
            exit_with(f"{path}: larger than any recording", os.EX_DATAERR)
        return Recording.from_text(path.read_text(encoding="utf-8"))
    except OSError as error:
        exit_with(f"{path}: {error.strerror}", os.EX_NOINPUT)
    except UnicodeDecodeError:
        exit_with(f"{path}: not a text file, so not a recording", os.EX_DATAERR)
    except RecordingError as error:
        exit_with(f"{path}: {error}", os.EX_DATAERR)


def write_or_fail(path: Path, content: bytes, mode: int = 0o644) -> None:
    """Write a new file with that mode; ends the program if the file exists."""
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(content)
    except FileExistsError:
        exit_with(f"{path}: exists already; name another file", os.EX_CANTCREAT)
    except OSError as error:
        exit_with(f"{path}: {error.strerror}", os.EX_CANTCREAT)


def need_driver(name: str) -> None:
    """End with EX_UNAVAILABLE if a driver cannot be imported; raises UnknownDriverError."""
    kind = load_driver(name)
    if issubclass(kind, MissingDriver):
        not_installed(kind.text, kind.extra, kind.distribution)
