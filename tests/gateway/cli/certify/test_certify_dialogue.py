"""`borderpost certify` with a person at the terminal, beside a console whose daemon follows a script."""

import asyncio
import itertools
import os
import resource
import socket
from collections import deque
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import Result
from support.console.consoles import console_of, empty_outbox
from support.console.fake_daemon import AT, SESSION, FakeDaemon, device, held_device
from support.gateway.post_files import gateway_section
from support.gateway.replaying import ROOT
from typer.testing import CliRunner

from drivers.driver import Family, StateCode
from drivers.links.link import Cause
from drivers.links.recording.recording import Recording
from gateway.api.models import DeviceView, EventView
from gateway.api.operations import Actor, Maintenance, ManagementOperation
from gateway.cli import app
from gateway.cli._certify.criteria import Verdict
from gateway.cli._certify.facts import Facts, Moment
from gateway.cli._certify.report import Report
from gateway.cli._certify.run import Plan
from gateway.cli.certify import _with_recording
from gateway.console.web.server import serve
from gateway.contract.envelope import Provenance
from gateway.contract.states import DeviceState

READER, BARRIER = "lane-1/reader", "lane-1/barrier"
DEVICES = """
[broker]
host = "127.0.0.1"
[device."lane-1/reader"]
driver = "mrz-serial"
port = "/dev/null"
framing = "accessis"
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


CHIP_SLOT = """framing = "accessis"
chip = { reader = "ACS" }"""
NUMBERS = itertools.count()


class ScriptedDaemon(FakeDaemon):
    """A reader and a barrier. Each look at the events of a device shows one more of `upcoming`."""

    def __init__(self) -> None:
        super().__init__()
        self.devices = {
            READER: device(READER),
            BARRIER: device(BARRIER, family=Family.BARRIER, driver="modbus-barrier"),
        }
        self.upcoming: deque[EventView] = deque([event("UTO")])  # the first look shows what is known
        self.shown: list[EventView] = []
        self.looks = 0
        self.at_look: dict[int, DeviceView] = {}
        """Views of the reader from the n-th look on."""

    async def last_events(self, position: str) -> list[EventView]:
        self.looks += 1
        if self.looks in self.at_look:
            self.devices[READER] = self.at_look[self.looks]
        if self.upcoming:
            self.shown.append(self.upcoming.popleft())
        return self.shown[-20:]

    async def perform(self, position: str, operation: ManagementOperation, actor: Actor) -> None:
        await super().perform(position, operation, actor)
        if isinstance(operation, Maintenance):
            until = datetime.now(UTC) + timedelta(minutes=operation.minutes) if operation.on else None
            self.devices[position] = self.devices[position].model_copy(update={"maintenance_until": until})


CHIP = {
    "data_groups_listed": [1, 2],
    "data_groups_read": [1, 2],
    "sod_sha256": "0" * 64,
    "checks": [{"id": "chip.access", "outcome": "successful"}],
    "commands": 94,
    "attempts": 1,
    "read_bytes": 223,
    "read_limit": "reader",
    "duration_ms": 2840.5,
}


def event(issuer: str, outcome: str = "successful", chip: dict[str, Any] | None = None) -> EventView:
    zone = {"format": "td3", "issuer": issuer, "number": next(NUMBERS)}
    checks = [{"id": "mrz.check_digits", "outcome": outcome}]
    return EventView(
        position=READER,
        type="document.read",
        at=datetime.now(UTC),
        provenance=Provenance.LIVE,
        data={"mrz": zone, "checks": checks, "chip": chip},
    )


def offline(cause: Cause) -> DeviceView:
    state = DeviceState(state=StateCode.OFFLINE, since=AT, cause=cause, text="Gone.", session=SESSION)
    return device(READER, state=state, restarts=1)


class Terminal:
    """The command line beside a console."""

    def __init__(self, post: Path, daemon: ScriptedDaemon) -> None:
        self.post, self.daemon = post, daemon
        self.folder = post.parent / "report"

    async def certify(self, position: str, answers: str, *options: str) -> Result:
        words = ["certify", str(self.post), position, "--out", str(self.folder), *options]
        return await asyncio.to_thread(CliRunner().invoke, app, words, input=answers)

    @property
    def report(self) -> Report:
        return Report.model_validate_json((self.folder / "report.json").read_bytes())

    @property
    def facts(self) -> Facts:
        return self.report.facts

    @property
    def operations(self) -> list[tuple[str, Any]]:
        return [
            (operation.operation, getattr(operation, "on", None))
            for _, operation, _ in self.daemon.operations
        ]


@pytest.fixture
async def terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Terminal]:
    monkeypatch.setattr("gateway.cli.certify.Plan", partial(Plan, read_s=0.2, settle_s=0.2))
    folder = tmp_path / "state"
    folder.mkdir()
    empty_outbox(folder)
    post = tmp_path / "post.toml"
    post.write_text(gateway_section(profile="test", state_dir="state") + DEVICES)
    daemon, ended = ScriptedDaemon(), asyncio.Event()
    daemon.traces_go_on = True
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(folder / "console.sock"))
        serving = asyncio.create_task(
            serve(console_of(daemon, folder), listening, None, None, idle_s=60, until=ended.wait())
        )
        yield Terminal(post, daemon)
        ended.set()
        await serving


async def test_specimen_is_read(terminal: Terminal) -> None:
    terminal.daemon.upcoming += [event("UTO", "failed"), event("UTO")]
    done = await terminal.certify(READER, "", "--only", "specimen_td3")
    assert done.exit_code == os.EX_TEMPFAIL, done.output
    assert (terminal.facts.specimens["td3"].tried, terminal.facts.specimens["td3"].good) == (2, 1)
    assert "passed    Specimen of a passport" in done.stdout
    assert "not tried Power cut" in done.stdout
    assert terminal.operations == [("maintenance", True), ("maintenance", False)]


async def test_other_document_is_not_kept(terminal: Terminal) -> None:
    terminal.daemon.upcoming += [event("KEN"), event("UTO")]
    done = await terminal.certify(READER, "", "--only", "specimen_td3")
    assert "not a specimen" in done.stderr
    assert (terminal.facts.other_documents, terminal.facts.specimens["td3"].tried) == (1, 1)
    assert not any(b"KEN" in file.read_bytes() for file in terminal.folder.iterdir())


async def test_chip_is_read_whole(terminal: Terminal) -> None:
    """Five presentations; one without a chip is told, and counts."""
    terminal.post.write_text(terminal.post.read_text().replace('framing = "accessis"', CHIP_SLOT))
    terminal.daemon.upcoming += [event("UTO"), *(event("UTO", chip=CHIP) for _ in range(4))]
    done = await terminal.certify(READER, "\n", "--only", "chip")
    assert "No chip was found" in done.stderr, done.output
    assert terminal.facts.chip is not None
    assert (terminal.facts.chip.tried, terminal.facts.chip.good) == (5, 4)
    assert "passed    Chip of a specimen: 4 of 5 were read whole" in done.stdout
    assert "short commands only" in done.stdout


async def test_chip_without_specimen_is_skipped(terminal: Terminal) -> None:
    terminal.post.write_text(terminal.post.read_text().replace('framing = "accessis"', CHIP_SLOT))
    done = await terminal.certify(READER, "s\n", "--only", "chip")
    assert terminal.facts.chip is None
    assert "not tried Chip of a specimen" in done.stdout


async def test_silent_reader_is_a_failed_attempt(terminal: Terminal) -> None:
    done = await terminal.certify(READER, "\n\n\n", "--only", "specimen_td3")
    assert done.exit_code == 1, done.output
    assert terminal.facts.specimens["td3"].good == 0
    row = (terminal.folder / "compatibility-row.toml").read_text()
    assert 'verdict = "failed"' in row
    assert "Failed: Specimen of a passport (TD3)." in row


@pytest.mark.parametrize("answer", ["", "q\n"], ids=["end of input", "q"])
async def test_stop_keeps_what_was_tried(terminal: Terminal, answer: str) -> None:
    terminal.daemon.upcoming += [event("UTO")]
    wanted = ("--only", "specimen_td3", "--only", "unplug_idle")
    done = await terminal.certify(READER, answer, *wanted)
    assert done.exit_code == os.EX_TEMPFAIL, done.output
    assert "the same command continues" in done.stderr
    assert terminal.facts.specimens["td3"].good == 1
    assert terminal.facts.interruptions == {}
    assert terminal.operations[-1] == ("maintenance", False)


async def test_skipped_step_is_not_tried(terminal: Terminal) -> None:
    done = await terminal.certify(READER, "s\n" * 9, *(f"--only={moment}" for moment in Moment))
    assert done.exit_code == os.EX_TEMPFAIL, done.output
    assert {each.verdict for each in terminal.report.criteria if each.id in set(Moment)} == {
        Verdict.NOT_TRIED
    }
    assert terminal.facts.power_cut_at_boot == ""


@pytest.mark.parametrize(
    ("cause", "fault"), [(Cause.WORKER_CRASHED, "worker_crashed"), (Cause.UNPLUGGED, "worker_restarted")]
)
async def test_lost_worker_fails_interruption(terminal: Terminal, cause: Cause, fault: str) -> None:
    """A worker that was replaced between two readings of the state counts as lost."""
    terminal.daemon.at_look = {3: offline(cause), 4: device(READER, restarts=1)}
    terminal.daemon.upcoming += [event("UTO") for _ in range(20)]
    done = await terminal.certify(READER, "\n\n", "--only", "unplug_idle")
    seen = terminal.facts.interruptions[Moment.IDLE]
    assert (seen.worker_faults, seen.works, seen.cause) == ((fault,), True, cause), done.output
    judged = next(each for each in terminal.report.criteria if each.id == "unplug_idle")
    assert judged.verdict is Verdict.FAIL


async def test_barrier_is_not_lost_without_permission(terminal: Terminal) -> None:
    """Another word than its position is no permission, and it is asked for once."""
    wanted = ("--only", "unplug_idle", "--only", "power_cut")
    done = await terminal.certify(BARRIER, "y\n\n\n", *wanted)
    assert done.exit_code == os.EX_TEMPFAIL, done.output
    assert done.stderr.count(f"Type {BARRIER}") == 1
    assert "Pull" not in done.stderr
    assert terminal.facts.interruptions == {}
    permitted = await terminal.certify(BARRIER, f"{BARRIER}\n", *wanted)
    assert "Pull its plug" in permitted.stderr


async def test_barrier_is_not_commanded(terminal: Terminal) -> None:
    done = await terminal.certify(BARRIER, f"s\n{BARRIER}\n" + "\n" * 40)
    assert done.exit_code != 0
    assert {name for name, _ in terminal.operations} == {"maintenance", "restart"}
    assert {level for _, level, _ in terminal.daemon.checks} == {"internal"}
    judged = {each.id: each.verdict for each in terminal.report.criteria}
    assert judged["commissioned"] is Verdict.NOT_TRIED
    assert judged["series"] is Verdict.PASS


async def test_power_cut_of_machine_is_finished(terminal: Terminal) -> None:
    terminal.daemon.upcoming += [event("UTO")]
    await terminal.certify(READER, "", "--only", "specimen_td3")
    file = terminal.folder / "report.json"
    file.write_text(file.read_text().replace('"power_cut_at_boot": ""', '"power_cut_at_boot": "earlier"'))
    terminal.daemon.shown.clear()
    terminal.daemon.upcoming += [event("UTO") for _ in range(20)]
    done = await terminal.certify(READER, "", "--only", "identity")
    seen = terminal.facts.interruptions[Moment.POWER_CUT]
    assert (seen.machine_restarted, seen.works) == (True, True), done.output
    assert terminal.facts.power_cut_at_boot == ""
    assert terminal.facts.specimens["td3"].good == 1, "the facts of the earlier run"


async def test_absent_device_is_refused(terminal: Terminal) -> None:
    terminal.daemon.devices[READER] = held_device(READER)
    done = await terminal.certify(READER, "")
    assert done.exit_code == os.EX_TEMPFAIL
    assert "ModemManager" in done.stderr
    assert not terminal.folder.exists()
    assert terminal.operations == []


async def test_folder_of_another_device_is_refused(terminal: Terminal) -> None:
    terminal.daemon.upcoming += [event("UTO")]
    await terminal.certify(READER, "", "--only", "specimen_td3")
    done = await terminal.certify(BARRIER, "")
    assert (done.exit_code, "another device" in done.stderr) == (os.EX_USAGE, True)
    (terminal.folder / "report.json").write_text("{}")
    assert (await terminal.certify(READER, "")).exit_code == os.EX_DATAERR


async def test_simulator_is_refused_at_real_device(terminal: Terminal) -> None:
    done = await terminal.certify(READER, "", "--simulators", "/nowhere/simulators.sock")
    assert (done.exit_code, "no simulated device" in done.stderr) == (os.EX_USAGE, True)
    unknown = await terminal.certify(READER, "", "--only", "speed")
    assert (unknown.exit_code, "no criterion speed" in unknown.stderr) == (os.EX_USAGE, True)
    assert terminal.operations == []


def test_full_disk_leaves_no_part_of_a_recording(tmp_path: Path) -> None:
    taped = Recording.from_text((ROOT / "passport/accessis.rec").read_text())
    tape: Any = SimpleNamespace(anonymized=lambda *_: taped, note="")
    settings: Any = object()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        with pytest.raises(OSError, match="too large"):
            _with_recording(Facts(), tmp_path, tape, settings, {})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(tmp_path.iterdir()) == []
