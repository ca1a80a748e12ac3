"""Document readers in HID mode: texts of several reports, and a damaged one costs only itself."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.patience import PATIENCE_S

from drivers.driver import BadFrame, StateCode, Status
from drivers.links.factory import LinkFactory
from drivers.links.framing import OTHER_CONTENT, CompleteFrame
from drivers.links.hid.descriptor import parse_descriptor
from drivers.links.link import Action, Cause, LinkError
from drivers.passport.hid.framing import HidFraming, ScannedBarcode
from drivers.passport.hid.layouts import AccessIsLayout, PosLayout, choose_layout
from drivers.passport.mrz import MrzFormat
from drivers.passport.mrz_hid import MrzHid, MrzHidSettings
from drivers.passport.observations import BarcodeRead, DocumentRead, FrameFault, ReadFailed, ReadTrigger
from drivers.passport.seals import Symbology
from simulators.errors import SimulatorError
from simulators.faults import Garbage, Noise, SlowBytes, Truncated, WrongRate
from simulators.links.serial_line import SerialLine
from simulators.passport.hid import ACCESSIS_DESCRIPTOR, IDENTITIES, POS_DESCRIPTOR, HidFormat, HidReader
from simulators.specimens import ERIKSSON_LINES
from simulators.travellers import TravellerGenerator
from simulators.usb.keyboard import REPORTS as KEYBOARD_DESCRIPTOR

PASSPORT, CARD = ERIKSSON_LINES["TD3"], ERIKSSON_LINES["TD1"]
SILENCE = {"gap_s": 0.1}
"""For tests that wait for a silence; the others are not disturbed by one, on a machine that pauses."""


class Reader:
    """A driver under test, and its reader."""

    def __init__(self, wire: SerialLine, driver: MrzHid, device: HidReader) -> None:
        self.wire = wire
        self.driver = driver
        self.device = device
        self.output: asyncio.Queue[Any] = asyncio.Queue()

    async def listen(self) -> None:
        async with contextlib.aclosing(self.driver.watch()) as observations:
            try:
                async for observation in observations:
                    self.output.put_nowait(observation)
            except LinkError as error:
                self.output.put_nowait(error)

    async def next(self, kind: type[Any] = object) -> Any:
        async with asyncio.timeout(PATIENCE_S):
            while not isinstance(output := await self.output.get(), kind):
                pass
        return output

    async def reads_on(self) -> None:
        """Check that the next document is read, whatever came before."""
        await self.device.present(CARD)
        assert (await self.next(DocumentRead)).lines == CARD


@contextlib.asynccontextmanager
async def reader_on(
    port: Path, hid_format: HidFormat, descriptor: bytes | None = None, **settings: Any
) -> AsyncIterator[Reader]:
    async with SerialLine.open_at(port, look_s=0.002) as wire:
        identity = IDENTITIES[hid_format]
        device = HidReader(wire, hid_format, replace(identity, descriptor=descriptor or identity.descriptor))
        links = LinkFactory()
        driver = MrzHid(MrzHidSettings(port=str(port), **{"gap_s": 5} | settings), links)
        try:
            await driver.open()
            async with asyncio.timeout(PATIENCE_S):
                while not device.is_switched_on and driver.settings.switch_on:
                    await asyncio.sleep(0.001)
            reader = Reader(wire, driver, device)
            listening = asyncio.create_task(reader.listen())
            try:
                yield reader
            finally:
                listening.cancel()
                await asyncio.gather(listening, return_exceptions=True)
        finally:
            await driver.close()
            await links.close()


@pytest.mark.parametrize("hid_format", HidFormat)
async def test_every_format_of_document(hid_format: HidFormat, tmp_path: Path) -> None:
    async with reader_on(tmp_path / "port", hid_format) as reader:
        for document in (MrzFormat.TD1, MrzFormat.TD2, MrzFormat.TD3, MrzFormat.MRV_A, MrzFormat.MRV_B):
            lines = next(v for k, v in ERIKSSON_LINES.items() if k.lower().replace("-", "_") == document)
            await reader.device.present(lines)
            read = await reader.next()
            assert isinstance(read, DocumentRead)
            assert (read.lines, read.mrz and read.mrz.format) == (lines, document)
            assert read.trigger is ReadTrigger.SWIPE


@pytest.mark.parametrize("hid_format", HidFormat)
async def test_many_documents_at_once(hid_format: HidFormat, tmp_path: Path) -> None:
    async with reader_on(tmp_path / "port", hid_format) as reader:
        documents = [document.lines for document in itertools.islice(TravellerGenerator(1), 20)]
        for lines in documents:
            await reader.device.present(lines)
        for lines in documents:
            assert (await reader.next()).lines == lines


@pytest.mark.parametrize("hid_format", HidFormat)
async def test_reports_of_any_length_are_joined(hid_format: HidFormat, tmp_path: Path) -> None:
    async with reader_on(tmp_path / "port", hid_format) as reader:
        for size in (1, 2, 7, 44, 45, 55):
            await reader.device.inject(SlowBytes(size=size, every_ms=0))
            await reader.device.present(PASSPORT)
            assert (await reader.next()).lines == PASSPORT


@pytest.mark.parametrize("hid_format", HidFormat)
async def test_text_that_stops_costs_only_itself(hid_format: HidFormat, tmp_path: Path) -> None:
    async with reader_on(tmp_path / "port", hid_format, **SILENCE) as reader:
        for cut in (2, 45, 56, 63, 88):
            await reader.device.inject(Truncated(at=cut))
            await reader.device.present(PASSPORT)
            failed = await reader.next()
            assert isinstance(failed, ReadFailed)
            assert (failed.fault, failed.size_bytes) == (FrameFault.CUT, cut)
            await reader.reads_on()


@pytest.mark.parametrize("hid_format", HidFormat)
async def test_unplugging_in_a_text_has_its_cause(hid_format: HidFormat, tmp_path: Path) -> None:
    async with reader_on(tmp_path / "port", hid_format) as reader:
        await reader.device.inject(Truncated(at=60, unplug=True))
        await reader.device.present(PASSPORT)
        gone = await reader.next()
        assert isinstance(gone, LinkError)
        assert gone.cause is Cause.UNPLUGGED


async def test_replugged_reader_is_switched_on_again(tmp_path: Path) -> None:
    async with reader_on(tmp_path / "a", HidFormat.ACCESSIS) as reader:
        await reader.reads_on()
        assert reader.device.output_reports == [b"\0\x80" + bytes(7)]
    async with reader_on(tmp_path / "b", HidFormat.ACCESSIS, switch_on=False) as reader:
        assert not await reader.device.present(PASSPORT)
        assert not reader.device.output_reports


async def test_garbage_around_frame_is_counted(tmp_path: Path) -> None:
    async with reader_on(tmp_path / "port", HidFormat.ACCESSIS, **SILENCE) as reader:
        await reader.device.inject(Garbage(before=9, after=3, seed=4))
        await reader.device.present(PASSPORT)
        assert isinstance(await reader.next(), BadFrame)
        assert (await reader.next()).lines == PASSPORT
        assert isinstance(await reader.next(), BadFrame)
        await reader.reads_on()


@pytest.mark.parametrize("hid_format", HidFormat)
async def test_impossible_lengths_are_a_suspicion(hid_format: HidFormat, tmp_path: Path) -> None:
    async with reader_on(tmp_path / "port", hid_format, **SILENCE) as reader:
        status = None
        async with asyncio.timeout(PATIENCE_S):
            while status is None:  # each after a silence; on a busy machine two may be one run of reports
                await reader.device.inject(Noise(size=16))
                assert isinstance(await reader.next(), BadFrame)
                await asyncio.sleep(3 * SILENCE["gap_s"])
                status = None if reader.output.empty() else await reader.next()
        assert (status.state, status.cause) == (StateCode.FAULT, Cause.WRONG_FORMAT)
        assert hid_format in status.text
        assert status.how
        await reader.device.present(CARD)
        assert (await reader.next()).lines == CARD
        assert await reader.next() == Status(StateCode.ONLINE)


async def test_rows_in_scans_of_their_own(tmp_path: Path) -> None:
    async with reader_on(tmp_path / "port", HidFormat.POS, **SILENCE) as reader:
        for row in CARD:
            await reader.device.send(row.encode())
        assert (await reader.next()).lines == CARD
        await reader.device.send(PASSPORT[0].encode())
        assert (await reader.next()).fault is FrameFault.CUT
        await reader.device.send(b"INVENTORY 4711")
        assert (await reader.next()).fault is FrameFault.MALFORMED


@pytest.mark.parametrize("hid_format", HidFormat)
async def test_barcode_is_no_document(hid_format: HidFormat, tmp_path: Path) -> None:
    async with reader_on(tmp_path / "a", hid_format) as reader:
        await reader.device.scan_barcode(b"".join(line.encode() for line in PASSPORT))
        counted = await reader.next()
        assert isinstance(counted, BadFrame)
        assert counted.fault == OTHER_CONTENT
        await reader.reads_on()
    pytest.importorskip("cbor2", reason="needs the extra `chip`")
    async with reader_on(tmp_path / "b", hid_format, barcodes={}) as reader:
        await reader.device.scan_barcode(b"4006381333931")
        barcode = await reader.next(BarcodeRead)
        known = Symbology.QR if hid_format is HidFormat.POS else None
        assert (barcode.barcode.symbology, barcode.barcode.size_bytes) == (known, 13)


async def test_scanner_that_sends_frames_of_accessis(tmp_path: Path) -> None:
    async with reader_on(tmp_path / "port", HidFormat.POS) as reader:
        await reader.device.send(b"\x1c\x02" + "\r".join((*PASSPORT, "")).encode() + b"\x03\x1d")
        assert (await reader.next()).lines == PASSPORT


@pytest.mark.parametrize(
    ("settings", "descriptor", "vendor_id", "words"),
    [
        ("auto", KEYBOARD_DESCRIPTOR, 0x0DB5, ("keyboard mode", "mrz-wedge")),
        ("auto", ACCESSIS_DESCRIPTOR, 0x046D, ("usage page FF00", 'format = "accessis"')),
        ("pos", ACCESSIS_DESCRIPTOR, 0x0DB5, ("FF00:0001", "`format`")),
        ("accessis", POS_DESCRIPTOR, 0x0C2E, ("without decoded data", "serial")),
        (
            "auto",
            bytes.fromhex("058c 0902 a101 150026ff00 7508 9540 0930 8102 c0"),
            1,
            ("decoded data", "mode"),
        ),
        ("auto", bytes.fromhex("0501 0902 a101 7508 9503 0930 8106 c0"), 1, ("0001:0002", "`port`")),
    ],
)
def test_descriptor_not_understood_is_refused(
    settings: Any, descriptor: bytes, vendor_id: int, words: tuple[str, str]
) -> None:
    with pytest.raises(LinkError) as refused:
        choose_layout(parse_descriptor(descriptor), settings, vendor_id, "usb:1:2")
    assert (refused.value.cause, refused.value.action) == (Cause.WRONG_DEVICE, Action.CONFIGURE)
    assert words[0] in refused.value.text
    assert words[1] in refused.value.how


def test_layout_of_other_maker_by_setting() -> None:
    layout = choose_layout(parse_descriptor(ACCESSIS_DESCRIPTOR), "accessis", 0x046D, "usb:1:2")
    assert layout.name == "accessis"


def test_scanner_without_count_and_flag() -> None:
    """Such a report has only decoded data, up to the first of the last zeros; a full report continues."""
    descriptor = parse_descriptor(bytes.fromhex("058c 0902 a101 150026ff00 7508 9508 09fe 820201 c0"))
    framing = HidFraming(PosLayout(descriptor))
    lines = ("\r".join(CARD) + "\r").encode()
    pieces = [lines[at : at + 8].ljust(8, b"\0") for at in range(0, len(lines), 8)]
    found = [frame for piece in pieces for frame in framing.feed(piece)] + list(framing.on_silence())
    assert [frame.wire for frame in found] == [b"\r".join(line.encode() for line in CARD)]


@pytest.mark.parametrize("port", ["usb:0DB5:FFFF", "/dev/borderpost/lane-9/reader"])
async def test_absent_device_has_remedy(port: str) -> None:
    with pytest.raises(LinkError) as missing:
        await MrzHid(MrzHidSettings(port=port), LinkFactory()).open()
    assert (missing.value.cause, missing.value.action) == (Cause.NO_DEVICE, Action.REPLUG)
    assert "HID mode" in missing.value.how


async def test_faults_of_serial_lines_are_refused(tmp_path: Path) -> None:
    async with SerialLine.open_at(tmp_path / "port") as wire:
        with pytest.raises(SimulatorError, match="no rate"):
            await HidReader(wire, HidFormat.POS).inject(WrongRate())


async def test_thousand_opens_leak_nothing(tmp_path: Path) -> None:
    # The fixtures of conftest.py count descriptors, threads and tasks.
    async with SerialLine.open_at(tmp_path / "port", look_s=0.001) as wire:
        HidReader(wire, HidFormat.POS)
        for _ in range(1000):
            links = LinkFactory()
            identity = await MrzHid(MrzHidSettings(port=str(tmp_path / "port")), links).open()
            await links.close()
    assert identity.serial_number == "SIM0001"


class NoLine:
    on_received: Any = None


def simulated(hid_format: HidFormat) -> tuple[HidReader, HidFraming]:
    device = HidReader(NoLine(), hid_format)  # type: ignore[arg-type]
    descriptor = parse_descriptor(device.identity.descriptor)
    layout = PosLayout(descriptor) if hid_format is HidFormat.POS else AccessIsLayout(descriptor)
    return device, HidFraming(layout)


@pytest.mark.parametrize("hid_format", HidFormat)
@given(sizes=st.lists(st.integers(1, 56), min_size=1, max_size=6), number=st.integers(0, 50))
def test_text_in_any_reports_is_whole(hid_format: HidFormat, sizes: list[int], number: int) -> None:
    device, framing = simulated(hid_format)
    for size in sizes:
        document = next(itertools.islice(TravellerGenerator(number), 1))
        frames = [
            frame
            for report in device.reports_of(device.frame(document.lines), size)
            for frame in framing.feed(report)
        ]
        assert [type(frame) for frame in frames] == [CompleteFrame]
        assert frames[0].payload.strip(b"\r").split(b"\r") == [line.encode() for line in document.lines]


@pytest.mark.parametrize("hid_format", HidFormat)
@given(st.lists(st.binary(max_size=70) | st.just(b""), max_size=12))
def test_any_reports_are_framed_or_counted(hid_format: HidFormat, reports: list[bytes]) -> None:
    _, framing = simulated(hid_format)
    for report in reports:
        for frame in framing.feed(report):
            assert isinstance(frame, CompleteFrame | ScannedBarcode) or frame.fault or not frame.wire
    list(framing.on_silence())
    assert not framing.has_pending
    list(framing.feed(reports[0] if reports else b""))


def test_half_text_ends_at_other_symbology() -> None:
    device, framing = simulated(HidFormat.POS)
    half = device.reports_of(device.frame(PASSPORT)[:56], continues=True)
    device._symbology = b"]Q1"
    whole = device.reports_of(b"4006381333931")
    first, second = [frame for report in (*half, *whole) for frame in framing.feed(report)]
    assert not isinstance(first, CompleteFrame)
    assert isinstance(second, ScannedBarcode)
    assert (second.payload, second.symbology) == (b"4006381333931", Symbology.QR)
