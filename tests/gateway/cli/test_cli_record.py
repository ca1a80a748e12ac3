"""`borderpost record` at a running post: replaying a recording gives the same events, anonymized or not."""

import asyncio
import json
import os
import resource
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.brokers.mosquitto import Mosquitto
from support.gateway.gateways import GatewayFixture, gateway, until
from support.patience import PATIENCE_S
from typer.testing import CliRunner

from drivers.anonymize.anonymizer import anonymize
from drivers.links.recording.recorder import Recorder
from drivers.links.recording.recording import Chunk, Recording
from drivers.links.recording.usb_trace import Transfer, TransferType
from drivers.registry import load_driver
from gateway.cli import app
from gateway.cli._lib.api_client import ApiError, ApiUnavailable
from gateway.cli._lib.recording_file import write_or_fail
from gateway.cli.record import build_recording, record_items, to_recording_entry, until_failure, wire_type
from gateway.client import Workstation
from gateway.config import DeviceSettings, load
from simulators.links.serial_line import SerialLine
from simulators.passport.accessis import ocr_frame
from simulators.specimens import ERIKSSON_LINES

__all__ = ["gateway"]

READER = "lane-1/reader"
EXAMPLE = Path(__file__).parents[3] / "config/example.toml"


@pytest.fixture
def mosquitto() -> Iterator[Mosquitto]:
    with Mosquitto() as broker:
        yield broker


@pytest.fixture
async def wire(gateway: GatewayFixture) -> SerialLine:
    wire = await gateway.wire(READER)
    gateway.describe(READER, "mrz-serial", 'framing = "accessis"')
    await gateway.start()
    await wire.wait_for_host()
    await until(lambda: '"online"' in gateway.log and (gateway.folder / "state" / "console.sock").exists())
    return wire


async def borderpost(*words: object) -> tuple[int, str]:
    done = await asyncio.to_thread(CliRunner().invoke, app, [str(word) for word in words])
    return done.exit_code, done.output


async def test_recording_replays_same_events(
    gateway: GatewayFixture, wire: SerialLine, tmp_path: Path
) -> None:
    out, scrubbed = tmp_path / "out.rec", tmp_path / "scrubbed.rec"
    await nothing_is_recorded(gateway.config, tmp_path / "mine.rec")
    command = ("record", gateway.config, READER, out, "--reveal", "vendor asks", "--duration", "2")
    async with gateway.workstation() as workstation:
        await asyncio.wait_for(workstation.connected_event.wait(), PATIENCE_S)
        recording = asyncio.create_task(borderpost(*command))
        seen: list[Any] = []
        # The worker is restarted once the recording has begun.
        await until(lambda: '"restart"' in gateway.log and gateway.log.count('"online"') > 1)
        await wire.wait_for_host()
        while not recording.done():
            await wire.send(ocr_frame(ERIKSSON_LINES["TD3"]))
            seen.append(await next_read(workstation))
            await asyncio.wait({recording}, timeout=0.6)
        code, said = recording.result()
    assert code == 0, said
    assert out.stat().st_mode & 0o777 == 0o600
    kept = Recording.from_text(out.read_text())
    assert (kept.driver, kept.settings, kept.wire) == ("mrz-serial", {"framing": "accessis"}, "serial")
    assert (kept.provenance, kept.people, kept.begins) == ("simulated", "synthetic", "at open")
    assert kept.entries
    assert str(gateway.folder) not in out.read_text()

    again = await replayed(out)
    assert again == seen[-len(again) :]
    assert len(again) == len(kept.entries)

    assert (await borderpost("anonymize", out, scrubbed))[0] == 0
    others = await replayed(scrubbed)
    assert len(others) == len(again)
    assert [other["overall_outcome"] for other in others] == [one["overall_outcome"] for one in again]
    assert "ERIKSSON" not in json.dumps(others)
    assert [
        wrong for other in others for wrong in other["mrz"]["digits"] if wrong["result"] == "failed"
    ] == []


