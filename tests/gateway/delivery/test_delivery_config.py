"""Settings of delivery from the post's file: destinations, passwords, lifetimes; and the demo's broker."""

import re
import socket
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from drivers.observation import DataClass
from gateway.cli import app
from gateway.cli._lib.workstation import make_workstation
from gateway.config import load
from gateway.delivery_config import delivery_settings
from gateway.testing.post.brokers import loopback_broker

ROOT = Path(__file__).parents[3]
POST = """
[gateway]
site = "uto-test"
name = "gw-1"
profile = "test"
state_dir = "{folder}/state"
[broker]
host = "127.0.0.1"
username = "gw-1"
password_file = "{folder}/password"
[hq]
host = "mqtt.hq.example"
send_traveller = {takes}
[delivery]
traveller_expires_s = 600
record_expires_days = 2
[device."lane-1/reader"]
driver = "mrz-serial"
port = "/dev/ttyUSB0"
framing = "text"
"""


@pytest.fixture
def password(tmp_path: Path) -> Path:
    file = tmp_path / "password"
    file.write_text("s3cret\n")
    file.chmod(0o600)
    return file


@pytest.mark.parametrize("takes", [False, True])
def test_hq_gets_traveller_events_only_if_configured(password: Path, takes: bool) -> None:
    file = password.with_name("post.toml")
    file.write_text(POST.format(folder=password.parent, takes=str(takes).lower()))
    settings = delivery_settings(load(file))
    local, hq = settings.destinations
    assert local.classes == {DataClass.TRAVELLER, DataClass.RECORD}
    assert (DataClass.TRAVELLER in hq.classes) == takes
    assert DataClass.RECORD in hq.classes
    assert (settings.outbox.traveller.expires_s, settings.outbox.record.expires_s) == (600, 172_800)
    assert local.broker.password is not None
    assert local.broker.password.get_secret_value() == "s3cret", "a final line end is not part of it"
    assert "s3cret" not in repr(settings)
    assert make_workstation(load(file)).discarded.duplicates == 0


@pytest.mark.parametrize("kind", ["mosquitto", "iotcore"])
def test_demo_broker_accepts_when_handed_over(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BORDERPOST_DEMO_BROKER", kind)
    with loopback_broker(tmp_path) as (name, port):
        assert name == kind
        assert 1024 < port < 65536


DEAF = """#!{python}
import signal, socket, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
port = int(open(sys.argv[2]).read().split()[1])
with socket.create_server(("127.0.0.1", port)) as listening:
    while True:
        listening.accept()
"""


def test_demo_broker_that_ignores_sigterm_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deaf = tmp_path / "mosquitto"
    deaf.write_text(DEAF.format(python=sys.executable))
    deaf.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("gateway.testing.post.brokers.STOP_S", 0.2)
    with loopback_broker(tmp_path) as (_, port):
        pass
    with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
        pass


def test_command_line_runs_inside_a_process(tmp_path: Path) -> None:
    run = CliRunner().invoke
    assert re.search("no errors", run(app, ["config", "check", str(ROOT / "config/example.toml")]).stdout)
    assert run(app, ["contract", str(ROOT / "config/contract"), "--check"]).exit_code == 0
    assert run(app, ["contract", str(tmp_path / "contract")]).exit_code == 0
    assert run(app, ["contract", str(tmp_path / "contract"), "--check"]).exit_code == 0
    assert run(app, ["--version"]).stdout.startswith("borderpost")
    (tmp_path / "broken.toml").write_text("[gateway\n")
    for command in (["config", "check"], ["devices"], ["watch"], ["outbox", "count"], ["outbox", "list"]):
        assert run(app, [*command, str(tmp_path / "broken.toml")]).exit_code == 78
