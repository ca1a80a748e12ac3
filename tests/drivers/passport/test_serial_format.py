"""A reader that sends in another format than configured: told at its first document, with its format."""

import asyncio
import contextlib
import itertools
import random
from pathlib import Path

import pytest
from support.devices.serial_readers import FRAMES, reader_on
from support.patience import PATIENCE_S

from drivers.driver import StateCode, Status
from drivers.links.factory import LinkFactory
from drivers.links.link import Cause, LinkError
from drivers.passport.framings import AccessIsFraming, ElyctisFraming, PlainTextFraming, RteFraming
from drivers.passport.mrz_serial import MrzSerial, MrzSerialSettings
from drivers.passport.observations import DocumentRead
from drivers.passport.ocr_scanner import OcrScanner, OcrScannerSettings
from drivers.passport.serial_format.format_check import FormatCheck, FormatVerdict, format_status
from simulators.faults import SevenBits, Transmission, WrongRate
from simulators.links.serial_line import SerialLine
from simulators.mrz import Format
from simulators.passport import accessis, rte, text
from simulators.specimens import ERIKSSON_LINES
from simulators.travellers import TravellerGenerator

PASSPORT = ERIKSSON_LINES["TD3"]
FRAMINGS = {
    "accessis": AccessIsFraming,
    "elyctis": ElyctisFraming,
    "rte": lambda: RteFraming("xor"),
    "text": PlainTextFraming,
}
PAIRS = list(itertools.permutations(sorted(FRAMINGS), 2))


def verdicts(check: FormatCheck, run: bytes) -> list[FormatVerdict]:
    """Return the verdicts on one run of bytes, each with a silence after it."""
    frames = [*check.feed(run), *check.on_silence()]
    return [frame for frame in frames if isinstance(frame, FormatVerdict)]


@pytest.mark.parametrize(("configured", "sent"), [pair for pair in PAIRS if pair[0] != "elyctis"])
async def test_wrong_framing_is_named(configured: str, sent: str, tmp_path: Path) -> None:
    async with reader_on(tmp_path / "port", framing=configured, gap_s=0.02) as reader:
        await reader.wire.send(FRAMES[sent](PASSPORT))
        status = await reader.next(Status)
    assert status.cause is Cause.WRONG_FORMAT
    assert f'"{sent}"' in status.text
    assert f'Write framing = "{sent}"' in status.how


@pytest.mark.parametrize("sent", ["accessis", "rte", "text"])
async def test_wrong_framing_is_named_at_open(sent: str, tmp_path: Path) -> None:
    async with SerialLine.open_at(tmp_path / "port", look_s=0.002) as wire:
        links = LinkFactory()
        settings = MrzSerialSettings(port=str(tmp_path / "port"), framing="elyctis", gap_s=0.02)
        opening = asyncio.create_task(MrzSerial(settings, links).open())
        await wire.wait_for_host()
        await wire.send(FRAMES[sent](PASSPORT))
        with pytest.raises(LinkError) as failure:
            await opening
        await links.close()
    assert failure.value.cause is Cause.WRONG_FORMAT
    assert f'Write framing = "{sent}"' in failure.value.how


@pytest.mark.parametrize(("configured", "sent"), PAIRS)
def test_every_document_format_is_recognised(configured: str, sent: str) -> None:
    for kind in Format:
        lines = next(iter(TravellerGenerator(1, mix={kind: 1.0}))).lines
        (verdict,) = verdicts(FormatCheck(FRAMINGS[configured](), configured), FRAMES[sent](lines))
        assert verdict.fault == f'framing = "{sent}"'


async def test_reads_that_pass_are_degraded(tmp_path: Path) -> None:
    async with reader_on(tmp_path / "port", framing="text", gap_s=0.02) as reader:
        await reader.wire.send(accessis.ocr_frame(PASSPORT))
        assert (await reader.next()).lines == PASSPORT
        assert (await reader.next(Status)).state is StateCode.DEGRADED


