"""`borderpost certify` at a whole simulated post: daemon, broker, simulators, and their control channel."""

import asyncio
import os
import signal
import sys
import tomllib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from click.testing import Result
from support.brokers.mosquitto import Mosquitto
from support.gateway.gateways import GatewayFixture, gateway, until
from support.patience import PATIENCE_S
from support.ports import free_port
from typer.testing import CliRunner

from drivers.links.recording.recording import Recording
from gateway.cli import app
from gateway.cli._certify import simulated_technician
from gateway.cli._certify.criteria import OverallVerdict, Verdict
from gateway.cli._certify.device import CertifiedDevice
from gateway.cli._certify.report import Report
from gateway.client import Workstation
from simulators.post import Post, socket_path
from simulators.specimens import ERIKSSON

__all__ = ["gateway"]

pytestmark = pytest.mark.usefixtures("forked_simulators")
READER, BARRIER, CAMERA, SCANNER = "lane-1/reader", "lane-1/barrier", "lane-1/camera", "lane-1/finger"
SIMULATORS = {
    READER: """
kind = "serial-mrz"
framing = "accessis"
path = "{port}"
""",
    BARRIER: """
kind = "modbus-barrier"
path = "{port}"
baud = 115200
[[simulator.boards]]
model = "waveshare-8"
outputs = {{ open = 0, close = 1, stop = 2 }}
inputs = {{ open-limit = 0, closed-limit = 1, approach = 2, exit = 3, photocell = 4, fire = 5 }}
""",
    CAMERA: """
kind = "camera-snapshot"
port = {number}
""",
    SCANNER: """
kind = "zfm"
path = "{port}"
conditions = {{ clean = 1 }}
""",
}
DEVICES = {
    READER: """
driver = "mrz-serial"
port = "{port}"
framing = "accessis"
""",
    BARRIER: """
driver = "modbus-barrier"
emergency = {{ input = 5, contact = "nc" }}
[device."lane-1/barrier".board]
model = "waveshare-8"
port = "{port}"
baud = 115200
[[device."lane-1/barrier".doors]]
open = 0
close = 1
stop = 2
open_limit = {{ input = 0, contact = "no" }}
closed_limit = {{ input = 1, contact = "no" }}
entry_side = {{ input = 2, contact = "no" }}
exit_side = {{ input = 3, contact = "no" }}
presence = {{ input = 4, contact = "nc" }}
""",
    CAMERA: """
driver = "camera-snapshot"
url = "http://127.0.0.1:{number}"
path = "/snapshot.jpg"
poll_s = 0.3
""",
    SCANNER: """
driver = "zfm"
model = "zfm-20"
port = "{port}"
""",
}


@pytest.fixture
def mosquitto() -> Iterator[Mosquitto]:
    with Mosquitto() as broker:
        yield broker


class SimulatedPost:
    """A gateway and its simulated devices, and the command line beside them."""

    def __init__(self, gateway: GatewayFixture) -> None:
        self.gateway = gateway
        self.folder = gateway.folder / "report"
        self.socket = socket_path(gateway.folder / "run")

    async def certify(self, position: str, *options: str) -> Result:
        words = ["certify", str(self.gateway.config), position, "--out", str(self.folder)]
        words += ["--simulators", str(self.socket), *options]
        return await asyncio.to_thread(CliRunner().invoke, app, words)

    @property
    def report(self) -> Report:
        return Report.model_validate_json((self.folder / "report.json").read_bytes())

    @property
    def verdicts(self) -> dict[str, Verdict]:
        return {each.id: each.verdict for each in self.report.criteria}


@pytest.fixture
async def post(gateway: GatewayFixture, request: pytest.FixtureRequest) -> AsyncIterator[SimulatedPost]:
    """Run the devices of the test's parameter, or a reader only."""
    positions = getattr(request, "param", (READER,))
    gateway.silent_s = PATIENCE_S  # of workers: the machine is kept busy
    number, described = free_port(), ""
    for position in positions:
        facts = {"port": gateway.port(position), "number": number}
        described += f'[[simulator]]\nname = "{position}"' + SIMULATORS[position].format(**facts)
        gateway.devices[position] = f'[device."{position}"]' + DEVICES[position].format(**facts)
    gateway.write()
    file = gateway.folder / "devices.toml"
    file.write_text(described)
    async with Post.start(file, run_dir=gateway.folder / "run"):
        await gateway.start()
        await until(
            lambda: (
                gateway.log.count('"online"') >= len(positions)
                and (gateway.folder / "state" / "console.sock").exists()
            )
        )
        yield SimulatedPost(gateway)
        await gateway.stop()


