"""`borderpost scrub`: take the people out of a recording."""

import os
from pathlib import Path
from typing import Annotated

import typer

from drivers.anonymize.anonymizer import anonymize as scrubbed
from drivers.anonymize.pseudonyms import CannotAnonymize
from drivers.registry import UnknownDriverError
from gateway.cli._lib.needed_driver import need_driver
from gateway.cli._lib.recording_file import RecordingFile, recording_or_fail, write_or_fail
from gateway.cli._lib.terminal import console, exit_with


def scrub(
    recording: RecordingFile,
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The file to write; it must not exist yet.")],
) -> None:
    """Replace everybody in a recording by somebody invented, with check digits and check bytes that fit.

    What is not known to be free of people is blanked. Where it is not certain that nobody is left, nothing is
    written, and the exit code is 65.
    """
    read = recording_or_fail(recording)
    try:
        need_driver(read.driver)
        done = scrubbed(read)
    except (CannotAnonymize, UnknownDriverError) as error:
        exit_with(f"{recording}: cannot be scrubbed: {error}", os.EX_DATAERR)
    write_or_fail(out, done.to_text().encode())
    console.print(f"{out}: nobody is left in it", markup=False, soft_wrap=True)