async def test_device_connected_while_recording(gateway: GatewayFixture, tmp_path: Path) -> None:
    gateway.describe(READER, "mrz-serial", 'framing = "accessis"')
    await gateway.start()
    await until((gateway.folder / "state" / "console.sock").exists)
    out = tmp_path / "out.rec"
    command = ("record", gateway.config, READER, out, "--reveal", "vendor asks", "--duration", "4")
    recording = asyncio.create_task(borderpost(*command))
    await until(lambda: recording.done() or '"technician_operation"' in gateway.log)
    assert not recording.done(), recording.result()
    wire = await gateway.wire(READER)
    await wire.wait_for_host()
    while not recording.done():
        await wire.send(ocr_frame(ERIKSSON_LINES["TD3"]))
        await asyncio.wait({recording}, timeout=0.5)
    code, said = recording.result()
    assert code == 0, said
    kept = Recording.from_text(out.read_text())
    assert (kept.provenance, kept.people) == ("simulated", "synthetic")
    assert kept.entries


def test_link_type_of_each_device() -> None:
    devices = {device.driver: device.settings for device in load(EXAMPLE).devices.values()}
    assert {driver: wire_type(settings) for driver, settings in devices.items()} == {
        "anpr-axis": "http-listener",
        "anpr-hikvision": "http",
        "camera-onvif": "other",
        "camera-rtsp": "other",
        "camera-snapshot": "http",
        "camera-uvc": "other",
        "desko": "http",
        "gpio-barrier": "other",
        "modbus-barrier": "modbus-tcp",
        "mrz-hid": "hidraw",
        "mrz-serial": "serial",
        "mrz-wedge": "keyboard",
        "ocr-scanner": "serial",
        "osdp": "serial",
        "serial-relay": "serial",
        "uru4000": "usb",
        "ws-bd": "http",
        "zfm": "serial",
    }
    barrier = devices["modbus-barrier"].model_dump(exclude_unset=True)
    barrier["board"] = {"model": "waveshare-8", "port": "/dev/ttyS0"}
    assert wire_type(type(devices["modbus-barrier"]).model_validate(barrier)) == "serial"


async def next_read(workstation: Workstation) -> Any:
    """Return the next document; the operation of recording is an event too."""
    async with asyncio.timeout(PATIENCE_S):
        async for received in workstation:
            event = json.loads(received.envelope.model_dump_json())
            if event["type"] == "bgw.document.read.v1":
                return event["data"]
    raise AssertionError("the workstation was closed")


async def replayed(recording: Path) -> list[Any]:
    code, said = await borderpost("replay", recording, "--json", "--pause", "0.2")
    assert code == 0, said
    return [event["data"] for line in said.splitlines() if (event := json.loads(line))["type"] != "identity"]


async def nothing_is_recorded(config: Path, out: Path) -> None:
    """Record without a reason, from an unknown device, or to an existing file; nothing is written."""
    code, said = await borderpost("record", config, READER, out)
    assert (code, "--reveal" in said) == (2, True)
    assert (await borderpost("record", config, "lane-9/reader", out, "--reveal", "why"))[0] == os.EX_USAGE
    out.write_text("mine")
    code, said = await borderpost("record", config, READER, out, "--reveal", "vendor asks")
    assert (code, "exists already" in said, out.read_text()) == (os.EX_CANTCREAT, True, "mine")


ITEM = {"at_s": 1.5, "direction": "in", "size": 2, "hex": "1c 02", "transfer": None, "dropped": 0}


@pytest.mark.parametrize("problem", [ApiUnavailable("It ended.", ""), ApiError(503, "It ended.", "")])
def test_ended_trace_keeps_its_items(problem: Exception) -> None:
    def items() -> Iterator[dict[str, Any]]:
        yield ITEM
        yield ITEM | {"at_s": 2.0, "dropped": 3}
        raise problem

    tape, problems = Recorder(), []
    assert record_items(tape, until_failure(items(), problems)) == 3
    assert problems == [problem]
    assert list(tape.entries) == [Chunk(1.5, "in", b"\x1c\x02"), Chunk(2.0, "in", b"\x1c\x02")]


