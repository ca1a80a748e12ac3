"""Production mode: simulated and replayed devices publish no event."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.brokers.mosquitto import Mosquitto
from support.gateway.barriers import site_at
from support.gateway.gateways import GatewayFixture, gateway, until
from support.gateway.post_files import gateway_section
from support.patience import PATIENCE_S
from typer.testing import CliRunner

from drivers.links import device_node as emulated
from gateway.cli import app
from simulators.passport.hid import HidFormat, HidReader
from simulators.registry import parse_settings

__all__ = ["gateway"]

SERVICE = """
[device."{position}"]
driver = "{driver}"
url = "{url}"
username = "watch"
password = "two words"
{more}
"""
SERVICES = {
    "lane-1/reader": ("document-bridge", "face = false"),
    "lane-1/plates": ("anpr-hikvision", ""),
}
LINES = {
    "lane-2/reader": ("mrz-serial", 'framing = "text"'),
    "lane-2/wedge": ("mrz-wedge", ""),
    "lane-2/hid": ("mrz-hid", ""),
}


@pytest.fixture
def mosquitto() -> Iterator[Mosquitto]:
    with Mosquitto() as broker:
        yield broker


@contextlib.asynccontextmanager
async def simulated(position: str, kind: str) -> AsyncIterator[Any]:
    user = {"username": "watch", "password": "two words"}
    device: Any = parse_settings({"name": position, "kind": kind, "port": 0} | user).build()
    ready = asyncio.Event()
    running = asyncio.create_task(device.run(lambda event, _: ready.set() if event == "ready" else None))
    await ready.wait()
    try:
        yield device
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_running_simulators_are_refused(gateway: GatewayFixture) -> None:
    """Check pseudo-terminals, and services and boards that identify themselves as simulated."""
    gateway.profile = "production"
    gateway.silent_s = 20  # five workers load libraries at once
    async with contextlib.AsyncExitStack() as stack:
        for position, (driver, more) in SERVICES.items():
            service = await stack.enter_async_context(simulated(position, driver))
            gateway.devices[position] = SERVICE.format(
                position=position, driver=driver, url=service.server.url, more=more
            )
        await stack.enter_async_context(site_at(gateway, "lane-1/barrier"))
        for position, (driver, more) in LINES.items():
            gateway.describe(position, driver, more)
        await gateway.start()
        async with gateway.workstation() as desk:
            await until(lambda: desk.status("lane-2/wedge").state)
            for position in LINES:
                wire = await gateway.wire(position)
                if position == "lane-2/hid":
                    HidReader(wire, HidFormat.POS)

            refused = {*SERVICES, *LINES, "lane-1/barrier"}

            def causes() -> dict[str, str | None]:
                states = {position: desk.status(position).state for position in refused}
                return {position: state.cause if state else None for position, state in states.items()}

            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PATIENCE_S):
                    while set(causes().values()) != {"simulated"}:
                        await asyncio.sleep(0.05)
            assert causes() == dict.fromkeys(refused, "simulated")
    assert "/lane-1/reader/state" in gateway.broker.log
    assert "/evt/document" not in gateway.broker.log
    assert "/evt/plate" not in gateway.broker.log


async def test_reload_rejects_training_settings(
    gateway: GatewayFixture,
) -> None:
    gateway.profile = "production"
    gateway.describe("lane-1/reader")
    await gateway.start()
    async with gateway.workstation() as desk:
        await until(lambda: desk.status("lane-1/reader").state)
        gateway.profile = "training"
        gateway.extra = '[console]\nsimulators = "/run/simulators.sock"\n'
        gateway.describe("lane-2/reader")
        assert gateway.process is not None
        gateway.process.send_signal(signal.SIGHUP)
        await until(lambda: "config_needs_restart" in gateway.log)
        assert await gateway.stop() == 0
    assert "config_reloaded" not in gateway.log
    assert "lane-2/reader" not in gateway.broker.log


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ('[console]\nsimulators = "/run/borderpost/simulators.sock"\n', "console: simulators"),
        ("embedded", "broker: embedded"),
        ('[device."lane-1/reader"]\ndriver = "mrz-serial"\nport = "/dev/pts/0"\nframing = "text"\n', "port"),
        ('[device."lane-1/reader"]\ndriver = "mrz-serial"\nport = "replay:x"\nframing = "text"\n', "port"),
    ],
)
def test_start_rejects_training_settings(line: str, key: str, tmp_path: Path) -> None:
    """Check that `run` ends before anything is started."""
    config = tmp_path / "post.toml"
    device = '[device."lane-9/reader"]\ndriver = "mrz-serial"\nport = "/dev/ttyS9"\nframing = "text"\n'
    broker = "embedded = true\n" if line == "embedded" else ""
    config.write_text(
        gateway_section(profile="production", state_dir="state")
        + f'[broker]\nhost = "127.0.0.1"\n{broker}{device}{line if line != "embedded" else ""}'
    )

    result = CliRunner().invoke(app, ["config", "check", str(config)])

    assert (result.exit_code, key in result.output) == (os.EX_CONFIG, True), result.output
    assert not (tmp_path / "state").exists()


def test_demo_refuses_production_post(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RUN", "MQTT_PORT", "CONSOLE_PORT"):
        monkeypatch.setenv(f"BORDERPOST_{name}", "set by the demo; later tests must not see it")
    config = tmp_path / "post.toml"
    config.write_text(
        gateway_section(profile="production", state_dir="state")
        + '[broker]\nhost = "127.0.0.1"\nport = "${BORDERPOST_MQTT_PORT}"\n'
        '[device."lane-9/reader"]\ndriver = "mrz-serial"\nport = "/dev/ttyS9"\nframing = "text"\n'
    )

    result = CliRunner().invoke(app, ["demo", "--config", str(config)])

    assert (result.exit_code, "profile production" in result.output) == (os.EX_NOPERM, True), result.output
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize(
    ("place", "made_up"),
    [
        ("devices/pci0000:00/0000:00:14.0/usb1/1-2/1-2:1.0/tty/ttyACM0", False),
        ("devices/platform/vhci_hcd.0/usb3/3-1/3-1:1.0/tty/ttyACM0", True),
        ("devices/platform/dummy_hcd.0/usb4/4-1/4-1:1.0/tty/ttyACM0", True),
        ("devices/pnp0/00:00/00:00:0/00:00:0.0/tty/ttyS0", False),
        ("devices/virtual/tty/tnt0", True),
        ("devices/virtual/input/input7/event5", True),
        ("devices/virtual/misc/uhid/0005:1234:5678.0001/input/input8/event6", False),
        ("devices/platform/vhci_hcd.0/usb3/3-2/3-2:1.0/0003:05E0:1200.0002/input/input9/event7", True),
    ],
)
def test_virtual_device_nodes_are_recognised(
    place: str, made_up: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nodes = tmp_path / "sys/dev/char"
    nodes.mkdir(parents=True)
    (tmp_path / "sys" / place).mkdir(parents=True)
    (nodes / "166:0").symlink_to(f"../../{place}")
    monkeypatch.setattr(emulated, "CHARACTER_DEVICES", nodes)

    assert emulated.is_emulated(os.makedev(166, 0)) is made_up
