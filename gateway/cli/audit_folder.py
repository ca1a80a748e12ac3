"""The audit files that a command looks at, and what it finds of them."""

import os
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.local_api import state_dir
from gateway.cli.terminal import fail
from gateway.records.signing import Verifier
from gateway.records.verifying import Verdict, verify
from gateway.trust.keys import UnusableKeyError, load_public_key

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
    typer.Option("--key", help="Public signing key (signing.pub), PEM; several where it was renewed."),
]


def folder_of(config: Path) -> Path:
    """Where the audit files are; ends the program where there are none to be read."""
    folder = config if config.is_dir() else state_dir(config)
    if not os.access(folder, os.R_OK | os.X_OK):
        fail(f"the audit in {folder} cannot be read by you: sudo -u borderpost", os.EX_NOPERM)
    return folder


def verdict_of(folder: Path, keys: list[Path] | None) -> Verdict:
    """Verify them; ends the program where they, or a key, cannot be read."""
    try:
        verdict = verify(folder, Verifier(map(load_public_key, keys)) if keys else None)
    except UnusableKeyError as error:
        fail(str(error), os.EX_USAGE)
    except OSError as error:
        fail(f"the audit in {folder} cannot be read: {error}", os.EX_NOINPUT)
    if not verdict.files:
        fail(f"there is no audit in {folder}", os.EX_NOINPUT)
    return verdict
