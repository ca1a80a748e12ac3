"""Why a device does not read, where no gateway runs that could tell."""

from pathlib import Path

import pytest
from support.machines import Machine
from typer.testing import CliRunner

from gateway.cli import app
from gateway.diagnosis.why import why

POST = """
[gateway]
site = "uto-test"
name = "gw-1"
profile = "test"
state_dir = "{folder}/state"
[broker]
host = "127.0.0.1"
port = 1
[device."lane-1/reader"]
driver = "mrz-serial"
port = "/dev/ttyUSB0"
framing = "text"
"""


@pytest.fixture
def post(tmp_path: Path) -> Path:
    (tmp_path / "post.toml").write_text(POST.format(folder=tmp_path))
    return tmp_path / "post.toml"


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    machine = Machine(tmp_path / "machine")
    machine.process(712, "brltty", holds=machine.says("dev/ttyUSB0", ""))
    return machine


def test_a_dead_gateway_is_the_first_of_the_reasons_and_the_others_are_found_all_the_same(
    post: Path, machine: Machine
) -> None:
    reasons = why(post, "lane-1/reader", around=machine.around)

    assert [reason.code for reason in reasons][:2] == ["gateway_down", "port_held"]
    assert "brltty (pid 712) holds" in reasons[1].text
    assert "mask --now brltty" in reasons[1].how
    assert "broker_unreachable" in {reason.code for reason in reasons}


@pytest.mark.parametrize(
    ("name", "how"),
    [("lane-1/raeder", "Did you mean lane-1/reader?"), ("nonsense", "Configured are: lane-1/reader.")],
)
def test_a_position_that_is_not_configured(post: Path, machine: Machine, name: str, how: str) -> None:
    (reason,) = why(post, name, around=machine.around)

    assert (reason.code, reason.how) == ("not_configured", how)


def test_the_command_line_ends_with_the_worst(post: Path) -> None:
    told = CliRunner().invoke(app, ["why", str(post), "lane-2/reader"])

    assert told.exit_code == 3
    assert told.stdout.startswith(
        "error   lane-2/reader: No device lane-2/reader is configured. [BP-NOT-CONFIGURED-"
    )
