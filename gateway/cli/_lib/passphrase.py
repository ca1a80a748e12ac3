"""Passphrase of the authority's key: from a file, from the environment, or asked on the terminal."""

import os
import sys
from pathlib import Path

import typer

from gateway.cli._lib.terminal import exit_with

VARIABLE = "BORDERPOST_CA_PASSPHRASE"
MIN_CHARACTERS = 12
"""Shortest new passphrase: an attacker with the disk can try as many as he likes."""


def new_passphrase(file: Path | None, *, without: bool) -> bytes | None:
    """Return the passphrase for a new key; None if it is to be stored without one. Ends if there is none."""
    if without:
        if file is not None:
            exit_with("--no-passphrase and a file with a passphrase exclude each other", os.EX_USAGE)
        return None
    word = given_passphrase(file)
    if word is None:
        if not sys.stdin.isatty():
            exit_with(
                "the authority's key is stored encrypted, and there is no passphrase\n"
                f"    name a file with --passphrase-file, or set {VARIABLE}; --no-passphrase stores the key "
                "unencrypted",
                os.EX_USAGE,
            )
        word = _ask("New passphrase of the authority's key", confirm=True)
    if len(word.decode("utf-8", "replace")) < MIN_CHARACTERS:
        exit_with(f"the passphrase is too short: it needs {MIN_CHARACTERS} characters", os.EX_DATAERR)
    return word


def given_passphrase(file: Path | None) -> bytes | None:
    """Return the passphrase in a file, or in the environment; a final line end is not part of it."""
    if file is None:
        return os.environb.get(VARIABLE.encode()) or None
    try:
        word = file.read_bytes().rstrip(b"\r\n")
    except OSError as error:
        exit_with(f"{file} cannot be read: {error.strerror}", os.EX_NOINPUT)
    return word or exit_with(f"{file} is empty", os.EX_DATAERR)


def asked_passphrase() -> bytes | None:
    """Ask for the passphrase of a key; None without a terminal."""
    return _ask("Passphrase of the authority's key", confirm=False) if sys.stdin.isatty() else None


def _ask(text: str, *, confirm: bool) -> bytes:
    answer: str = typer.prompt(text, hide_input=True, confirmation_prompt=confirm, err=True)
    return answer.encode()
