"""OCR scanners: every cut or disturbed frame costs only itself, and rows of two documents never mix."""

import asyncio
import itertools
import os
import random
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest
from ocr_fixture import (
    DEVICES,
    FRAMES,
    GAP_S,
    listening,
    ocr_fixture,
    plugged,
    settings_of,
)
from support.devices.serial_readers import wait_idle
from support.rounds import in_round

from drivers.links.factory import LinkFactory
from drivers.links.framing import CompleteFrame, DamagedFrame, Frame, Framing
from drivers.links.link import Cause, LinkError
from drivers.passport.mrz import MrzFormat
from drivers.passport.observations import DocumentRead, FrameFault, ReadFailed
from drivers.passport.ocr_scanner import OcrScanner
from drivers.passport.scanners import honeywell, newland
from drivers.passport.scanners.est100 import Est100Framing
from drivers.passport.scanners.row_pairing import RowPairing
from drivers.passport.scanners.rows import CommandReply, RowFraming
from simulators.faults import Garbage, Silence, SlowBytes, Truncated
from simulators.mrz import Format as Printed
from simulators.passport.text import LineEnd, text_frame
from simulators.specimens import ERIKSSON, ERIKSSON_LINES
from simulators.travellers import TravellerGenerator

PASSPORT = ERIKSSON_LINES[Printed.TD3]
CARD = ERIKSSON_LINES[Printed.TD1]
EVERY_MODEL = pytest.mark.parametrize("model", sorted(FRAMES))
ROWS = pytest.mark.parametrize("model", ["honeywell", "newland"])
PAIRED = pytest.mark.parametrize("model", ["zebra", "code"])
FUZZ = int(os.environ.get("BORDERPOST_FUZZ", "1"))


def framing_of(model: str) -> Framing:
    match model:
        case "honeywell":
            return RowFraming(honeywell.ANSWERS)
        case "newland":
            return RowFraming(newland.ANSWERS)
        case "est-100pr":
            return Est100Framing()
    return RowPairing()


def frames_in(framing: Framing, chunks: Iterable[bytes]) -> list[Frame]:
    """Return the frames of chunks that are followed by a silence."""
    found = [frame for chunk in chunks for frame in framing.feed(chunk)]
    return [*found, *framing.on_silence()]


def documents_in(framing: Framing, *rows: str) -> list[tuple[str, ...]]:
    """Return the documents made of rows sent one by one without a silence."""
    frames = frames_in(framing, (row.encode() + b"\r\n" for row in rows))
    return [tuple(frame.payload.decode().split("\r")) for frame in frames if isinstance(frame, CompleteFrame)]


@pytest.mark.long(5)
@EVERY_MODEL
async def test_cut_frame_costs_only_itself(model: str, tmp_path: Path) -> None:
    frame = FRAMES[model](PASSPORT)
    async with ocr_fixture(tmp_path / "port", model) as scanner:
        for cut in range(1, len(frame)):
            await scanner.wire.send(frame[:cut])
            given_up = await scanner.next()
            if isinstance(given_up, DocumentRead):
                # Only terminators were cut off.
                assert given_up.lines == PASSPORT
                assert not frame[cut:].strip(b"\r\n")
            await scanner.show(PASSPORT)
            assert (await scanner.next(DocumentRead)).lines == PASSPORT


@EVERY_MODEL
def test_frame_in_any_two_pieces(model: str) -> None:
    frame = FRAMES[model](CARD)
    whole = frames_in(framing_of(model), [frame])
    assert [type(found) for found in whole] == [CompleteFrame]
    for cut in range(1, len(frame)):
        assert frames_in(framing_of(model), [frame[:cut], frame[cut:]]) == whole


@pytest.mark.parametrize(
    ("model", "answer"),
    [("honeywell", b"OCRENA1\x06!"), ("newland", b"\x02\x010000#SCNTRG1\x06;\x03")],
)
def test_answer_in_any_two_pieces(model: str, answer: bytes) -> None:
    sent = answer + PASSPORT[0].encode() + b"\r" + PASSPORT[1].encode() + b"\r" + answer
    whole = frames_in(framing_of(model), [sent])
    assert [type(found) for found in whole] == [CommandReply, CompleteFrame, CommandReply]
    for cut in range(1, len(sent)):
        assert frames_in(framing_of(model), [sent[:cut], sent[cut:]]) == whole


