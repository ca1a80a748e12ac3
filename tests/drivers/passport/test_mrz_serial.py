"""Serial document readers: a frame cut anywhere, with any noise around it, costs only itself."""

import itertools
import random
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from support.devices.serial_readers import FRAMES, REARM, SerialReaderFixture, reader_on

from drivers.driver import BadFrame
from drivers.links.factory import LinkFactory
from drivers.links.link import Cause, LinkError
from drivers.observation import Outcome
from drivers.passport.mrz import MrzFormat
from drivers.passport.mrz_serial import MrzSerial, MrzSerialSettings
from drivers.passport.observations import BarcodeRead, DocumentRead, FrameFault, ReadFailed
from simulators.faults import CharacterFault, DoubledCharacter, LostCharacter, MisreadCharacter
from simulators.links.serial_line import SerialLine
from simulators.mrz import Format as Printed
from simulators.passport import accessis, elyctis, rte
from simulators.passport.chip import IssuingState
from simulators.passport.seals import AlteredField, SealIssuer, SymbolEncoding, residence_permit
from simulators.specimens import ERIKSSON, ERIKSSON_LINES
from simulators.travellers import TravellerGenerator

PASSPORT = ERIKSSON_LINES["TD3"]
GAP_S = 0.02
EVERY_FRAMING = pytest.mark.parametrize("framing", sorted(FRAMES))


def settings_of(framing: str, **more: Any) -> dict[str, Any]:
    special = {"rte": {"bcc": "xor"}, "elyctis": {"presence_poll_s": 0.01}}
    return {"framing": framing, "gap_s": GAP_S} | special.get(framing, {}) | more


async def reads_on(reader: SerialReaderFixture, frame: bytes) -> None:
    """Check that the next good frame is read, whatever came before."""
    await reader.wire.send(frame)
    read = await reader.next(DocumentRead)
    assert read.lines == PASSPORT
    if reader.driver.settings.framing == "elyctis":
        # The driver arms the reader again, and the reader echoes that: wait for it before the next frame.
        await reader.wire.wait_for_bytes(REARM)
        reader.wire.discard_received()
        await reader.wire.wait_drained()


@pytest.mark.long(5)
@EVERY_FRAMING
async def test_cut_frame_costs_only_itself(framing: str, tmp_path: Path) -> None:
    frame = FRAMES[framing](PASSPORT)
    async with reader_on(tmp_path / "port", **settings_of(framing)) as reader:
        for cut in range(1, len(frame)):
            await reader.wire.send(frame[:cut])
            given_up = await reader.next()
            if isinstance(given_up, DocumentRead):
                # The cut bytes could no longer change the read: a final line end, or an echo.
                assert given_up.lines == PASSPORT
            await reads_on(reader, frame)


@pytest.mark.long(5)
@EVERY_FRAMING
async def test_garbage_around_frame_is_ignored(framing: str, tmp_path: Path) -> None:
    frame = FRAMES[framing](PASSPORT)
    noise = random.Random(4711)
    async with reader_on(tmp_path / "port", **settings_of(framing)) as reader:
        for _ in range(40):
            await reader.wire.send(noise.randbytes(noise.randrange(1, 60)))
            await reader.wait_idle()
            await reads_on(reader, frame)


@EVERY_FRAMING
@pytest.mark.parametrize(
    ("fault", "text"),
    [
        (MisreadCharacter(), "Cannot be as read: date of birth (line 2, place 14)."),
        (LostCharacter(), "Line 2 has 43 characters instead of 44."),
        (LostCharacter(line=1, at=9), "Line 1 has 43 characters instead of 44."),
        (DoubledCharacter(), "Line 2 has 45 characters instead of 44."),
        (DoubledCharacter(line=1, at=9), "Line 1 has 45 characters instead of 44."),
    ],
)
async def test_character_misread_lost_or_doubled(
    framing: str, fault: CharacterFault, text: str, tmp_path: Path
) -> None:
    async with reader_on(tmp_path / "port", **settings_of(framing)) as reader:
        await reader.wire.send(FRAMES[framing](fault.lines(PASSPORT)))
        said = await reader.next()
        if isinstance(said, DocumentRead):
            assert said.checks[0].outcome is Outcome.UNDETERMINED
            assert text in (said.checks[0].text or "")
        else:
            assert isinstance(said, ReadFailed)
            assert text in (said.detail or "")
        await reads_on(reader, FRAMES[framing](PASSPORT))
        assert reader.said.empty(), "one event of one document"


