"""Setup, triggers and refused commands of OCR scanners, and the messages of the EST-100PR."""

import asyncio
import itertools
import json
import logging
import re
from pathlib import Path
from typing import Any

import pytest
from ocr_fixture import GAP_S, OcrScannerFixture, listening, ocr_fixture, plugged, settings_of
from pydantic import ValidationError

from drivers.driver import BadFrame
from drivers.links.factory import LinkFactory
from drivers.links.link import Action, Cause, LinkError
from drivers.observation import Outcome
from drivers.passport.observations import DocumentRead, FrameFault, ReadFailed, ReadTrigger
from drivers.passport.ocr_scanner import OcrScanner, OcrScannerSettings
from simulators.faults import Unplug
from simulators.mrz import Format
from simulators.passport.scanners import CommandRefused
from simulators.passport.scanners.est100 import camera_frame, chip_frame, message, qr_frame, sign_frame
from simulators.specimens import ERIKSSON_LINES
from simulators.travellers import TravellerGenerator

PASSPORT = ERIKSSON_LINES[Format.TD3]
CARD = ERIKSSON_LINES[Format.TD1]
COMMANDED_MODELS = pytest.mark.parametrize("model", ["honeywell", "newland"])
COMMANDS = {
    ("honeywell", "presentation"): ["REVINF", "ALLENA0", "OCRENA1", "OCRATS2", "PAPTPR"],
    ("honeywell", "command"): ["REVINF", "ALLENA0", "OCRENA1", "OCRATS2", "PAPHHF"],
    ("newland", "presentation"): ["QRYPDN", "QRYPSN", "QRYFWV", "SCNMOD2"],
    ("newland", "command"): ["QRYPDN", "QRYPSN", "QRYFWV", "SCNMOD0", "SCNTCE1"],
}
LAST = {"honeywell": "OCRATS", "newland": "SCNMOD"}


async def open_error(port: Path, model: str, *refuse: CommandRefused, **more: Any) -> LinkError | None:
    """Return the error of opening such a scanner."""
    async with plugged(port, model) as (_, device):
        for fault in refuse:
            await device.inject(fault)
        links = LinkFactory()
        driver = OcrScanner(settings_of(model, port, **more), links)
        try:
            await driver.open()
        except LinkError as error:
            return error
        finally:
            await driver.close()
            await links.close()
    return None


@pytest.mark.parametrize(("model", "trigger"), COMMANDS)
async def test_open_sends_commands_of_model(model: str, trigger: str, tmp_path: Path) -> None:
    async with ocr_fixture(tmp_path / "port", model, trigger=trigger) as scanner:
        assert scanner.device.commands_received[: len(COMMANDS[model, trigger])] == COMMANDS[model, trigger]


async def test_bytes_of_the_commands(tmp_path: Path) -> None:
    async with ocr_fixture(tmp_path / "honeywell", "honeywell") as scanner:
        assert scanner.wire.received_bytes == (
            b"\x16M\rREVINF!\x16M\rALLENA0!\x16M\rOCRENA1!\x16M\rOCRATS2!\x16M\rPAPTPR!"
        )
    async with ocr_fixture(tmp_path / "newland", "newland") as scanner:
        assert scanner.wire.received_bytes.endswith(b"\x7e\x010000#SCNMOD2;\x03")


@COMMANDED_MODELS
async def test_two_scanners_of_one_model(model: str, tmp_path: Path) -> None:
    identities = []
    for serial_number in ("A-1", "B-2"):
        async with plugged(tmp_path / serial_number, model) as (wire, device):
            device.serial_number = serial_number
            if model == "newland":
                device.nameplate["QRYPSN"] = serial_number
            async with listening(wire, device, settings_of(model, tmp_path / serial_number)) as scanner:
                identities.append(scanner.identity)
    assert [identity.serial_number for identity in identities] == ["A-1", "B-2"]
    assert {identity.manufacturer.lower() for identity in identities} == {model}
    assert all(identity.firmware and "SIM" in identity.model for identity in identities)


@pytest.mark.parametrize(("answer", "word"), [("nak", "refuses"), ("enq", "does not support")])
@COMMANDED_MODELS
async def test_refused_command_gives_remedy(model: str, answer: str, word: str, tmp_path: Path) -> None:
    error = await open_error(tmp_path / "port", model, CommandRefused(command=LAST[model], answer=answer))
    assert error is not None
    assert (error.cause, error.action) == (Cause.WRONG_DEVICE, Action.CONFIGURE)
    assert f"{word} the command {LAST[model]}" in error.text
    assert "setup" in error.how