async def test_configured_format_clears_suspicion(tmp_path: Path) -> None:
    async with reader_on(tmp_path / "port", framing="accessis", gap_s=0.02) as reader:
        await reader.wire.send(text.text_frame(PASSPORT))
        assert (await reader.next(Status)).state is StateCode.FAULT
        await reader.wire.send(accessis.ocr_frame(PASSPORT))
        await reader.next(DocumentRead)
        assert await reader.next(Status) == Status(StateCode.ONLINE)


@pytest.mark.parametrize("bauds", [(9600, 19200), (9600, 115200), (19200, 9600), (115200, 9600)])
@pytest.mark.parametrize("configured", sorted(FRAMINGS))
def test_wrong_rate_is_suspected(configured: str, bauds: tuple[int, int]) -> None:
    check = FormatCheck(FRAMINGS[configured](), configured)
    fault = WrongRate(sent_baud=bauds[0], received_baud=bauds[1])
    found: list[FormatVerdict] = []
    for document in itertools.islice(TravellerGenerator(1), 8):
        run = fault.frame(Transmission(FRAMES[configured](document.lines))).data
        found += verdicts(check, run)
    assert [verdict.fault for verdict in found] == [""]
    status = format_status(found[0], f'framing = "{configured}"')
    assert "`baud`" in status.how


def test_seven_data_bits_are_named() -> None:
    for configured, frame in FRAMES.items():
        sent = SevenBits().frame(Transmission(frame(PASSPORT))).data
        (verdict,) = verdicts(FormatCheck(FRAMINGS[configured](), configured), sent)
        assert "7 data bits" in format_status(verdict, configured).text


def test_missing_bcc_is_named() -> None:
    check = FormatCheck(RteFraming("xor"), "rte")
    found = [verdicts(check, rte.rte_frame(PASSPORT, bcc="none")) for _ in range(3)]
    (verdict,) = found[-1]
    assert not any(found[:2])
    assert verdict.fault == 'framing = "rte" and bcc = "none"'


@pytest.mark.parametrize("name", sorted(FRAMINGS))
def test_damaged_frames_are_no_suspicion(name: str) -> None:
    frame, noise = FRAMES[name](PASSPORT), random.Random(4711)
    check = FormatCheck(FRAMINGS[name](), name)
    for cut in range(1, len(frame)):
        assert not verdicts(check, frame[:cut])
        flipped = bytes([*frame[:cut], frame[cut] ^ 1 << noise.randrange(8), *frame[cut + 1 :]])
        assert not verdicts(check, flipped)
        assert not verdicts(check, frame)
        assert not verdicts(check, noise.randbytes(noise.randrange(64)))
        assert not verdicts(check, frame)


def test_barcodes_are_no_suspicion() -> None:
    as_text, as_frames = FormatCheck(PlainTextFraming(), "text"), FormatCheck(AccessIsFraming(), "accessis")
    for number in range(20):
        assert not verdicts(as_text, b"%013d\r" % number)
        assert not verdicts(as_frames, accessis.barcode_frame(0x31, b"%013d" % number))


def test_endless_bytes_are_suspected() -> None:
    check = FormatCheck(AccessIsFraming(), "accessis")
    found = [frame for _ in range(1000) for frame in check.feed(b"\xf8" * 64)]
    assert [frame.fault for frame in found if isinstance(frame, FormatVerdict)] == [""]


@pytest.mark.parametrize("sent", ["accessis", "elyctis", "rte", "text"])
async def test_scanner_that_is_another_reader_is_named(sent: str, tmp_path: Path) -> None:
    async with SerialLine.open_at(tmp_path / "port", look_s=0.002) as wire:
        links = LinkFactory()
        settings = OcrScannerSettings(port=str(tmp_path / "port"), model="est-100pr")
        driver = OcrScanner(settings, links)
        await driver.open()
        await wire.wait_for_host()
        await wire.send(FRAMES[sent](PASSPORT))
        async with asyncio.timeout(PATIENCE_S), contextlib.aclosing(driver.watch()) as outputs:  # type: ignore[type-var]
            async for output in outputs:
                if isinstance(output, Status):
                    break
        await links.close()
    assert f'Write driver = "mrz-serial" and framing = "{sent}"' in output.how
