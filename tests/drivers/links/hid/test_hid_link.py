"""Readers in HID mode: opened, read report by report, errors with remedies; a real open under umockdev."""

import asyncio
import contextlib
import errno
import fcntl
import json
import os
import shutil
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import ValidationError
from pytest_mock import MockerFixture
from support.patience import PATIENCE_S
from support.process import in_jail

from drivers.links.factory import LinkFactory
from drivers.links.hid import link as link_module
from drivers.links.hid.link import HidLink, HidSettings
from drivers.links.hid.uhid import input_event, output_event, parse_create
from drivers.links.link import Action, Cause, LinkError
from simulators.links.serial_line import SerialLine
from simulators.links.umockdev_hidraw import HidrawNode
from simulators.passport.hid import IDENTITIES, HidFormat, HidReader
from simulators.specimens import ERIKSSON_LINES

PASSPORT = ERIKSSON_LINES["TD3"]

needs_umockdev = pytest.mark.skipif(
    shutil.which("umockdev-run") is None, reason="needs umockdev-run: apt install umockdev"
)


@contextlib.asynccontextmanager
async def opened(
    port: Path, hid_format: HidFormat = HidFormat.ACCESSIS
) -> AsyncIterator[tuple[SerialLine, HidReader, HidLink, list[tuple[str, bytes]]]]:
    tapped: list[tuple[str, bytes]] = []
    async with SerialLine.open_at(port, look_s=0.002) as wire:
        reader = HidReader(wire, hid_format)
        links = LinkFactory(lambda direction, chunk: tapped.append((direction, chunk)))
        link = await links.hid(HidSettings(port=str(port)))
        assert links.is_simulated
        try:
            yield wire, reader, link, tapped
        finally:
            await links.close()


async def test_reports_and_their_trace(tmp_path: Path) -> None:
    async with opened(tmp_path / "port") as (_, reader, link, tapped):
        report = b"\0\x80" + bytes(7)
        await link.write(report)
        async with asyncio.timeout(PATIENCE_S):
            while not reader.output_reports:
                await asyncio.sleep(0.001)
            await reader.present(PASSPORT)
            received = [await link.read(), await link.read()]
    assert reader.output_reports == [report]
    assert [len(each) for each in received] == [64, 64]
    opening, description, *rest = tapped
    assert (opening, description[0]) == (("out", bytes([4, 0, 0, 0])), "in")
    info = parse_create(description[1])
    assert info is not None
    assert info.descriptor == reader.identity.descriptor
    assert rest == [("out", output_event(report)), *(("in", input_event(each)) for each in received)]


async def test_unplugged_reader_fails_and_returns(tmp_path: Path) -> None:
    async with opened(tmp_path / "port") as (wire, _, link, _):
        reading = asyncio.create_task(link.read())
        await asyncio.sleep(0)
        wire.unplug()
        for attempt in (reading, link.read(), link.write(b"\0\x80")):
            with pytest.raises(LinkError) as gone:
                await attempt
            assert (gone.value.cause, gone.value.action) == (Cause.UNPLUGGED, Action.REPLUG)
        with pytest.raises(LinkError) as missing:
            await LinkFactory().hid(HidSettings(port=str(wire.path)))
        assert missing.value.cause is Cause.NO_DEVICE
        wire.replug()
        links = LinkFactory()
        await links.hid(HidSettings(port=str(wire.path)))
        await links.close()


async def test_silent_simulator_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link_module, "DESCRIBE_S", 0.05)
    async with SerialLine.open_at(tmp_path / "port"):
        with pytest.raises(LinkError) as silent:
            await LinkFactory().hid(HidSettings(port=str(tmp_path / "port")))
    assert silent.value.cause is Cause.NO_RESPONSE


async def test_bytes_that_are_no_events(tmp_path: Path) -> None:
    async with opened(tmp_path / "port") as (wire, _, link, _):
        await wire.send(b"P<UTOERIKSSON")
        with pytest.raises(LinkError) as lost:
            await link.read()
    assert lost.value.cause is Cause.LINK_FAILED


async def test_malformed_descriptor_is_refused(tmp_path: Path) -> None:
    async with SerialLine.open_at(tmp_path / "port", look_s=0.002) as wire:
        identity = replace(IDENTITIES[HidFormat.POS], descriptor=b"\x05\x8c\x26\xff")
        HidReader(wire, HidFormat.POS, identity)
        with pytest.raises(LinkError, match="report descriptor is cut") as refused:
            await LinkFactory().hid(HidSettings(port=str(tmp_path / "port")))
    assert refused.value.cause is Cause.WRONG_DEVICE
    assert refused.value.how


async def test_reader_has_one_owner(tmp_path: Path) -> None:
    async with SerialLine.open_at(tmp_path / "port"):
        with (tmp_path / "port").open("rb", buffering=0) as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            with pytest.raises(LinkError) as refused:
                await LinkFactory().hid(HidSettings(port=str(tmp_path / "port")))
    assert refused.value.cause is Cause.PORT_HELD