@COMMANDED_MODELS
async def test_silent_scanner_is_used(model: str, tmp_path: Path) -> None:
    port = tmp_path / "port"
    async with plugged(port, model) as (wire, device):
        for command in device.factory_settings:
            await device.inject(CommandRefused(command=command, answer="silence"))
        async with listening(wire, device, settings_of(model, port, response_timeout_s=0.02)) as scanner:
            assert scanner.identity.model == f"{model} scanner"
            await scanner.show(PASSPORT)
            assert (await scanner.next()).lines == PASSPORT


async def test_configured_commands_replace_defaults(tmp_path: Path) -> None:
    async with ocr_fixture(tmp_path / "port", "honeywell", setup=["OCRENA3", "OCRATS1"]) as scanner:
        assert scanner.device.commands_received == ["REVINF", "OCRENA3", "OCRATS1"]


@COMMANDED_MODELS
async def test_setup_is_repeated_after_unplugging(model: str, tmp_path: Path) -> None:
    port = tmp_path / "port"
    async with plugged(port, model) as (wire, device):
        for _ in range(2):
            async with listening(wire, device, settings_of(model, port)) as scanner:
                await device.present(PASSPORT)
                assert (await scanner.next()).lines == PASSPORT
                await device.inject(Unplug())
                assert (await scanner.next(LinkError)).cause is Cause.UNPLUGGED
            assert not device.is_presentation_mode
            wire.replug()


@COMMANDED_MODELS
async def test_late_answer_is_no_document(model: str, tmp_path: Path) -> None:
    late = {"honeywell": b"OCRENA1\x06!", "newland": b"\x02\x010000#SCNTRG0\x06;\x03"}[model]
    async with ocr_fixture(tmp_path / "port", model) as scanner:
        rows = [row.encode() for row in PASSPORT]
        await scanner.wire.send(late + rows[0] + b"\r" + rows[1] + b"\r" + late)
        assert (await scanner.next()).lines == PASSPORT
        for byte in late:
            await scanner.wire.send(bytes([byte]))
        await scanner.show(CARD)
        assert (await scanner.next()).lines == CARD
        assert scanner.output.empty()


# Triggered by command.


async def wait_for_scan(scanner: OcrScannerFixture) -> None:
    """Wait until the driver has triggered the next scan."""
    scanner.wire.discard_received()
    await scanner.wire.wait_for_bytes(
        {"honeywell": b"\x16T\r", "newland": b"SCNTRG1"}[scanner.driver.settings.model]
    )


@COMMANDED_MODELS
async def test_triggered_scanner_scans_repeatedly(model: str, tmp_path: Path) -> None:
    async with ocr_fixture(
        tmp_path / "port", model, trigger="command", scan_timeout_s=0.1, same_document_s=5
    ) as scanner:
        for document in itertools.islice(TravellerGenerator(3), 5):
            await scanner.device.present(document)
            read = await scanner.next()
            assert (read.lines, read.trigger) == (document.lines, ReadTrigger.POLL)
            scanner.device.remove()
            await wait_for_scan(scanner)


@COMMANDED_MODELS
async def test_lying_document_is_reported_once(model: str, tmp_path: Path) -> None:
    more = {"trigger": "command", "scan_timeout_s": 0.1, "same_document_s": 5}
    async with ocr_fixture(tmp_path / "port", model, **more) as scanner:
        sent = scanner.device.counters
        await scanner.device.present(PASSPORT)
        while sent.documents_sent < 3:
            await wait_for_scan(scanner)
        scanner.device.remove()
        await scanner.device.present(CARD)
        assert [(await scanner.next()).lines for _ in range(2)] == [PASSPORT, CARD]


@COMMANDED_MODELS
async def test_close_releases_trigger(model: str, tmp_path: Path) -> None:
    port = tmp_path / "port"
    async with plugged(port, model) as (wire, device):
        async with listening(wire, device, settings_of(model, port, trigger="command", scan_timeout_s=20)):
            await wire.wait_for_bytes({"honeywell": b"\x16T\r", "newland": b"SCNTRG1"}[model])
            wire.discard_received()
        await wire.wait_for_bytes({"honeywell": b"\x16U\r", "newland": b"SCNTRG0"}[model])
        await wire.wait_for_host_close()
        assert not device.triggered


