"""`borderpost replay`, `anonymize` and `pcapng`: output, files and refusals."""

import asyncio
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.brokers.mosquitto import Mosquitto
from support.gateway.gateways import GatewayFixture, gateway
from support.gateway.replaying import ROOT
from support.patience import PATIENCE_S
from typer.testing import CliRunner

from drivers.links.recording.recording import Recording
from gateway.cli import app
from gateway.testing.expectations import expected_file

__all__ = ["gateway"]

READER = ROOT / "passport" / "accessis.rec"


@pytest.fixture
def mosquitto() -> Iterator[Mosquitto]:
    with Mosquitto() as broker:
        yield broker


def run(*words: str | Path) -> tuple[int, str]:
    done = CliRunner().invoke(app, [str(word) for word in words])
    return done.exit_code, done.output


def test_anonymized_recording_is_written_once(tmp_path: Path) -> None:
    out = tmp_path / "out.rec"

    assert run("anonymize", READER, out) == (0, f"{out}: personal data replaced\n")
    assert Recording.from_text(out.read_text()).people == "anonymized"
    code, said = run("anonymize", READER, out)
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
def test_refused_anonymization_writes_no_file(
    text: str | None, code: int, complaint: str, tmp_path: Path
) -> None:
    recording, out = tmp_path / "in.rec", tmp_path / "out.rec"
    if text is not None:
        recording.write_text(text)

    ended, said = run("anonymize", recording, out)

    assert ended == code
    assert complaint in said
    assert not out.exists()


@pytest.mark.parametrize(("people", "mode"), [("real", 0o600), ("synthetic", 0o644)])
def test_capture_of_real_persons_is_private(people: str, mode: int, tmp_path: Path) -> None:
    recording, out = tmp_path / "in.rec", tmp_path / "out.pcapng"
    recording.write_text(READER.read_text().replace("# people: synthetic", f"# people: {people}"))

    assert run("pcapng", recording, out) == (0, f"{out}: 10 packets\n")
    assert out.stat().st_mode & 0o777 == mode & recording.stat().st_mode  # which has the umask of this user
    assert out.read_bytes()[:4] == b"\x0a\x0d\x0d\x0a"


def test_replay_into_driver() -> None:
    code, said = run("replay", READER, "--json", "--pause", "0.4")
    events = [json.loads(line) for line in said.splitlines()]

    assert code == 0
    assert [event for event in events if event["type"] != "bad frame"] == json.loads(
        expected_file(READER).read_text()
    )
    assert [event["data"] for event in events if event["type"] == "bad frame"] == [
        {"fault": "noise", "bytes": 4},
        {"fault": "other", "bytes": 10},
    ]


def test_real_persons_are_shown_only_with_reveal(tmp_path: Path) -> None:
    recording = tmp_path / "real.rec"
    head, first, *_ = READER.read_text().replace("people: synthetic", "people: real").partition("0.410")
    recording.write_text(head)
    assert first

    code, said = run("replay", recording, "--json")
    assert (code, "document.read" in said, "ERIKSSON" in said) == (0, True, False)
    code, said = run("replay", recording)
    assert (code, "document.read" in said, "ERIKSSON" in said) == (0, True, False)
    code, said = run("replay", recording, "--reveal")
    assert (code, "ERIKSSON" in said) == (0, True)


@pytest.mark.parametrize(
    ("head", "entries", "complaint"),
    [
        ("# wire: usb", "0.1 submit 1 bulk 82 64", "Wireshark"),
        ("# wire: smart-card", "0.1 in  90 00", "recording of smart-card cannot be replayed"),
    ],
)
def test_unplayable_recordings_are_refused(head: str, entries: str, complaint: str, tmp_path: Path) -> None:
    recording = tmp_path / "in.rec"
    facts = "# driver: mrz-serial\n# settings: {}\n# provenance: live\n# people: synthetic"
    recording.write_text(f"# borderpost recording 2\n{facts}\n{head}\n{entries}\n")

    code, said = run("replay", recording)

    assert (code, complaint in said) == (os.EX_DATAERR, True)


async def test_replay_as_device_of_gateway(gateway: GatewayFixture) -> None:
    gateway.describe("lane-1/reader", "mrz-serial", 'framing = "accessis"\ngap_s = 0.1')
    async with gateway.workstation() as workstation:
        await gateway.start()
        command = ("replay", READER, gateway.config, "--position", "lane-1/reader", "--pause", "0.3")
        code, said = await asyncio.to_thread(run, *command)
        read = await asyncio.wait_for(anext(aiter(workstation)), PATIENCE_S)

    assert (code, said.splitlines()[-1]) == (0, "lane-1/reader: replay complete")
    assert read.envelope.provenance == "replayed"


@pytest.mark.parametrize(
    ("profile", "position", "code", "complaint"),
    [
        ("production", "lane-1/reader", os.EX_NOPERM, "profile production"),
        ("test", "lane-9/reader", os.EX_USAGE, "there is no device lane-9/reader"),
        ("test", "reader", os.EX_USAGE, "lane"),
        ("test", "lane-1/other", os.EX_DATAERR, "has the driver mrz-wedge"),
    ],
)
async def test_replay_to_wrong_position_is_refused(
    profile: str, position: str, code: int, complaint: str, gateway: GatewayFixture
) -> None:
    gateway.profile = profile
    gateway.describe("lane-1/reader", "mrz-serial", 'framing = "accessis"')
    gateway.describe("lane-1/other", "mrz-wedge")

    ended, said = await asyncio.to_thread(run, "replay", READER, gateway.config, "--position", position)

    assert (ended, complaint in said) == (code, True), said