async def test_reader_is_tried_and_continued(post: SimulatedPost, monkeypatch: pytest.MonkeyPatch) -> None:
    """The main path: a read, a cable pulled during one, the report, and a second run that continues it."""
    monkeypatch.setattr(simulated_technician, "OFF_S", 0.5)
    first = await post.certify(READER, "--only", "specimen_td3", "--only", "unplug_reading")
    assert first.exit_code == os.EX_TEMPFAIL, first.output
    passed = {name for name, verdict in post.verdicts.items() if verdict is Verdict.PASS}
    assert passed == {"identity", "specimen_td3", "unplug_reading", "recording"}, first.output

    second = await post.certify(READER, "--only", "self_test")
    passed |= {"self_test"}
    assert passed == {name for name, verdict in post.verdicts.items() if verdict is Verdict.PASS}
    assert post.report.verdict is OverallVerdict.PARTIAL, second.output
    assert "PARTIAL, of a simulated device" in second.stdout
    page = (post.folder / "report.html").read_text()
    assert "This device was simulated" in page
    row = tomllib.loads((post.folder / "compatibility-row.toml").read_text())
    assert (row["driver"], row["verdict"]) == ("mrz-serial", "simulated only")
    kept = Recording.from_text((post.folder / "recording-1.rec").read_text())
    assert (kept.people, kept.driver, kept.provenance) == ("anonymized", "mrz-serial", "simulated")
    assert_anonymous(post.folder)

    refused = await post.certify(READER, "--only", "chip", "--only", "commissioned")
    assert refused.exit_code == os.EX_USAGE
    assert f"chip, commissioned cannot be tried at {READER}" in refused.output


def is_in_maintenance(workstation: Workstation) -> bool:
    state = workstation.status(READER).state
    return state is not None and state.state == "maintenance"


async def test_closed_terminal_ends_maintenance(post: SimulatedPost) -> None:
    """The report and the recording are written, and the device is back in service."""
    words = ["certify", post.gateway.config, READER, "--out", post.folder, "--simulators", post.socket]
    program = str(Path(sys.executable).with_name("borderpost"))
    words += ["--only", "series", "--reads", "100000"]  # it does not end by itself
    trying = await asyncio.create_subprocess_exec(program, *map(str, words))
    certified = CertifiedDevice(post.gateway.folder / "state", READER)
    async with post.gateway.workstation(READER) as workstation:
        await until(lambda: is_in_maintenance(workstation))
        while (await asyncio.to_thread(certified.view))["counters"]["lifetime"]["good_reads"] < 5:
            await asyncio.sleep(0.1)
        trying.send_signal(signal.SIGHUP)
        assert await asyncio.wait_for(trying.wait(), PATIENCE_S) == os.EX_TEMPFAIL
        await until(lambda: workstation.status(READER).is_usable)
    assert (post.folder / "recording-1.rec").exists()


def assert_anonymous(folder: Path) -> None:
    """No name and no number of the presented specimens is in any file, as text or in hexadecimal."""
    for document in ERIKSSON.values():
        for word in (document.surname.upper(), document.number):
            for file in folder.iterdir():
                text = file.read_text().upper()
                assert word not in text
                assert word.encode().hex(" ").upper() not in text


@pytest.mark.thorough
@pytest.mark.long(120)
async def test_whole_certification_of_reader(post: SimulatedPost) -> None:
    """All criteria pass at a sound device, nothing reaches an officer, and maintenance is over afterwards."""
    seen: list[object] = []
    async with post.gateway.workstation(READER) as workstation:
        await asyncio.wait_for(workstation.connected_event.wait(), PATIENCE_S)

        async def watch() -> None:
            async for received in workstation:
                seen.append(received.envelope.type)

        watching = asyncio.create_task(watch())
        done = await post.certify(READER)
        await until(lambda: workstation.status(READER).is_usable)
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
    assert {name: verdict for name, verdict in post.verdicts.items() if verdict is not Verdict.PASS} == {}, (
        done.output
    )
    assert (done.exit_code, post.report.verdict) == (0, OverallVerdict.CERTIFIED)
    assert post.report.facts.series is not None
    assert post.report.facts.series.good >= 98
    assert not any("document" in str(event) for event in seen)
    assert_anonymous(post.folder)


@pytest.mark.thorough
@pytest.mark.long(120)
@pytest.mark.parametrize("post", [(READER, BARRIER, CAMERA, SCANNER)], indirect=True)
@pytest.mark.parametrize("position", [BARRIER, CAMERA, SCANNER])
async def test_other_families_at_whole_post(
    post: SimulatedPost, position: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing fails; what a simulated technician cannot do is not tried. No barrier moves."""
    monkeypatch.setattr(simulated_technician, "SERVICE_OFF_S", 4.0)
    done = await post.certify(position)
    failed = {each.id: each.text for each in post.report.criteria if each.verdict is Verdict.FAIL}
    assert failed == {}, done.output
    missing = {name for name, verdict in post.verdicts.items() if verdict is Verdict.NOT_TRIED}
    assert missing == ({"commissioned"} if position == BARRIER else set()), done.output
    if position == BARRIER:
        assert post.report.facts.movements == 0