async def test_refused_trigger_ends_watch(tmp_path: Path) -> None:
    port = tmp_path / "port"
    async with plugged(port, "newland") as (wire, device):
        await device.inject(CommandRefused(command="SCNTRG"))
        settings = settings_of("newland", port, trigger="command", scan_timeout_s=0.02)
        async with listening(wire, device, settings) as scanner:
            error = await scanner.output.get()
    assert isinstance(error, LinkError)
    assert (error.cause, error.text) == (Cause.WRONG_DEVICE, "The scanner refuses the command SCNTRG.")


@pytest.mark.parametrize("answer", [b"QR\r\nY0", b"P<UTOERIKSSON", b"QRYFWV"])
async def test_unknown_answer_is_ignored(answer: bytes, tmp_path: Path) -> None:
    """The answer is a late one to a refused setup command, or a row damaged by a bad line."""
    async with ocr_fixture(tmp_path / "port", "newland") as scanner:
        await scanner.wire.send(b"\x02\x010000#" + answer + b"\x05;\x03")
        document = next(TravellerGenerator(4))
        await scanner.device.present(document)
        assert (await scanner.next()).lines == document.lines


# The EST-100PR.


@pytest.fixture
async def est(tmp_path: Path):  # type: ignore[no-untyped-def]
    async with ocr_fixture(tmp_path / "port", "est-100pr") as scanner:
        yield scanner


async def test_matching_chip_is_no_second_document(est: OcrScannerFixture) -> None:
    for document in itertools.islice(TravellerGenerator(4), 5):
        await est.device.present(document)
        assert (await est.next()).lines == document.lines
    await est.wire.wait_drained()
    await asyncio.sleep(2 * GAP_S)
    assert est.output.empty()


async def test_differing_chip_fails_document(est: OcrScannerFixture) -> None:
    page, chip = (TravellerGenerator(n).document(Format.TD3) for n in (1, 2))
    await est.device.present_with_chip(page, chip)
    first, second = await est.next(), await est.next()
    assert (first.lines, second.lines) == (page.lines, chip.lines)
    assert first.transaction == second.transaction
    differs = {check.id: check for check in second.checks}["combined.mrz_vs_dg1"]
    assert (differs.outcome, differs.reason) == (Outcome.FAILED, "differs_from_chip")
    assert second.overall_outcome is Outcome.FAILED


async def test_misread_page_is_undetermined(est: OcrScannerFixture) -> None:
    misread = (PASSPORT[0], PASSPORT[1][:5] + "?" + PASSPORT[1][6:])
    await est.device.present_with_chip(misread, PASSPORT)
    await est.next()
    second = await est.next()
    differs = {check.id: check for check in second.checks}["combined.mrz_vs_dg1"]
    assert (second.lines, differs.outcome) == (PASSPORT, Outcome.UNDETERMINED)


@pytest.mark.parametrize("between", [b"", b'\x02CameraData:{"da', b"\x02CameraData:nonsense\x03\r\n"])
async def test_chip_is_not_compared_with_earlier_page(est: OcrScannerFixture, between: bytes) -> None:
    """The page of the second document is lost, so its chip stays without a comparison."""
    await est.wire.send(camera_frame(PASSPORT) + chip_frame(PASSPORT))
    assert (await est.next()).lines == PASSPORT
    if between:
        await est.wire.send(camera_frame(PASSPORT))
        assert (await est.next()).lines == PASSPORT
        await est.wire.send(between)
        assert isinstance(await est.next(), ReadFailed)
    await est.wire.send(chip_frame(CARD))
    read = await est.next(DocumentRead)
    assert read.lines == CARD
    assert "combined.mrz_vs_dg1" not in {check.id for check in read.checks}