@EVERY_MODEL
async def test_garbage_around_frame_is_ignored(model: str, tmp_path: Path) -> None:
    noise = random.Random(4711)
    async with ocr_fixture(tmp_path / "port", model) as scanner:
        for number in range(15 * FUZZ):
            sent = noise.randbytes(noise.randrange(1, 60))
            with in_round(number, f"noise {sent!r}"):
                await scanner.wire.send(sent)
                await wait_idle(scanner.wire, scanner.driver)
                await scanner.show(PASSPORT)
                assert (await scanner.next(DocumentRead)).lines == PASSPORT


@EVERY_MODEL
async def test_adjacent_garbage_costs_one_frame(model: str, tmp_path: Path) -> None:
    async with ocr_fixture(tmp_path / "port", model) as scanner:
        for seed in range(5 * FUZZ):
            garbage = Garbage(before=9, after=9, seed=seed)
            with in_round(seed, str(garbage)):
                await scanner.device.inject(garbage)
                await scanner.device.present(PASSPORT)
                damaged = await scanner.next()
                while not scanner.output.empty():
                    damaged = await scanner.next()
                assert not isinstance(damaged, LinkError)
                await wait_idle(scanner.wire, scanner.driver)
                await scanner.device.present(CARD)
                assert (await scanner.next(DocumentRead)).lines in (PASSPORT, CARD)


@EVERY_MODEL
def test_random_bytes_never_break_framing(model: str) -> None:
    chance = random.Random(4)
    words = [row.encode() for row in (*PASSPORT, *CARD)]
    words += [
        b"\r",
        b"\n",
        b"\x02",
        b"\x03",
        b"\x06",
        b"!",
        b"\x02\x010000#SCNTRG1\x06;\x03",
        b"OCRENA1\x06!",
    ]
    framing = framing_of(model)
    for _ in range(200 * FUZZ):
        sent = b"".join(chance.choice([*words, chance.randbytes(3)]) for _ in range(chance.randrange(12)))
        kept = frames_in(framing, [sent[start : start + 7] for start in range(0, len(sent), 7)])
        assert not framing.has_pending
        assert sum(len(frame.wire) for frame in kept) <= len(sent) + 8


@EVERY_MODEL
async def test_frame_that_dribbles_is_read(model: str, tmp_path: Path) -> None:
    async with ocr_fixture(tmp_path / "port", model, gap_s=0.4) as scanner:
        await scanner.device.inject(SlowBytes(size=1, every_ms=0.3))
        await scanner.device.present(PASSPORT)
        assert (await scanner.next(DocumentRead)).lines == PASSPORT


@pytest.mark.parametrize(
    "document", [MrzFormat.TD1, MrzFormat.TD2, MrzFormat.TD3, MrzFormat.MRV_A, MrzFormat.MRV_B]
)
@EVERY_MODEL
async def test_every_format_and_scanner(model: str, document: MrzFormat, tmp_path: Path) -> None:
    lines = next(v for k, v in ERIKSSON_LINES.items() if k.lower().replace("-", "_") == document)
    async with ocr_fixture(tmp_path / "port", model) as scanner:
        await scanner.device.present(lines)
        read = await scanner.next(DocumentRead)
        assert (read.lines, read.mrz.format) == (lines, document)


@EVERY_MODEL
async def test_many_travellers(model: str, tmp_path: Path) -> None:
    async with ocr_fixture(tmp_path / "port", model) as scanner:
        for document in itertools.islice(TravellerGenerator(1), 20):
            await scanner.device.present(document)
            assert (await scanner.next(DocumentRead)).lines == document.lines


