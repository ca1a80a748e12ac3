"""Files of recordings, limited in size and never overwritten, and the drivers that they need."""

import os
from pathlib import Path
from typing import Annotated, NoReturn

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


def require_new_file(path: Path) -> None:
    """End the program if the file exists or cannot be created: before a recording, not after it."""
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        path.unlink()
    except OSError as error:
        _exit_without_file(path, error)


def write_or_fail(path: Path, content: bytes, mode: int = 0o644) -> None:
    """Write a new file with that mode, whole or not at all; ends the program if that fails."""
    try:
        file = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb")
    except OSError as error:
        _exit_without_file(path, error)
    try:
        with file:
            file.write(content)
    except OSError as error:  # the disk is full
        path.unlink(missing_ok=True)
        _exit_without_file(path, error)


def _exit_without_file(path: Path, error: OSError) -> NoReturn:
    why = "exists already; name another file" if isinstance(error, FileExistsError) else error.strerror
    exit_with(f"{path}: {why}", os.EX_CANTCREAT)


def need_driver(name: str) -> None:
    """End with EX_UNAVAILABLE if a driver cannot be imported; raises UnknownDriverError."""
    kind = load_driver(name)
    if issubclass(kind, MissingDriver):
        not_installed(kind.text, kind.extra, kind.distribution)