async def test_only_zone_of_chip_is_kept(est: OcrScannerFixture, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    personal = re.compile(rb"PORTRAIT|Wohnstrasse|\xe4\xb8\xad")
    await est.wire.send(chip_frame(CARD, "PORTRAIT"))
    await est.wire.send(message("EidlinkResult", {"travelIdentityBean": {"address": "Wohnstrasse 1"}}))
    await est.wire.send(message("IdCard", {"name": "中文", "address": "Wohnstrasse 1"}))
    output = [await est.next() for _ in range(3)]
    assert [type(one) for one in output] == [DocumentRead, BadFrame, BadFrame]
    for one in output:
        assert not personal.search(one.wire)
        assert not personal.search(str(one).encode())
        if isinstance(one, DocumentRead):
            assert not personal.search(json.dumps(one.model_dump(mode="json"), ensure_ascii=False).encode())
    assert not personal.search(caplog.text.encode())


async def test_status_messages_are_no_documents(est: OcrScannerFixture) -> None:
    await est.wire.send(sign_frame("readStart") + sign_frame("readEnd") + qr_frame("https://example.org/ü"))
    assert (await est.next()).fault == "other"
    await est.wire.send(camera_frame(PASSPORT))
    assert (await est.next()).lines == PASSPORT


@pytest.mark.parametrize(
    "frame",
    [
        camera_frame(()),
        message("CameraData", {"type": "PassPort"}),
        message("CameraData", {"type": "PassPort", "data": 7}),
        b"\x02CameraData:[1]\x03\r\n",
        b"\x02CameraData:\xff\xfe\x03\r\n",
        b"\x02CameraData:" + b"[" * 100_000 + b"\x03\r\n",
        b"\x02CameraData:" + b"9" * 10_000 + b"\x03\r\n",
        b"\x02EidlinkResult:{\x03\r\n",
        b"\x02PCSign\x03\r\n",
    ],
)
async def test_malformed_message_is_failed_read(est: OcrScannerFixture, frame: bytes) -> None:
    await est.wire.send(frame)
    assert (await est.next()).fault is FrameFault.MALFORMED
    await est.wire.send(camera_frame(PASSPORT))
    assert (await est.next()).lines == PASSPORT


async def test_page_without_zone(est: OcrScannerFixture) -> None:
    await est.wire.send(message("CameraData", {"data": "PERMIT\nÄ 7", "type": "PassPort"}))
    read = await est.next()
    assert (read.lines, read.mrz) == (("PERMIT", "Ä 7"), None)


@pytest.mark.parametrize("tail", [b"\x03", b"\x03\r"])
async def test_frame_without_line_end(est: OcrScannerFixture, tail: bytes) -> None:
    await est.wire.send(camera_frame(PASSPORT).removesuffix(b"\x03\r\n") + tail)
    assert (await est.next()).lines == PASSPORT


async def test_long_portrait_in_small_pieces(est: OcrScannerFixture) -> None:
    await est.wire.send(chip_frame(CARD, "Q" * 60_000), chunk=512)
    assert (await est.next()).lines == CARD


async def test_endless_message_is_given_up(tmp_path: Path) -> None:
    async with ocr_fixture(tmp_path / "port", "est-100pr", gap_s=0.5) as est:
        await est.wire.send(b"\x02CameraData:" + b"x" * (1 << 19))
        assert (await est.next()).fault is FrameFault.TOO_LONG
        await est.wire.send(b"\r\n" + camera_frame(PASSPORT))
        assert (await est.next(DocumentRead)).lines == PASSPORT


# Settings.


def test_est_factory_settings() -> None:
    settings = OcrScannerSettings(port="/dev/ttyS0", model="est-100pr")
    assert (settings.baud, settings.parity) == (256000, "O")
    assert OcrScannerSettings(port="/dev/ttyS0", model="est-100pr", baud=9600).baud == 9600


async def test_est_baud_rate(tmp_path: Path) -> None:
    async with ocr_fixture(tmp_path / "port", "est-100pr") as scanner:
        assert scanner.driver.settings.baud == 256000
        await scanner.device.present(PASSPORT)
        assert (await scanner.next()).lines == PASSPORT


@pytest.mark.parametrize(("model", "gap_s"), [("zebra", 0.5), ("code", 0.5), ("honeywell", 0.15)])
def test_single_rows_have_longer_gap(model: str, gap_s: float) -> None:
    assert OcrScannerSettings.model_validate({"port": "/dev/ttyS0", "model": model}).gap_s == gap_s


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"model": "zebra", "trigger": "command"}, "no command is known for zebra"),
        ({"model": "est-100pr", "setup": ["OCRENA1"]}, "no command is known for est-100pr"),
        ({"model": "honeywell", "setup": ["OCR"]}, "six-character name"),
        ({"model": "honeywell", "setup": ["OCRENA1!"]}, "six-character name"),
        ({"model": "honeywell", "setup": ["OCRENA1\r"]}, "six-character name"),
        (
            {"model": "newland", "trigger": "command", "scan_timeout_s": 3},
            "same_document_s must be longer than scan_timeout_s",
        ),
        ({"model": "code", "gap_s": 0.6}, "less than or equal to 0.5"),
        ({"model": "datalogic"}, "Input should be"),
        ({"model": 7}, "Input should be"),
        ({}, "Field required"),
    ],
)
def test_invalid_settings_say_why(wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(says)):
        OcrScannerSettings.model_validate({"port": "/dev/ttyS0"} | wrong)