@EVERY_MODEL
async def test_unplugging_at_any_byte_recovers(model: str, tmp_path: Path) -> None:
    port = tmp_path / "port"
    async with plugged(port, model) as (wire, device):
        for cut in range(0, len(FRAMES[model](PASSPORT)), 1 if FUZZ > 1 else 9):
            async with listening(wire, device, settings_of(model, port)) as scanner:
                await device.present(CARD)
                assert (await scanner.next(DocumentRead)).lines == CARD
                await device.inject(Truncated(at=cut, unplug=True))
                await device.present(PASSPORT)
                while not isinstance(failed := await scanner.output.get(), LinkError):
                    assert not isinstance(failed, DocumentRead)
                assert failed.cause is Cause.UNPLUGGED
            wire.replug()


@EVERY_MODEL
async def test_repeated_open_close_leaks_nothing(model: str, tmp_path: Path) -> None:
    # The fixtures of conftest.py count descriptors, threads and tasks.
    async with plugged(tmp_path / "port", model):
        for _ in range(20 * FUZZ):
            links = LinkFactory()
            driver = OcrScanner(settings_of(model, tmp_path / "port"), links)
            await driver.open()
            await driver.close()
            await links.close()


@EVERY_MODEL
async def test_absent_port_is_reported(model: str, tmp_path: Path) -> None:
    links = LinkFactory()
    driver = OcrScanner(settings_of(model, tmp_path / "port"), links)
    with pytest.raises(LinkError) as absent:
        await driver.open()
    await driver.close()
    await links.close()
    assert absent.value.cause is Cause.NO_DEVICE


@EVERY_MODEL
async def test_silent_scanner_recovers(model: str, tmp_path: Path) -> None:
    async with ocr_fixture(tmp_path / "port", model) as scanner:
        await scanner.device.inject(Silence(reads=1))
        await scanner.device.present(PASSPORT)
        await scanner.device.present(CARD)
        assert (await scanner.next()).lines == CARD


# Rows.


@pytest.mark.parametrize("document", [PASSPORT, CARD], ids=["TD3", "TD1"])
@pytest.mark.parametrize("end", LineEnd)
@pytest.mark.parametrize("suffix", [b"", None])
@ROWS
async def test_rows_with_any_separator(
    model: str, document: tuple[str, ...], end: LineEnd, suffix: bytes | None, tmp_path: Path
) -> None:
    async with ocr_fixture(tmp_path / "port", model) as scanner:
        await scanner.wire.send(text_frame(document, end, suffix))
        assert (await scanner.next(DocumentRead)).lines == document


@ROWS
def test_documents_without_silence(model: str) -> None:
    documents = [document.lines for document in itertools.islice(TravellerGenerator(2), 20)]
    assert documents_in(framing_of(model), *itertools.chain(*documents)) == documents


@pytest.mark.parametrize("kind", Printed)
@ROWS
def test_missing_rows_cost_one_read(model: str, kind: Printed) -> None:
    travellers = TravellerGenerator(3)
    for _ in range(20):
        one, other = (travellers.document(kind).lines for _ in range(2))
        for cut in range(len(one) + 1):
            whole = [one] if cut == len(one) else []
            assert documents_in(framing_of(model), *one[:cut], *other) == [*whole, other]
            whole = [one] if cut == 0 else []
            assert documents_in(framing_of(model), *one[cut:], *other) == [*whole, other]


@pytest.mark.parametrize("kind", Printed)
@PAIRED
def test_rows_of_two_documents_never_pair(model: str, kind: Printed) -> None:
    """Rows are lost, and the others come in any order.

    Excluded is the undetectable case: as many rows as a document has, each in its place, of two documents.
    """
    travellers = TravellerGenerator(5)
    one, other = (travellers.document(kind).lines for _ in range(2))
    rows = (*one, *other)
    for count in range(1, 5):
        for sent in itertools.permutations(rows, count):
            if count == len(one) and all(sent[i] in (one[i], other[i]) for i in range(count)):
                continue
            assert documents_in(framing_of(model), *sent) == []
    for whole in (one, other):
        assert documents_in(framing_of(model), *whole) == [whole]


