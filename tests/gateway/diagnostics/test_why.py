"""Explanation of a device that does not read, without a running gateway."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from support.console.fake_daemon import AT, FakeDaemon, held_device
from support.gateway.post_files import gateway_section
from support.gateway.staged_hosts import StagedHost
from typer.testing import CliRunner

from drivers.driver import StateCode
from drivers.links.link import Cause
from gateway.cli import app
from gateway.diagnostics.why import explain_device

POST = (
    gateway_section("uto-test", "test", "{folder}/state")
    + """
[broker]
host = "127.0.0.1"
port = 1
[device."lane-1/reader"]
driver = "mrz-serial"
port = "/dev/ttyUSB0"
framing = "text"
"""
)


@pytest.fixture
def post(tmp_path: Path) -> Path:
    (tmp_path / "post.toml").write_text(POST.format(folder=tmp_path))
    return tmp_path / "post.toml"


@pytest.fixture
def machine(tmp_path: Path) -> StagedHost:
    machine = StagedHost(tmp_path / "machine")
    machine.process(712, "brltty", holds=machine.write("dev/ttyUSB0", ""))
    return machine


def after_the_start(folder: Path) -> StagedHost:
    """Return a machine on which the gateway was started once, and no program has opened the port."""
    machine = StagedHost(folder / "other-machine")
    machine.write("dev/ttyUSB0", "")
    machine.now = max(datetime.now(UTC), AT + timedelta(minutes=1))
    return machine


def test_stopped_gateway_is_first_of_all_reasons(post: Path, machine: StagedHost) -> None:
    reasons = explain_device(post, "lane-1/reader", host=machine.host_view)

    assert [reason.code for reason in reasons][:2] == ["gateway_down", "port_held"]
    assert "brltty (pid 712) holds" in reasons[1].text
    assert "mask --now brltty" in reasons[1].how
    assert "broker_unreachable" in {reason.code for reason in reasons}


async def test_healthy_device_has_last_read(tmp_path: Path, post: Path) -> None:
    machine = after_the_start(tmp_path)
    (tmp_path / "state").mkdir(mode=0o700)

    well, *_ = explain_device(post, "lane-1/reader", await FakeDaemon().view(), host=machine.host_view)

    assert (well.code, well.severity) == ("ok", "ok")
    assert "its last good read was on 2026-11-28 08:15:30 UTC" in well.text


async def test_maintenance_hidden_state_and_claim(tmp_path: Path, post: Path) -> None:
    machine = after_the_start(tmp_path)
    daemon = FakeDaemon()
    hidden = held_device("lane-1/reader")
    maintained = hidden.state.model_copy(
        update={
            "state": StateCode.MAINTENANCE,
            "cause": Cause.MAINTENANCE,
            "text": "A technician works on it.",
        }
    )
    daemon.devices["lane-1/reader"] = hidden.model_copy(
        update={"state": maintained, "actual_state": hidden.state, "restarts": 5}
    )

    reasons = explain_device(post, "lane-1/reader", await daemon.view(), host=machine.host_view)

    assert [(it.code, it.severity) for it in reasons][:4] == [
        ("maintenance", "warning"),
        ("port_held", "error"),
        ("worker_crashes", "warning"),
        ("claimed", "notice"),
    ]


@pytest.mark.parametrize(
    ("name", "how"),
    [("lane-1/raeder", "Did you mean lane-1/reader?"), ("nonsense", "Configured are: lane-1/reader.")],
)
def test_unknown_position(post: Path, machine: StagedHost, name: str, how: str) -> None:
    (reason,) = explain_device(post, name, host=machine.host_view)

    assert (reason.code, reason.how) == ("position_not_configured", how)


def test_why_exit_code(post: Path) -> None:
    told = CliRunner().invoke(app, ["why", str(post), "lane-2/reader"])

    assert told.exit_code == 3
    assert told.stdout.startswith(
        "error   lane-2/reader: No device lane-2/reader is configured. [BP-POSITION-NOT-CONFIGURED-"
    )
