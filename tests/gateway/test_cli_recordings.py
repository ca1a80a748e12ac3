"""`borderpost scrub` and `pcapng`: what they write, and what they refuse."""

import os
from pathlib import Path

import pytest
from support.replaying import ROOT
from typer.testing import CliRunner

from drivers.links.recording import Recording
from gateway.cli import app

READER = ROOT / "passport" / "accessis.rec"


def run(*words: str | Path) -> tuple[int, str]:
    done = CliRunner().invoke(app, [str(word) for word in words])
    return done.exit_code, done.output


def test_a_scrubbed_recording_is_written_once(tmp_path: Path) -> None:
    out = tmp_path / "out.rec"

    assert run("scrub", READER, out) == (0, f"{out}: nobody is left in it\n")
    assert Recording.parse(out.read_text()).people == "scrubbed"
    code, said = run("scrub", READER, out)
    assert (code, said) == (os.EX_CANTCREAT, f"{out}: exists already; name another file\n")


@pytest.mark.parametrize(
    ("text", "code", "complaint"),
    [
        (None, os.EX_NOINPUT, "No such file"),
        ("", os.EX_DATAERR, "line 1"),
        (READER.read_text().replace("mrz-serial", "document-bridge"), os.EX_DATAERR, "specimen"),
        (READER.read_text().replace("mrz-serial", "nothing"), os.EX_DATAERR, "no driver named"),
    ],
    ids=["missing", "empty", "unknown wire", "unknown driver"],
)
def test_what_is_not_scrubbed_leaves_no_file(
    text: str | None, code: int, complaint: str, tmp_path: Path
) -> None:
    recording, out = tmp_path / "in.rec", tmp_path / "out.rec"
    if text is not None:
        recording.write_text(text)

    ended, said = run("scrub", recording, out)

    assert ended == code
    assert complaint in said
    assert not out.exists()


@pytest.mark.parametrize(("people", "mode"), [("real", 0o600), ("synthetic", 0o644)])
def test_a_capture_of_real_people_is_for_its_owner_alone(people: str, mode: int, tmp_path: Path) -> None:
    recording, out = tmp_path / "in.rec", tmp_path / "out.pcapng"
    recording.write_text(READER.read_text().replace("# people: synthetic", f"# people: {people}"))

    assert run("pcapng", recording, out) == (0, f"{out}: 10 packets\n")
    assert out.stat().st_mode & 0o777 == mode
    assert out.read_bytes()[:4] == b"\x0a\x0d\x0d\x0a"
