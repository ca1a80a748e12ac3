"""Audit files of a command: their folder and their verification."""

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from gateway.audit.hash_chain import ChainHead
from gateway.audit.verify import VerificationResult, verify
from gateway.cli._lib.api_client import state_dir
from gateway.cli._lib.terminal import exit_with
from gateway.pki.jws import Verifier
from gateway.pki.keys import UnusableKeyError, load_public_key

PostOrFolder = Annotated[
    Path,
    typer.Argument(
        metavar="[CONFIG]",
        envvar="BORDERPOST_CONFIG",
        help="The file that describes the post, or a folder with its audit files.",
    ),
]
PublicKeys = Annotated[
    list[Path] | None,
    typer.Option("--key", help="Public signing key (signing.pub), PEM; several if it was renewed."),
]


def find_audit_dir(config: Path) -> Path:
    """Return the folder of the audit files; ends the program if there are none to read."""
    folder = config if config.is_dir() else state_dir(config)
    if not os.access(folder, os.R_OK | os.X_OK):
        exit_with(f"this user may not read the audit in {folder}: sudo -u borderpost", os.EX_NOPERM)
    return folder


def verify_or_exit(folder: Path, keys: list[Path] | None, expected: Iterable[str] = ()) -> VerificationResult:
    """Verify the files; ends the program if they, or a key, cannot be read."""
    try:
        known = [_known(text) for text in expected]
        verdict = verify(folder, Verifier(map(load_public_key, keys)) if keys else None, known)
    except UnusableKeyError as error:
        exit_with(str(error), os.EX_USAGE)
    except OSError as error:
        exit_with(f"the audit in {folder} cannot be read: {error}", os.EX_NOINPUT)
    if not verdict.files and verdict.tampering is None:
        exit_with(f"there is no audit in {folder}", os.EX_NOINPUT)
    return verdict


def _known(text: str) -> ChainHead:
    match = re.fullmatch(r"([1-9][0-9]{0,17}):([0-9a-f]{64})", text)
    if match is None:
        exit_with(f"{text} is not a valid line: write its number, a colon and its SHA-256", os.EX_USAGE)
    return ChainHead(int(match[1]), match[2])
