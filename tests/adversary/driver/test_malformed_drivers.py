"""Drivers of other packages that are malformed: the post runs, and its other devices work."""

import asyncio
import signal
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.brokers.mosquitto import Mosquitto
from support.gateway.gateways import GatewayFixture, gateway, until
from support.gateway.workers import PLUGINS, WorkerFixture, worker_fixture
from support.numbered import number_of
from support.patience import PATIENCE_S
from support.process.probes import spawn_probe

from drivers import probe
from drivers.driver import StateCode
from drivers.links.link import Cause
from gateway.client import Workstation
from gateway.config import ConfigError, load

__all__ = ["gateway", "worker_fixture"]


@pytest.fixture
def mosquitto() -> Iterator[Mosquitto]:
    with Mosquitto() as broker:
        yield broker


WORDS = '''
from typing import ClassVar
from drivers.observation import DataClass, Observation
from drivers.vocabulary import Vocabulary

class LineSeen(Observation):
    """A line was seen."""
    event_type: ClassVar[str] = "malformed.seen"
    data_class: ClassVar[DataClass] = DataClass.RECORD

VOCABULARY = Vocabulary("malformed", 1, (LineSeen,))
'''
HEAD = """
import asyncio, atexit, os, signal, sys, threading, time
from pathlib import Path
from typing import ClassVar
from drivers.driver import Driver, Family, Identity
from drivers.links.settings import Settings
from drivers.observation import DataClass, Observation
from malformed_words import VOCABULARY, LineSeen

class Own(Settings):
    port: str = ""

Seen = LineSeen

class Fine(Driver[Own]):
    family = Family("test_device")
    vocabulary = VOCABULARY
    settings_model = Own
    observation_types = (Seen,)
    async def open(self):
        return Identity(model="fine")
    async def watch(self):
        await asyncio.sleep(3600)
        yield Seen()
"""
AT_LOAD = {
    "no_class": "Device = 5",
    "not_a_driver": "class Device: pass",
    "no_name": "pass",
    "no_family": "class Device(Fine):\n    family = None",
    "other_family": "class Device(Fine):\n    family = 'camera'",
    "abstract": "class Device(Driver[Own]):\n    family = Family.CAMERA\n    settings_model = Own",
    "no_settings": "class Device(Fine):\n    settings_model = dict",
    "types_no_tuple": "class Device(Fine):\n    observation_types = [Seen]",
    "types_of_others": "class Device(Fine):\n    observation_types = (int,)",
    "type_is_topic": "class Bad(Seen):\n    event_type = 'x/#'\n"
    "class Device(Fine):\n    observation_types = (Bad,)",
    "class_is_text": "class Bad(Seen):\n    data_class = 'secret'\n"
    "class Device(Fine):\n    observation_types = (Bad,)",
    "usb_ids": "class Device(Fine):\n    usb_ids = ('1234',)",
    "missing_module": "import a_module_that_does_not_exist",
    "raises_at_import": "raise RuntimeError('no licence')",
    "syntax_error": "class Device(",
    "exits_at_import": "sys.exit(78)",
    "kills_at_import": "os.kill(os.getpid(), signal.SIGKILL)",
    "loops_at_import": "while True: pass",
    "thread_at_import": "threading.Thread(target=time.sleep, args=(3,), daemon=True).start()\nDevice = Fine",
    "handler_at_import": "signal.signal(signal.SIGTERM, signal.SIG_IGN)\nDevice = Fine",
    "settings_raise": "class Bad(Own):\n    def __init__(self, **_): raise OSError('gone')\n"
    "    def __new__(cls, *_, **__): raise OSError('gone')\n"
    "    @classmethod\n    def model_validate(cls, *_, **__): raise OSError('gone')\n"
    "class Device(Fine):\n    settings_model = Bad",
}
WORST = {
    "no_family",
    "exits_at_import",
    "kills_at_import",
    "thread_at_import",
    "handler_at_import",
    "settings_raise",
}
AT_RUN = {
    "raises_in_open": "raise ValueError('no')",
    "exits_in_open": "sys.exit(3)",
    "blocks_in_open": "time.sleep(3600)",
    "tasks_in_open": "self.all = [asyncio.create_task(asyncio.sleep(3600)) for _ in range(10_000)]",
    "prints_in_open": "print('x' * 10_000_000); return Identity(model='fine')",
    "handler_in_open": "signal.signal(signal.SIGTERM, signal.SIG_IGN); return Identity(model='fine')",
    "closes_all_in_open": "os.closerange(3, 100)",
}


def install(folder: Path) -> Path:
    """Install a package with all these drivers; return the folder for sys.path."""
    site = folder / "site"
    (site / "malformed_drivers-2.dist-info").mkdir(parents=True)
    (site / "malformed_drivers-2.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: malformed-drivers\nVersion: 2\n"
    )
    (site / "malformed_words.py").write_text(WORDS)
    points = ["[borderpost.vocabularies]", "malformed = malformed_words:VOCABULARY", "[borderpost.drivers]"]
    for name, text in AT_LOAD.items():
        (site / f"malformed_{name}.py").write_text(f"{HEAD}\n{text}\n")
        points.append(f"{name.replace('_', '-')} = malformed_{name}:Device")
    for name, text in AT_RUN.items():
        body = textwrap.indent(text, " " * 8)
        (site / f"malformed_{name}.py").write_text(
            f"{HEAD}\nclass Device(Fine):\n    async def open(self):\n{body}\n"
        )
        points.append(f"{name.replace('_', '-')} = malformed_{name}:Device")
    (site / "malformed_drivers-2.dist-info" / "entry_points.txt").write_text("\n".join(points))
    return site