@pytest.mark.parametrize(
    ("number", "cause", "action"),
    [
        (errno.ETIMEDOUT, Cause.NO_RESPONSE, Action.REPLUG),
        (errno.EPIPE, Cause.NO_RESPONSE, Action.REPLUG),
        (errno.ENODEV, Cause.UNPLUGGED, Action.REPLUG),
    ],
)
async def test_hung_reader_is_reported(
    number: int, cause: Cause, action: Action, tmp_path: Path, mocker: MockerFixture
) -> None:
    async with opened(tmp_path / "port") as (_, _, link, _):
        mocker.patch.object(link, "_stream", None)  # as on a node, whose write waits for the reader
        mocker.patch("drivers.links.hid.link.os.write", side_effect=OSError(number, os.strerror(number)))
        with pytest.raises(LinkError) as failed:
            await link.write(b"\0\x80")
        mocker.stopall()
    assert (failed.value.cause, failed.value.action) == (cause, action)
    assert failed.value.how


@pytest.mark.parametrize("port", ["usb:0DB5", "hidraw0", ""])
def test_invalid_address_is_refused(port: str) -> None:
    with pytest.raises(ValidationError, match="port"):
        HidSettings(port=port)


# With umockdev: a real open, real ioctls and real reads of a node that the kernel does not have.

REFUSED = """
import asyncio, json, sys
from drivers.links.factory import LinkFactory
from drivers.links.hid.link import HidSettings
from drivers.links.link import LinkError

async def main():
    tapped = []
    links = LinkFactory(lambda direction, chunk: tapped.append(chunk.hex()))
    try:
        await links.hid(HidSettings(port=sys.argv[1]))
    except LinkError as error:
        print(json.dumps([error.cause, error.text, tapped]))

asyncio.run(main())
"""

LISTEN = """
import asyncio, json, sys
from drivers.links.factory import LinkFactory
from drivers.passport.mrz_hid import MrzHid, MrzHidSettings

async def main():
    links = LinkFactory()
    driver = MrzHid(MrzHidSettings(port=sys.argv[1]), links)
    identity = await driver.open()
    print(json.dumps([identity.model, identity.serial_number, links.is_simulated]), flush=True)
    async for said in driver.watch():
        print(json.dumps(getattr(said, "lines", None)), flush=True)
        break
    await driver.close()
    await links.close()

asyncio.run(main())
"""


@needs_umockdev
@pytest.mark.parametrize(
    ("hid_format", "address"),
    [(HidFormat.POS, "/dev/hidraw0"), (HidFormat.ACCESSIS, "usb:0DB5:013E:SIM0001")],
)
async def test_emulated_node_is_read_in_jail(hid_format: HidFormat, address: str, tmp_path: Path) -> None:
    (tmp_path / "listen").write_text(LISTEN)
    async with HidrawNode(IDENTITIES[hid_format]) as node:
        reader = HidReader(node.line, hid_format, is_uhid=False)
        program = await asyncio.create_subprocess_exec(
            sys.executable,
            *(str(in_jail.PROGRAM), "drivers.links.hid.link:HidSettings"),
            *(json.dumps({"port": address}), str(tmp_path / "listen"), address),
            env=os.environ | node.environment | {"PYTHONPATH": os.pathsep.join(sys.path)},
            stdout=asyncio.subprocess.PIPE,
        )
        assert program.stdout is not None
        async with asyncio.timeout(PATIENCE_S):
            model, serial_number, is_simulated = json.loads(await program.stdout.readline())
            while not reader.is_switched_on:
                await asyncio.sleep(0.002)
            assert await reader.present(PASSPORT)
            lines = json.loads(await program.stdout.readline())
            assert await program.wait() == 0
    assert (model, serial_number) == (reader.identity.name, "SIM0001")
    assert tuple(lines) == PASSPORT
    assert is_simulated
    written = [b"\0\x80" + bytes(7)] if hid_format is HidFormat.ACCESSIS else []
    assert reader.output_reports == written


@needs_umockdev
async def test_refused_descriptor_is_recorded(tmp_path: Path) -> None:
    (tmp_path / "refused").write_text(REFUSED)
    identity = replace(IDENTITIES[HidFormat.POS], descriptor=b"\x05\x8c\x26\xff")
    async with HidrawNode(identity) as node:
        program = await asyncio.create_subprocess_exec(
            *(sys.executable, str(tmp_path / "refused"), "usb:0C2E:0B87"),
            env=os.environ | node.environment | {"PYTHONPATH": os.pathsep.join(sys.path)},
            stdout=asyncio.subprocess.PIPE,
        )
        said, _ = await asyncio.wait_for(program.communicate(), PATIENCE_S)
    cause, text, (_, description) = json.loads(said)
    assert (cause, "is cut" in text) == (Cause.WRONG_DEVICE, True)
    info = parse_create(bytes.fromhex(description))
    assert info is not None
    assert info.descriptor == identity.descriptor
