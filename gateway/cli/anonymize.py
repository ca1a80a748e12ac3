"""`borderpost anonymize`: replace the personal data in a recording."""

import os
from pathlib import Path
from typing import Annotated

import typer

from drivers.anonymize.anonymizer import anonymize as anonymize_recording
from drivers.anonymize.pseudonyms import CannotAnonymize
from drivers.registry import UnknownDriverError
from gateway.cli._lib.recording_file import RecordingFile, need_driver, recording_or_fail, write_or_fail
from gateway.cli._lib.terminal import console, exit_with


def anonymize(
    recording: RecordingFile,
    out: Annotated[Path, typer.Argument(metavar="OUT", help="File to write; it must not exist yet.")],
) -> None:
    """Replace all personal data in a recording by pseudonyms, with matching check digits and check bytes.

    Bytes that may hold other personal data are blanked. If its absence cannot be verified, no file is
    written, and the exit code is 65.
    """
    read = recording_or_fail(recording)
    try:
        need_driver(read.driver)
        done = anonymize_recording(read)
    except (CannotAnonymize, UnknownDriverError) as error:
        exit_with(f"{recording}: cannot be anonymized: {error}", os.EX_DATAERR)
    write_or_fail(out, done.to_text().encode())
    console.print(f"{out}: personal data replaced", markup=False, soft_wrap=True)