@EVERY_FRAMING
async def test_frame_that_dribbles_is_read(framing: str, tmp_path: Path) -> None:
    async with reader_on(tmp_path / "port", **settings_of(framing, gap_s=1)) as reader:
        await reader.wire.send(FRAMES[framing](PASSPORT), chunk=1, every_s=0.0005)
        assert (await reader.next(DocumentRead)).lines == PASSPORT


@EVERY_FRAMING
async def test_many_documents_at_once(framing: str, tmp_path: Path) -> None:
    async with reader_on(tmp_path / "port", **settings_of(framing)) as reader:
        documents = [document.lines for document in itertools.islice(TravellerGenerator(1), 20)]
        await reader.wire.send(b"".join(map(FRAMES[framing], documents)))
        for lines in documents:
            assert (await reader.next(DocumentRead)).lines == lines


@pytest.mark.parametrize(
    "document", [MrzFormat.TD1, MrzFormat.TD2, MrzFormat.TD3, MrzFormat.MRV_A, MrzFormat.MRV_B]
)
@EVERY_FRAMING
async def test_every_format_and_framing(framing: str, document: MrzFormat, tmp_path: Path) -> None:
    lines = next(v for k, v in ERIKSSON_LINES.items() if k.lower().replace("-", "_") == document)
    async with reader_on(tmp_path / "port", **settings_of(framing)) as reader:
        await reader.wire.send(FRAMES[framing](lines))
        read = await reader.next(DocumentRead)
        assert (read.lines, read.mrz.format) == (lines, document)


@EVERY_FRAMING
async def test_unplugging_ends_watch_with_cause(framing: str, tmp_path: Path) -> None:
    async with reader_on(tmp_path / "port", **settings_of(framing)) as reader:
        await reader.wire.send(FRAMES[framing](PASSPORT)[:20])
        reader.wire.unplug()
        assert (await reader.next(LinkError)).cause is Cause.UNPLUGGED


@EVERY_FRAMING
async def test_repeated_open_close_leaks_nothing(framing: str, tmp_path: Path) -> None:
    # The fixtures of conftest.py count descriptors, threads and tasks.
    times = {"text": 1000, "elyctis": 5}.get(framing, 100)  # the protocol of Elyctis waits for a flush
    async with SerialLine.open_at(tmp_path / "port", look_s=0.001) as wire:
        if framing == "elyctis":
            elyctis.Elyctis(wire)
        for _ in range(times):
            links = LinkFactory()
            await MrzSerial(
                MrzSerialSettings(port=str(tmp_path / "port"), **settings_of(framing)), links
            ).open()
            await links.close()


async def test_wrong_check_byte_fails_one_read(tmp_path: Path) -> None:
    frame = rte.rte_frame(PASSPORT)
    async with reader_on(tmp_path / "port", **settings_of("rte")) as reader:
        await reader.wire.send(frame[:-1] + bytes([frame[-1] ^ 0xFF]))
        failed = await reader.next(ReadFailed)
        assert (failed.fault, failed.size_bytes) == (FrameFault.CHECK_BYTE, len(frame))
        await reads_on(reader, frame)


@pytest.mark.parametrize("bcc", ["none", "ignore"])
async def test_rte_without_checked_bcc(bcc: str, tmp_path: Path) -> None:
    frame = rte.rte_frame(PASSPORT, bcc="none" if bcc == "none" else "xor")
    async with reader_on(tmp_path / "port", **settings_of("rte", bcc=bcc)) as reader:
        await reads_on(reader, frame)
        await reads_on(reader, frame)


async def test_access_is_barcode_is_no_document(tmp_path: Path) -> None:
    async with reader_on(tmp_path / "port", **settings_of("accessis")) as reader:
        await reader.wire.send(accessis.barcode_frame(0x31, b"12345"))
        assert (await reader.next()).fault == "other"
        await reader.wire.send(accessis.stripe_frame(0x31, b"%B1?"))
        assert isinstance(await reader.next(), BadFrame)
        await reads_on(reader, FRAMES["accessis"](PASSPORT))


