"""`borderpost pcapng`: convert a recording for Wireshark."""

from pathlib import Path
from typing import Annotated

import typer

from drivers.links.recording.pcap_export import recording_to_pcapng
from gateway.cli._lib.recording_file import RecordingFile, recording_or_fail, write_or_fail
from gateway.cli._lib.terminal import console


def pcapng(
    recording: RecordingFile,
    out: Annotated[Path, typer.Argument(metavar="OUT", help="File to write; it must not exist yet.")],
) -> None:
    """Convert a recording into a capture for Wireshark: serial lines, USB, smart cards, I/O boards.

    Personal data in the recording is in the capture too; then only its owner may read the file.
    """
    read = recording_or_fail(recording)
    write_or_fail(out, recording_to_pcapng(read), 0o600 if read.people == "real" else 0o644)
    console.print(f"{out}: {len(read.entries)} packets", markup=False, soft_wrap=True)
