"""Guided tests of a barrier on a terminal: readings of the gateway and answers of a person."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import Result
from support.console.consoles import console_of, empty_outbox
from support.console.fake_daemon import FakeDaemon, device
from support.gateway.post_files import gateway_section
from typer.testing import CliRunner

from drivers.barrier.board_settings import BoardBarrierSettings
from drivers.barrier.safety.protocol import ProtocolKind, protocol
from drivers.driver import Family
from drivers.observation import Outcome
from drivers.self_test import SelfTestLevel, SelfTestReport, SelfTestStep
from gateway.api.models import EventView
from gateway.api.operations import Actor, ManagementOperation, RecordTest, RpcError
from gateway.cli import app
from gateway.config import load
from gateway.console.web.i18n import load_catalogue
from gateway.console.web.server import serve
from gateway.contract.envelope import Provenance
from gateway.contract.topics import Position

BARRIER = "lane-1/barrier"
DEVICE = """
[broker]
host = "127.0.0.1"
[device."lane-1/barrier"]
driver = "modbus-barrier"
emergency = { input = 5, contact = "nc" }
[device."lane-1/barrier".board]
model = "waveshare-8"
port = "tcp://192.0.2.7"
[[device."lane-1/barrier".doors]]
open = 0
close = 1
stop = 2
open_limit = { input = 0, contact = "no" }
closed_limit = { input = 1, contact = "no" }
presence = { input = 4, contact = "nc" }
"""


class BarrierDaemon(FakeDaemon):
    """A barrier that has read every input in each of `values` since a step began."""

    def __init__(self) -> None:
        super().__init__()
        self.values = [True, False]
        self.outcome = Outcome.SUCCESSFUL
        self.lost_readings = self.lost_records = 0
        """Number of the next requests that find no gateway."""

    def configure(self, settings: BoardBarrierSettings) -> None:
        """Run the barrier of these settings."""
        configuration = settings.fingerprint()
        self.devices = {BARRIER: device(BARRIER, family=Family.BARRIER, configuration=configuration)}

    async def perform(self, position: str, operation: ManagementOperation, actor: Actor) -> None:
        if self.lost_records:
            self.lost_records -= 1
            raise RpcError("unavailable", "There was no answer.")
        await super().perform(position, operation, actor)

    async def last_events(self, position: str) -> list[EventView]:
        if self.lost_readings:
            self.lost_readings -= 1
            raise RpcError("unavailable", "There was no answer.")
        return [
            EventView(
                position=position,
                type="barrier.state",
                at=datetime.now(UTC),
                provenance=Provenance.LIVE,
                data={
                    "emergency": value,
                    "doors": [dict.fromkeys(("open_limit", "closed_limit", "presence"), value)],
                },
            )
            for value in self.values
        ]

    async def check(self, position: str, level: SelfTestLevel, actor: Actor) -> SelfTestReport:
        report = await super().check(position, level, actor)
        step = SelfTestStep(name="relays", outcome=self.outcome, text="A relay is closed.", how="Replace it.")
        return report.model_copy(update={"steps": (step,)})


class Terminal:
    """The command line beside a console."""

    def __init__(self, post: Path, daemon: BarrierDaemon) -> None:
        self.post = post
        self.daemon = daemon
        settings = next(iter(load(post, {}).devices.values())).settings
        assert isinstance(settings, BoardBarrierSettings)
        self.settings = settings
        daemon.configure(settings)

    async def run(self, command: str, answers: str) -> Result:
        words = ["barrier", command, str(self.post), BARRIER]
        return await asyncio.to_thread(CliRunner().invoke, app, words, input=answers)

    @property
    def recorded(self) -> RecordTest:
        (_, operation, _), = self.daemon.operations  # fmt: skip
        assert isinstance(operation, RecordTest)
        return operation


@pytest.fixture
async def terminal(tmp_path: Path) -> AsyncIterator[Terminal]:
    folder = tmp_path / "state"
    folder.mkdir()
    empty_outbox(folder)
    post = tmp_path / "post.toml"
    post.write_text(gateway_section(profile="test", state_dir="state") + DEVICE)
    daemon, ended = BarrierDaemon(), asyncio.Event()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(folder / "console.sock"))
        serving = asyncio.create_task(
            serve(console_of(daemon, folder), listening, None, None, idle_s=60, until=ended.wait())
        )
        yield Terminal(post, daemon)
        ended.set()
        await serving


@pytest.mark.parametrize(
    ("command", "kind"),
    [
        ("commission", ProtocolKind.COMMISSIONING),
        ("prooftest", ProtocolKind.PROOF_TEST),
        ("powertest", ProtocolKind.POWER_ON),
    ],
)
async def test_passed_test_is_recorded(terminal: Terminal, command: str, kind: ProtocolKind) -> None:
    ended = await terminal.run(command, "y\n" * 60)
    assert ended.exit_code == 0, ended.output
    steps = protocol(terminal.settings, kind)
    assert [step.name for step in terminal.recorded.steps] == [step.name for step in steps]
    assert terminal.recorded.passed
    assert terminal.recorded.kind == kind
    assert terminal.recorded.configuration == terminal.settings.fingerprint()


async def test_unread_input_fails_its_step(terminal: Terminal) -> None:
    terminal.daemon.values = [False]
    ended = await terminal.run("prooftest", "y\nn\n" * 60)
    assert ended.exit_code == 1
    assert "has not read that since this step began" in ended.stdout
    failed = [step.name for step in terminal.recorded.steps if not step.passed]
    assert "presence operated" in failed
    assert "emergency operated" in failed


async def test_failed_self_test_begins_nothing(terminal: Terminal) -> None:
    terminal.daemon.outcome = Outcome.FAILED
    ended = await terminal.run("commission", "y\n" * 60)
    assert ended.exit_code == 1
    assert ended.stderr == "relays: A relay is closed.\n    Replace it.\n"
    assert not terminal.daemon.operations


async def test_configuration_that_is_not_loaded_begins_nothing(terminal: Terminal) -> None:
    """The gateway would refuse the record after the last of thirty steps at the machine."""
    changed = terminal.settings.model_copy(update={"pulse_s": 0.7})
    terminal.daemon.configure(changed)
    ended = await terminal.run("commission", "y\n" * 60)
    assert ended.exit_code == os.EX_TEMPFAIL
    assert "does not run lane-1/barrier as configured" in ended.stderr
    assert not terminal.daemon.checks
    assert not terminal.daemon.operations


async def test_interrupted_test_with_a_failed_step_has_failed(terminal: Terminal) -> None:
    """A test that was passed before would otherwise go on to count."""
    ended = await terminal.run("prooftest", "n\ny\n")
    assert ended.exit_code == 1
    assert "proof test FAILED: open_limit operated, and recorded" in ended.stdout
    steps = protocol(terminal.settings, ProtocolKind.PROOF_TEST)
    assert [step.name for step in terminal.recorded.steps] == [step.name for step in steps]
    assert [step.passed for step in terminal.recorded.steps] == [False, True, *[False] * (len(steps) - 2)]


async def test_interrupted_test_without_a_failed_step_is_not_recorded(terminal: Terminal) -> None:
    ended = await terminal.run("prooftest", "y\ny\n")
    assert ended.exit_code == 1
    assert "proof test interrupted at step 3, and nothing was recorded" in ended.stderr
    assert not terminal.daemon.operations


async def test_answers_outlive_a_gateway_that_is_away(terminal: Terminal) -> None:
    """One step kills the gateway, which takes a while to start again."""
    terminal.daemon.lost_readings, terminal.daemon.lost_records = 1, 2
    ended = await terminal.run("commission", "y\n" * 60)
    assert ended.exit_code == 0, ended.output
    assert ended.stdout.count("There was no answer.") == 3
    assert terminal.recorded.passed


async def test_person_may_give_up_recording(terminal: Terminal) -> None:
    terminal.daemon.lost_records = 1
    steps = protocol(terminal.settings, ProtocolKind.PROOF_TEST)
    ended = await terminal.run("prooftest", "y\n" * len(steps) + "n\n")
    assert ended.exit_code == os.EX_UNAVAILABLE
    assert "There was no answer." in ended.stderr
    assert not terminal.daemon.operations


def test_protocol_cuts_every_wire(terminal: Terminal) -> None:
    names = [step.name for step in protocol(terminal.settings, ProtocolKind.COMMISSIONING)]
    for signal in ("open_limit", "closed_limit", "presence", "emergency"):
        assert {f"{signal} operated", f"{signal} cut"} <= set(names)
    assert len(names) == len(set(names))


@pytest.mark.parametrize("kind", ProtocolKind)
def test_steps_are_translated(kind: ProtocolKind, tmp_path: Path) -> None:
    """Every sentence has a Swahili text, with its values; declarations of the file stay in English."""
    file = tmp_path / "post.toml"
    file.write_text(gateway_section(profile="training") + DEVICE)
    settings = load(file, {}).devices[Position.parse(BARRIER)].settings
    assert isinstance(settings, BoardBarrierSettings)
    say = load_catalogue("sw").gettext
    for step in protocol(settings, kind):
        assert step.instruction.render(say) != step.instruction.render()
        assert "%(" not in step.instruction.render(say)
        if not step.name.startswith("confirmed"):
            assert step.expected.render(say) != step.expected.render()
    named = next(step for step in protocol(settings, kind) if step.name == "presence operated")
    assert named.expected.render() == "The gateway shows: a person in the way."
    assert named.expected.render(say) == "Lango linaonyesha: mtu yuko njiani."