async def test_empty_elyctis_gives_no_event(tmp_path: Path) -> None:
    async with reader_on(tmp_path / "port", **settings_of("elyctis")) as reader:
        await reader.wire.send(b"I\x00\x03\r\r\r")
        await reader.wire.send(FRAMES["elyctis"](PASSPORT))
        assert isinstance(await reader.next(), DocumentRead)


async def test_elyctis_document_is_reported_once(tmp_path: Path) -> None:
    async with reader_on(tmp_path / "port", **settings_of("elyctis")) as reader:
        device = reader.device
        first, second = itertools.islice(TravellerGenerator(7), 2)
        for document in (first, second, second):
            await device.present(document)
            assert (await reader.next()).lines == document.lines
            for _ in range(5):  # polled repeatedly, the reader sends the same document
                reader.wire.discard_received()
                await reader.wire.wait_for_bytes(b"I\x00\x00")
            assert reader.said.empty()
            device.remove()
            await reader.wire.wait_for_bytes(REARM)


async def test_other_device_is_no_elyctis(tmp_path: Path) -> None:
    async with SerialLine.open_at(tmp_path / "port"):
        links = LinkFactory()
        driver = MrzSerial(MrzSerialSettings(port=str(tmp_path / "port"), **settings_of("elyctis")), links)
        with pytest.raises(LinkError) as refused:
            await driver.open()
        await links.close()
    assert refused.value.cause is Cause.NO_RESPONSE
    assert "framing" in refused.value.how
    assert "dtr = false" in refused.value.how


async def test_other_text_is_published_if_configured(tmp_path: Path) -> None:
    async with reader_on(tmp_path / "a", **settings_of("text")) as reader:
        await reader.wire.send(b"4006381333931\r\n")
        assert (await reader.next()).fault is FrameFault.MALFORMED
    async with reader_on(tmp_path / "b", **settings_of("text", non_mrz_text="publish")) as reader:
        await reader.wire.send(b"4006381333931\r\n")
        read = await reader.next(DocumentRead)
        assert (read.lines, read.mrz) == (("4006381333931",), None)


async def test_lines_of_two_documents_never_mix(tmp_path: Path) -> None:
    """Line 1 of a passport has no check digit: a mixed pair would look perfectly valid."""
    async with reader_on(tmp_path / "port", **settings_of("text")) as reader:
        await reader.wire.send(PASSPORT[0].encode() + b"\r\n")
        assert (await reader.next()).fault is FrameFault.CUT
        await reader.wire.send(PASSPORT[1].encode() + b"\r\n")
        assert (await reader.next()).fault is FrameFault.CUT


async def test_seal_is_verified_with_signers(tmp_path: Path) -> None:
    seal_issuer = SealIssuer(IssuingState.create())
    seal = residence_permit(ERIKSSON[Printed.TD2], passport="L898902C3", issued=date(2026, 6, 1))
    signers = tmp_path / "signers"
    signers.mkdir()
    (signers / "signer.cer").write_bytes(seal_issuer.signer.certificate.der)
    settings = settings_of("accessis", barcodes={"signers": [str(signers)]})
    async with reader_on(tmp_path / "port", **settings) as reader:
        await reader.wire.send(
            accessis.barcode_frame(0x31, SymbolEncoding.BASE64.encode_bytes(seal_issuer.issue(seal)))
        )
        read = await reader.next(BarcodeRead)
        assert read.barcode.vds is not None
        outcomes = {check.id: check.outcome.value for check in read.checks}
        assert (outcomes["seal.signature"], outcomes["seal.certificate"]) == ("successful", "successful")
        forged = seal_issuer.issue(seal, AlteredField())
        await reader.wire.send(accessis.barcode_frame(0x31, SymbolEncoding.BASE64.encode_bytes(forged)))
        outcomes = {check.id: check.outcome.value for check in (await reader.next(BarcodeRead)).checks}
        assert outcomes["seal.signature"] == "failed"
        await reader.wire.send(accessis.barcode_frame(0x31, b"12345"))
        read = await reader.next(BarcodeRead)
        assert (read.barcode.text, read.barcode.vds) == ("12345", None)
        await reads_on(reader, FRAMES["accessis"](PASSPORT))