async def test_gateway_that_ends_leaves_a_recording(
    gateway: GatewayFixture, wire: SerialLine, tmp_path: Path
) -> None:
    out = tmp_path / "out.rec"
    command = (
        "record",
        gateway.config,
        READER,
        out,
        "--reveal",
        "vendor asks",
        "--duration",
        "60",
        "--no-reopen",
    )
    recording = asyncio.create_task(borderpost(*command))
    await until(lambda: '"technician_operation"' in gateway.log)
    async with gateway.workstation() as workstation:
        await asyncio.wait_for(workstation.connected_event.wait(), PATIENCE_S)
        await wire.send(ocr_frame(ERIKSSON_LINES["TD3"]))
        await next_read(workstation)
    await gateway.stop()
    code, said = await asyncio.wait_for(recording, PATIENCE_S)
    kept = Recording.from_text(out.read_text())
    assert [chunk.data for chunk in kept.chunks] == [ocr_frame(ERIKSSON_LINES["TD3"])]
    assert kept.begins == "midway"
    assert code in (os.EX_OK, os.EX_UNAVAILABLE), said


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM, signal.SIGINT])
async def test_closed_terminal_leaves_a_recording(
    gateway: GatewayFixture, wire: SerialLine, tmp_path: Path, number: signal.Signals
) -> None:
    out = tmp_path / "out.rec"
    words = ("record", gateway.config, READER, out, "--reveal", "vendor asks", "--duration", "60")
    program = str(Path(sys.executable).with_name("borderpost"))
    recording = await asyncio.create_subprocess_exec(program, *map(str, words))
    async with gateway.workstation() as workstation:
        await asyncio.wait_for(workstation.connected_event.wait(), PATIENCE_S)
        # The worker is restarted once the recording has begun.
        await until(lambda: '"restart"' in gateway.log and gateway.log.count('"online"') > 1)
        await wire.wait_for_host()
        # The trace comes by another way than the events: of twenty frames, it has some.
        for _ in range(20):
            await wire.send(ocr_frame(ERIKSSON_LINES["TD3"]))
            await next_read(workstation)
    recording.send_signal(number)
    assert await asyncio.wait_for(recording.wait(), PATIENCE_S) == os.EX_OK
    kept = Recording.from_text(out.read_text())
    assert {chunk.data for chunk in kept.chunks} == {ocr_frame(ERIKSSON_LINES["TD3"])}
    assert kept.provenance.startswith("simulated")


async def test_impossible_file_is_refused_before_recording(
    gateway: GatewayFixture, wire: SerialLine, tmp_path: Path
) -> None:
    out = tmp_path / "none" / "out.rec"
    code, said = await borderpost(
        "record", gateway.config, READER, out, "--reveal", "why", "--duration", "0.1"
    )
    assert (code, said) == (os.EX_CANTCREAT, f"{out}: No such file or directory\n")
    assert '"technician_operation"' not in gateway.log


def test_full_disk_leaves_no_part_of_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, limits = tmp_path / "out.rec", resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        with pytest.raises(SystemExit) as ended:
            write_or_fail(out, b"x" * 101)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert ended.value.code == os.EX_CANTCREAT
    assert str(out) in capsys.readouterr().err
    assert not out.exists()


def test_trace_items_become_entries() -> None:
    item = {"at_s": 1.5, "direction": "in", "size": 2, "hex": "1c 02", "transfer": None}
    facts = {"id": 7, "stage": "complete", "kind": "bulk", "endpoint": 0x82, "bus": 3, "device": 9}
    facts |= {"at_ns": 10**18, "status": 0, "length": 2, "setup": ""}

    assert to_recording_entry(item) == Chunk(1.5, "in", b"\x1c\x02")
    assert to_recording_entry(item | {"size": 0, "hex": ""}) is None
    assert to_recording_entry(item | {"transfer": facts}) == Transfer(
        7, "complete", TransferType.BULK, 0x82, 1, 1, 1_500_000_000, 0, 2, data=b"\x1c\x02"
    )
    with pytest.raises(ValueError, match="no bytes"):
        to_recording_entry(item | {"hex": None})


def test_recorded_settings_suit_anonymizer() -> None:
    """A recording names no path or user, which some drivers require."""
    devices = load(EXAMPLE).devices.values()
    suited = [device for device in devices if load_driver(device.driver).anonymizer and is_in_clear(device)]
    assert len({device.driver for device in suited}) > 5
    for device in suited:
        view = {"state": {}, "actual_state": None, "identity": None}
        recording = build_recording(device, view, [], 0)
        done = anonymize(recording)
        recording.settings.pop("discovery", None)  # replaced by an address
        assert done.settings == recording.settings, device.driver


def is_in_clear(device: DeviceSettings) -> bool:
    """Chips and OSDP's secure channel are encrypted: no anonymizer takes them."""
    settings = device.settings
    return getattr(settings, "chip", None) is None and getattr(settings, "security", "clear") == "clear"
