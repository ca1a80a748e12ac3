"""Support bundle: complete, reproducible, without secrets and personal data."""

import gzip
import io
import json
import tarfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from support.gateway.post_files import gateway_section
from support.gateway.staged_hosts import StagedHost
from typer.testing import CliRunner

from gateway.cli import app
from gateway.diagnostics.bundle import collect_bundle

POST = (
    gateway_section("uto-test", "test", "{folder}/state")
    + """
[broker]
host = "127.0.0.1"
port = 1
[hq]
host = "mqtt.secret-ministry.example"
username = "hq-login"
password_file = "{folder}/password"
[device."lane-1/reader"]
driver = "mrz-serial"
port = "/dev/ttyUSB0"
framing = "text"
[device."lane-1/camera"]
driver = "camera-snapshot"
url = "http://127.0.0.1:1"
username = "camera-login"
password = "camera-pass"
path = "/picture?key=query-secret"
"""
)
SECRETS = (
    "secret-ministry",
    "hq-login",
    "hq-pass",
    "camera-login",
    "camera-pass",
    "query-secret",
    "ZEBRAWICK",
)
LOG = {"event": "device_state", "device": "lane-1/reader", "level": "info", "line": 7, "surname": "ZEBRAWICK"}


@pytest.fixture
def post(tmp_path: Path) -> Path:
    (tmp_path / "password").write_text("hq-pass\n")
    (tmp_path / "password").chmod(0o600)
    (tmp_path / "gateway.log").write_text(f"Traceback ZEBRAWICK\n{json.dumps(LOG)}\n")
    (tmp_path / "post.toml").write_text(POST.format(folder=tmp_path))
    return tmp_path / "post.toml"


@pytest.fixture
def machine(tmp_path: Path) -> StagedHost:
    machine = StagedHost(tmp_path / "machine")
    machine.now = datetime(2026, 11, 28, 8, 15, tzinfo=UTC)
    machine.plug("1-1", "05ba:000a", 3, product="U.are.U", manufacturer="DigitalPersona")
    return machine


def test_archive_is_complete_without_secrets(post: Path, machine: StagedHost) -> None:
    packed = collect_bundle(post, journal=post.parent / "gateway.log", host=machine.host_view)
    whole = gzip.decompress(packed.to_tar_gz())

    with tarfile.open(fileobj=io.BytesIO(whole)) as tar:
        names = [entry.name.removeprefix("borderpost-uto-test-gw-1/") for entry in tar]
        config = json.load(tar.extractfile("borderpost-uto-test-gw-1/config.json"))  # type: ignore[arg-type]
    assert names[0] == "README.txt"
    assert {"findings.txt", "config.json", "journal.jsonl", "usb.txt", "versions.json"} <= set(names)
    assert config["hq"]["host"] == "<str len=28>"
    assert config["device"]["lane-1/reader"]["settings"]["framing"] == "text"
    assert b"1-1 05ba:000a DigitalPersona U.are.U (12 Mbit/s, 100 mA)" in whole
    assert b'"event": "device_state"' in whole
    assert b"<hq>:1883 does not respond" in whole
    for secret in SECRETS:
        assert secret.encode() not in whole, secret

    assert (
        collect_bundle(post, journal=post.parent / "gateway.log", host=machine.host_view).to_tar_gz()
        == packed.to_tar_gz()
    )


def test_contents_are_listed_before_writing(
    post: Path, machine: StagedHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.diagnostics.bundle.HostView", lambda: machine.host_view)
    monkeypatch.chdir(post.parent)
    before = set(post.parent.iterdir())
    shown = CliRunner().invoke(app, ["bundle", str(post), "--list"])
    assert shown.exit_code == 0
    assert "config.json     the post's file without secrets" in shown.stdout
    assert set(post.parent.iterdir()) == before

    packed = CliRunner().invoke(app, ["bundle", str(post), "--json"])
    assert packed.exit_code == 0
    assert [part["name"] for part in json.loads(packed.stdout)][:2] == ["README.txt", "findings.txt"]
    assert tarfile.is_tarfile(post.parent / "borderpost-uto-test-gw-1.tar.gz")
    assert CliRunner().invoke(app, ["bundle", str(post), "-o", "nowhere/x"]).exit_code == 73


def test_invalid_file_still_has_bundle(post: Path, machine: StagedHost) -> None:
    post.write_text(post.read_text().replace('framing = "text"', 'framing = "mistaken"'))

    packed = collect_bundle(post, host=machine.host_view)

    findings = next(part for part in packed.parts if part.name == "findings.txt").content.decode()
    assert "BP-CONFIG-WRONG-" in findings
