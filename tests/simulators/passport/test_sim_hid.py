"""The simulated reader in HID mode: its reports are those of its report descriptor."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from sim_host import Host

from simulators.faults import Truncated
from simulators.links.serial_line import SerialLine
from simulators.links.uhid import HostEvents, create_event, input_event
from simulators.passport.hid import IDENTITIES, HidFormat, HidReader
from simulators.passport.serial_mrz import SerialMrzSettings
from simulators.specimens import ERIKSSON_LINES

PASSPORT = ERIKSSON_LINES["TD3"]
OPEN = bytes([4, 0, 0, 0])
SET_REPORT = bytes.fromhex("0d000000 00000000 00 01 0900 0080 00000000000000")
"""`struct uhid_set_report_req` (linux/uhid.h): id, number, kind, size, data."""


def test_description_as_in_kernel() -> None:
    event = create_event(IDENTITIES[HidFormat.POS])
    descriptor = IDENTITIES[HidFormat.POS].descriptor
    assert event[:4] == bytes([11, 0, 0, 0])
    assert event[4:22] == b"Honeywell 1950 SIM"
    assert event[4 + 128 + 64 : 4 + 128 + 64 + 7] == b"SIM0001"
    assert event[260:272] == len(descriptor).to_bytes(2, "little") + bytes.fromhex("0300 2e0c0000 870b0000")
    assert event[280:] == descriptor


def test_scanner_report_as_in_specification(line: SerialLine) -> None:
    first, second = HidReader(line, HidFormat.POS).reports_of(b"A" * 56 + b"B")
    assert (len(first), first[:5], first[5:61], first[63]) == (64, b"\x02\x38]o0", b"A" * 56, 1)
    assert (len(second), second[:6], second[63]) == (64, b"\x02\x01]o0B", 0)
    assert second[6:61] == b"A" * 55, "what the report before has left"


def test_reader_report_as_in_sample(line: SerialLine) -> None:
    reader = HidReader(line, HidFormat.ACCESSIS)
    first, second = reader.reports_of(reader.frame(PASSPORT))
    assert (len(first), first[:3], len(second), second[0]) == (64, b"\x3f\x1c\x02", 64, 31)


def test_host_events_in_pieces() -> None:
    host, found = HostEvents(), []
    for byte in OPEN + SET_REPORT:
        found += list(host.feed(bytes([byte])))
    assert found == [None, SET_REPORT[12:]]
    assert list(host.feed(b"\xff" * 8)) == []


async def test_reader_is_silent_until_switched_on(line: SerialLine, host: Host) -> None:
    reader = HidReader(line, HidFormat.ACCESSIS)
    host.write(OPEN)
    description = create_event(reader.identity)
    assert await host.read(len(description)) == description
    assert not await reader.present(PASSPORT)
    host.write(SET_REPORT)
    await line.wait_for_bytes(SET_REPORT)
    presenting = asyncio.create_task(reader.present(PASSPORT))
    assert (await host.read(70))[:9] == input_event(bytes(64))[:6] + b"\x3f\x1c\x02"
    await host.read(70)
    assert await presenting
    assert reader.counters.documents_sent == 1


async def test_cut_text_says_that_it_continues(line: SerialLine, host: Host) -> None:
    reader = HidReader(line, HidFormat.POS)
    await reader.inject(Truncated(at=10))
    await reader.present(PASSPORT)
    report = (await host.read(70))[6:]
    assert (report[1], report[63]) == (10, 1)
    assert await host.nothing_within(0.02)


@pytest.mark.parametrize("framing", ["hid-pos", "hid-accessis"])
async def test_reader_of_a_post(framing: str, tmp_path: Path) -> None:
    table = {"name": "lane-1/reader", "kind": "serial-mrz", "framing": framing, "serial_number": "X1"}
    settings = SerialMrzSettings.model_validate({**table, "path": tmp_path / "port"})
    async with SerialLine.open_at(settings.path) as line:
        reader = settings.build_reader(line)
        assert isinstance(reader, HidReader)
        assert reader.identity == replace(IDENTITIES[reader.hid_format], serial_number="X1")