@pytest.mark.parametrize("kind", [Printed.TD1])
@PAIRED
def test_composite_digit_detects_foreign_row(model: str, kind: Printed) -> None:
    travellers = TravellerGenerator(6)
    one, other = (travellers.document(kind).lines for _ in range(2))
    assert documents_in(framing_of(model), one[0], other[1], other[2]) == []
    assert documents_in(framing_of(model), one[0], other[1], one[2]) == []


@PAIRED
async def test_rows_outside_window_do_not_pair(model: str, tmp_path: Path) -> None:
    async with ocr_fixture(tmp_path / "port", model) as scanner:
        scanner.device.row_gap_s = 5 * GAP_S
        await scanner.device.present(PASSPORT)
        for _ in PASSPORT:
            assert (await scanner.next()).fault is FrameFault.CUT


@PAIRED
async def test_rows_within_window_pair(model: str, tmp_path: Path) -> None:
    async with ocr_fixture(tmp_path / "port", model, gap_s=0.3) as scanner:
        scanner.device.row_gap_s = 0.02
        await scanner.device.present(PASSPORT)
        assert (await scanner.next()).lines == PASSPORT


@pytest.mark.parametrize("digit", "7<")
@PAIRED
def test_wrong_composite_digit_is_no_read(model: str, digit: str) -> None:
    wrong = (PASSPORT[0], PASSPORT[1][:-1] + digit)
    assert documents_in(framing_of(model), *wrong) == []
    assert documents_in(framing_of(model), "".join(wrong)) == []


@pytest.mark.parametrize("issuer", ["KEN", "KYA"])
@PAIRED
def test_kenyan_card_with_unknown_issuer_pairs(model: str, issuer: str) -> None:
    document = ERIKSSON[Printed.TD1]
    lines = replace(document, code="ID", issuer=issuer, nationality="KEN").lines
    assert documents_in(framing_of(model), *lines) == [lines]


@PAIRED
def test_repeating_scanner_accepted_after_three(model: str) -> None:
    assert documents_in(framing_of(model), *PASSPORT * 3) == [PASSPORT]
    framing = framing_of(model)
    found = [f for row in PASSPORT * 9 for f in framing.feed(row.encode() + b"\r")]
    assert [type(frame) for frame in found] == [CompleteFrame] * 3


@PAIRED
def test_too_many_rows_are_given_up_once(model: str) -> None:
    framing = framing_of(model)
    rows = [row for document in itertools.islice(TravellerGenerator(8), 200) for row in document.lines]
    frames = frames_in(framing, (row.encode() + b"\r" for row in rows))
    assert [type(frame) for frame in frames] == [DamagedFrame]
    assert len(frames[0].wire) < 1000


@pytest.mark.parametrize("model", ["honeywell", "newland", "zebra", "code"])
async def test_barcodes_ignored_misread_rows_fail(model: str, tmp_path: Path) -> None:
    async with ocr_fixture(tmp_path / "port", model) as scanner:
        for barcode in (b"4006381333931", b"https://example.org", b"123456789", b"0" * 44):
            await scanner.wire.send(barcode + b"\r\n")
            assert (await scanner.next()).fault == "other"
        await scanner.wire.send(PASSPORT[0][:43].encode() + b"\r\n")
        assert isinstance(await scanner.next(), ReadFailed)
        await scanner.show(PASSPORT)
        assert (await scanner.next()).lines == PASSPORT


@EVERY_MODEL
async def test_same_document_is_not_repeated_at_once(model: str, tmp_path: Path) -> None:
    async with ocr_fixture(tmp_path / "port", model, same_document_s=60) as scanner:
        for document in (PASSPORT, PASSPORT, CARD):
            await scanner.show(document)
            await wait_idle(scanner.wire, scanner.driver)
        assert [(await scanner.next()).lines for _ in range(2)] == [PASSPORT, CARD]


@EVERY_MODEL
async def test_same_document_is_repeated_later(model: str, tmp_path: Path) -> None:
    async with ocr_fixture(tmp_path / "port", model, same_document_s=0.05) as scanner:
        for _ in range(2):
            await scanner.show(CARD)
            assert (await scanner.next()).lines == CARD
            await asyncio.sleep(0.1)


def test_every_model_has_a_device() -> None:
    assert FRAMES.keys() == DEVICES.keys()
