"""Workstation client: events delivered once, fresh and complete; status only as far as it is known."""

import asyncio
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from support.brokers.mosquitto import Mosquitto
from support.devices.serial_readers import FRAMES
from support.gateway.gateways import GatewayFixture, gateway, until
from support.patience import PATIENCE_S
from support.vendors.published_events import BASE, EventPublisher, first, mosquitto, publisher, workstation_at

from gateway.client import (
    DeviceStatus,
    Workstation,
    site_view,
)
from simulators.specimens import ERIKSSON_LINES

__all__ = ["gateway", "mosquitto", "publisher"]

ROOT = Path(__file__).parents[3]


async def test_stale_event_is_dropped(mosquitto: Mosquitto, publisher: EventPublisher) -> None:
    async with workstation_at(mosquitto) as workstation:
        await workstation.connected_event.wait()
        await publisher.event(1, lasts_s=1)
        await publisher.event(2, lasts_s=600)
        await until(lambda: len(workstation._queue._items) == 2)
        loop = asyncio.get_running_loop()
        expires = workstation._queue._items[0].deadline_s
        await until(lambda: loop.time() > expires)
        assert [r.envelope.seq for r in await first(workstation)] == [2]
        assert workstation.discarded.expired == 1


async def first_status(workstation: Workstation) -> DeviceStatus:
    async with asyncio.timeout(PATIENCE_S):
        async for item in workstation.events_and_status():
            if isinstance(item, DeviceStatus) and item.state is not None:
                return item
    raise AssertionError("the workstation has ended")


async def test_first_status_waits_for_gateway(
    mosquitto: Mosquitto, publisher: EventPublisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A broker may send a device's state before that of its gateway: no device is first shown as down."""
    monkeypatch.setattr(site_view, "SILENCE_S", 0.5)
    async with workstation_at(mosquitto) as workstation:
        await workstation.connected_event.wait()
        await asyncio.sleep(0.7)  # the gateway starts long after this workstation
        await publisher.say(f"{BASE}/claim", b"", retain=True)
        await publisher.state("one")
        await until(lambda: workstation.status("lane-1/reader").state is not None)
        monkeypatch.undo()
        await publisher.alive("one")
        status = await first_status(workstation)
        assert status.is_usable


async def test_state_without_gateway_is_reported(
    mosquitto: Mosquitto, publisher: EventPublisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(site_view, "SILENCE_S", 0.2)
    await publisher.state("one")
    async with workstation_at(mosquitto) as workstation:
        status = await first_status(workstation)
        assert (status.gateway_online, status.state is not None) == (False, True)


def examples() -> dict[str, Any]:
    """Run the README's examples, at the site of the tests, which is not in training."""
    code = "\n".join(re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL))
    code = code.replace(", training=True", "")
    found: dict[str, Any] = {"__name__": "example"}
    exec(code.replace("ke-busia", "uto-test").replace('"open"', '"look"'), found)
    return found


async def test_the_example_of_the_readme_runs(
    gateway: GatewayFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    wire = await gateway.wire("lane-1/reader")
    gateway.describe("lane-1/reader", "mrz-serial", 'framing = "text"')
    await gateway.start()
    await wire.wait_for_host()
    running = asyncio.create_task(examples()["counter"]("127.0.0.1", gateway.broker.port))
    shown = ""
    try:
        async with asyncio.timeout(PATIENCE_S):
            while "ERIKSSON" not in shown:
                await wire.send(FRAMES["text"](ERIKSSON_LINES["TD3"]))
                await asyncio.sleep(0.05)
                shown += capsys.readouterr().out
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert "lane-1/reader UTO L898902C3 ERIKSSON" in shown


async def test_readme_command_runs(gateway: GatewayFixture, capsys: pytest.CaptureFixture[str]) -> None:
    wire = await gateway.wire("lane-1/barrier")
    gateway.describe("lane-1/barrier", "scripted")
    shutil.copy(ROOT / "config/mosquitto/roles.toml", gateway.folder)
    gateway.extra = '[commands]\nroles_file = "roles.toml"\n'
    gateway.write()
    await gateway.start()
    gate = examples()["gate"]
    async with gateway.workstation() as workstation:
        await until(lambda: workstation.status("lane-1/barrier").is_usable)
        async with asyncio.timeout(PATIENCE_S):
            while b"look lane-1 " not in wire.received_bytes:  # a busy machine may not connect in time
                await gate("127.0.0.1", gateway.broker.port)
    capsys.readouterr()
    assert await gateway.stop() == 0
    await gate("127.0.0.1", gateway.broker.port)
    assert "The gateway is not running. Start it" in capsys.readouterr().out


def test_workstation_loads_no_device_library() -> None:
    import subprocess
    import sys

    program = (
        "import sys, gateway.client; "
        "print([m for m in sys.modules if m.split('.')[0] in ('serial', 'usb', 'cryptography')])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert ran.stdout.strip() == "[]"