def worst_first(count: int) -> dict[str, str]:
    """Return the texts of some drivers that fail at their load."""
    return dict(sorted(AT_LOAD.items(), key=lambda one: one[0] not in WORST)[:count])


def describe_all(fixture: GatewayFixture, names: dict[str, str]) -> None:
    for number, name in enumerate(names):
        fixture.describe(f"lane-9/device-{number}", name.replace("_", "-"))


@pytest.mark.parametrize(
    "count", [6, pytest.param(len(AT_LOAD), marks=[pytest.mark.thorough, pytest.mark.long(15)])]
)
def test_check_names_each_malformed_driver(
    tmp_path: Path, mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    at_load = worst_first(count)
    monkeypatch.setattr(probe, "_run", spawn_probe)
    monkeypatch.setattr(probe, "CPU_LIMIT_S", 2)  # a loop spends it whole
    monkeypatch.syspath_prepend(str(PLUGINS))
    monkeypatch.syspath_prepend(str(install(tmp_path)))
    post = GatewayFixture(tmp_path, mosquitto)
    describe_all(post, at_load)
    post.describe("lane-1/reader")
    with pytest.raises(ConfigError) as raised:
        load(post.config)
    issues = {issue.key[1]: issue for issue in raised.value.issues}
    assert set(issues) == {f"lane-9/device-{number}" for number in range(count)}
    for number, name in enumerate(at_load):
        issue = issues[f"lane-9/device-{number}"]
        assert name.replace("_", "-") in issue.text, issue
        assert "package malformed-drivers 2" in issue.text, issue
        assert f"malformed_{name}" in issue.text, issue
        assert "install its package again" in issue.remedy, issue
        assert "borderpost accept-driver" in issue.remedy, issue
    tolerant = load(post.config, to_run=True)
    assert sum(device.driver_fault is None for device in tolerant.devices.values()) == 1


@pytest.mark.parametrize(
    "count", [6, pytest.param(len(AT_LOAD), marks=[pytest.mark.thorough, pytest.mark.long(30)])]
)
@pytest.mark.long(20)
async def test_post_runs_with_malformed_drivers(gateway: GatewayFixture, count: int) -> None:
    """Each costs a process that imports it: the worst of them in each run, all of them in a thorough one."""
    at_load = worst_first(count)
    gateway.path = (install(gateway.folder),)
    gateway.probe_cpu_s = 2
    wire = await gateway.wire("lane-1/reader")
    gateway.describe("lane-1/reader")
    await gateway.start()
    async with gateway.workstation() as desk:
        await until(lambda: _state(desk, "lane-1/reader") == "online")
        describe_all(gateway, at_load | AT_RUN)
        assert gateway.process is not None
        gateway.process.send_signal(signal.SIGHUP)
        expected = {f"lane-9/device-{number}" for number in range(count)}
        await until(lambda: all(_state(desk, one) == "fault" for one in expected), 110)
        assert _state(desk, "lane-1/reader") == "online"
        await wire.wait_for_host()
        await wire.send(b"say 1\n")
        async with asyncio.timeout(PATIENCE_S):
            assert number_of((await anext(aiter(desk))).data) == 1
        assert await gateway.stop() == 0
    assert "forkserver_failed" not in gateway.log


async def test_post_starts_with_malformed_driver(gateway: GatewayFixture) -> None:
    """A driver that ends the process that imports it with 78, and one that is not installed at all."""
    gateway.path = (install(gateway.folder),)
    await gateway.wire("lane-1/reader")
    gateway.describe("lane-1/reader")
    gateway.describe("lane-1/gate", "exits-at-import")
    gateway.describe("lane-1/camera", "not-installed")
    await gateway.start()
    async with gateway.workstation() as desk:
        await until(lambda: _state(desk, "lane-1/reader") == "online")
        for position in ("lane-1/gate", "lane-1/camera"):
            await until(lambda where=position: _state(desk, where) == "fault")
        assert await gateway.stop() == 0


def _state(desk: Workstation, position: str) -> str:
    state = desk.status(position).state
    return "" if state is None else f"{state.state}"


async def test_driver_with_broken_rights_is_reported(worker_fixture: WorkerFixture) -> None:
    """The daemon computes the rights as well, for the hosts of the device."""
    broken, other = "lane-1/reader", "lane-2/reader"
    await worker_fixture.device(broken, settings={"has_broken_rights": True})
    await worker_fixture.device(other)
    state = await worker_fixture.notebook.state(StateCode.OFFLINE, broken)
    assert state.cause is Cause.WORKER_CRASHED
    await worker_fixture.notebook.state(StateCode.ONLINE, other)
