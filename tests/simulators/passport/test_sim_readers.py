"""Output of the readers, byte by byte, and the behaviour of an ID BOX."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from sim_host import Host

from simulators.links.serial_line import SerialLine
from simulators.mrz import Format
from simulators.passport import AccessIs, Elyctis, LineEnd, Rte, Text, elyctis
from simulators.passport.accessis import barcode_frame, ocr_frame, stripe_frame
from simulators.passport.elyctis import Nameplate, inquire_answer
from simulators.passport.rte import rte_frame
from simulators.passport.text import text_frame
from simulators.specimens import ERIKSSON, ERIKSSON_LINES

PASSPORT = ERIKSSON_LINES[Format.TD3]
CARD = ERIKSSON_LINES[Format.TD1]
L1, L2 = (line.encode() for line in PASSPORT)
C1, C2, C3 = (line.encode() for line in CARD)


@pytest.mark.parametrize(
    ("frame", "data"),
    [
        (text_frame(PASSPORT), L1 + b"\r" + L2 + b"\r"),
        (text_frame(PASSPORT, LineEnd.LF), L1 + b"\n" + L2 + b"\n"),
        (text_frame(PASSPORT, LineEnd.CRLF), L1 + b"\r\n" + L2 + b"\r\n"),
        (text_frame(PASSPORT, LineEnd.NONE), L1 + L2),
        (text_frame(PASSPORT, LineEnd.NONE, b"\r"), L1 + L2 + b"\r"),
        (text_frame(CARD, LineEnd.CR, b""), C1 + b"\r" + C2 + b"\r" + C3),
        (text_frame(()), b"\r"),
        (ocr_frame(PASSPORT), b"\x1c\x02" + L1 + b"\r" + L2 + b"\r\x03\x1d"),
        (ocr_frame(CARD), b"\x1c\x02" + C1 + b"\r" + C2 + b"\r" + C3 + b"\r\x03\x1d"),
        (ocr_frame(()), b"\x1c\x02\x03\x1d"),
        (stripe_frame(0x31, b"%B1^A?"), b"\x0e\x021%B1^A?\x03\x0f"),
        (barcode_frame(0x51, b"ABC"), b"\x1e\x02QABC\x03\x1f"),
        (inquire_answer(PASSPORT), b"\x49\x00\x5b" + L1 + b"\r" + L2 + b"\r\r"),
        (inquire_answer(PASSPORT, b"\r\n"), b"\x49\x00\x5e" + L1 + b"\r\n" + L2 + b"\r\n\r\n"),
        (inquire_answer(CARD), b"\x49\x00\x5d" + C1 + b"\r" + C2 + b"\r" + C3 + b"\r"),
        (inquire_answer(()), bytes.fromhex("49 00 03 0D 0D 0D")),
        (rte_frame(PASSPORT, bcc="none"), b"\x01\x60\x00OU\x020\r" + L1 + b"\r" + L2 + b"\r\x03"),
        (rte_frame(CARD, bcc="none"), b"\x01\x62\x00OU\x020" + C1 + b"\r" + C2 + b"\r" + C3 + b"\r\x03"),
        (rte_frame((), bcc="none", flag=0x31), b"\x01\x08\x00OU\x021\r\r\r\x03"),
        (rte_frame((), flag=0x31), b"\x01\x08\x00OU\x021\r\r\r\x03\x2f"),
    ],
)
def test_frames(frame: bytes, data: bytes) -> None:
    assert frame == data


def test_concatenated_zone_has_honeywell_lengths() -> None:
    assert len(text_frame(CARD, LineEnd.CR, b"")) == 92
    assert len(text_frame(PASSPORT, LineEnd.CR, b"")) == 89


@pytest.mark.parametrize("kind", [Format.TD2, Format.MRV_B])
def test_rte_pads_short_lines_to_44(kind: Format) -> None:
    first, second = (line.encode() for line in ERIKSSON_LINES[kind])
    padded = b"\r" + first + b"________\r" + second + b"________\r\x03"
    assert rte_frame(ERIKSSON_LINES[kind], bcc="none").endswith(padded)


@pytest.mark.parametrize("kind", Format)
def test_rte_bcc_cancels_out(kind: Format) -> None:
    total = 0
    for byte in rte_frame(ERIKSSON_LINES[kind])[1:]:
        total ^= byte
    assert total == 0


@pytest.mark.parametrize("make", [Text, AccessIs, Rte, lambda line: Rte(line, bcc="none")])
async def test_presented_document_is_one_frame(
    line: SerialLine, host: Host, make: Callable[[SerialLine], Text]
) -> None:
    reader = make(line)
    expected = reader.frame(PASSPORT)

    host.write(b"\x80")  # one-way readers ignore input
    assert await reader.present(ERIKSSON[Format.TD3])
    assert await host.read(len(expected)) == expected
    reader.remove()
    assert reader.counters.documents_sent == reader.counters.documents_presented == 1


async def test_document_without_host_is_not_sent(line: SerialLine) -> None:
    reader = AccessIs(line)
    assert not await reader.present(PASSPORT)
    assert (reader.counters.documents_presented, reader.counters.documents_sent) == (1, 0)


async def test_accessis_stripes_and_barcodes(line: SerialLine, host: Host) -> None:
    reader = AccessIs(line)
    assert await reader.swipe_stripe(b"%B1?")
    assert await reader.scan_barcode(b"ABC")
    assert await host.read(17) == b"\x0e\x021%B1?\x03\x0f\x1e\x021ABC\x03\x1f"


# The ID BOX.

ON, OFF, INQUIRE = b"\x43\x00\x01\x01", b"\x43\x00\x01\x00", b"\x49\x00\x00"
READ = inquire_answer(PASSPORT)
EMPTY = bytes.fromhex("49 00 03 0D 0D 0D")


@pytest.fixture
async def box(line: SerialLine, host: Host) -> Elyctis:
    return Elyctis(line, nameplate=Nameplate("SN-77", "BOX", "F1", "N2"))


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        (b"\x52\x00\x00", b"\x52\x00\x05SN-77"),
        (b"\x54\x00\x00", b"\x54\x00\x03BOX"),
        (b"\x56\x00\x00", b"\x56\x00\x02F1"),
        (b"\x57\x00\x00", b"\x57\x00\x02N2"),
        (INQUIRE, EMPTY),
        (b"\x4c\x00\x00", b"\x4c\x00\x01\r"),
        (ON, ON),
        (OFF, OFF),
    ],
)
@pytest.mark.parametrize("dribbled", [False, True])
async def test_box_commands(box: Elyctis, host: Host, command: bytes, answer: bytes, dribbled: bool) -> None:
    for start in range(0, len(command), 1 if dribbled else 100):
        host.write(command[start:] if not dribbled else command[start : start + 1])
        await asyncio.sleep(0.002)
    assert await host.read(len(answer)) == answer


async def test_commands_are_answered_in_order(box: Elyctis, host: Host) -> None:
    host.write(OFF + ON + INQUIRE + b"\x56\x00\x00")
    assert await host.read(19) == OFF + ON + EMPTY + b"\x56\x00\x02F1"


async def test_document_waits_in_slot_for_command(box: Elyctis, host: Host) -> None:
    assert not await box.present(ERIKSSON[Format.TD3])
    assert box.document_inserted

    for _ in range(2):
        host.write(INQUIRE)
        assert await host.read(len(READ)) == READ
    host.write(b"\x4c\x00\x00")
    assert await host.read(92) == b"\x4c\x00\x59" + L1 + L2 + b"\r"
    box.remove()
    host.write(INQUIRE)
    assert await host.read(6) == EMPTY


async def _switch(host: Host, *commands: bytes) -> None:
    for command in commands:
        host.write(command)
        assert await host.read(len(command)) == command


async def test_continuous_mode_reads_inserted_document(box: Elyctis, host: Host) -> None:
    await _switch(host, ON)
    assert await box.present(PASSPORT)
    assert await host.read(len(READ)) == READ


async def test_continuous_mode_reads_present_document(box: Elyctis, host: Host) -> None:
    await box.present(PASSPORT)
    await _switch(host, ON)
    assert await host.read(len(READ)) == READ


async def test_continuous_mode_ends_with_first_read(box: Elyctis, host: Host) -> None:
    await _switch(host, ON)
    await box.present(PASSPORT)
    await host.read(len(READ))
    assert not box.continuous

    box.remove()
    assert not await box.present(CARD)


async def test_same_document_needs_mode_off_and_on(box: Elyctis, host: Host) -> None:
    await _switch(host, ON)
    await box.present(PASSPORT)
    await host.read(len(READ))

    await _switch(host, ON)
    assert await host.nothing_within(0.05)
    await _switch(host, OFF, ON)
    assert await host.read(len(READ)) == READ


async def test_next_document_needs_mode_on(box: Elyctis, host: Host) -> None:
    await _switch(host, ON)
    await box.present(PASSPORT)
    await host.read(len(READ))
    await _switch(host, OFF, ON)
    await host.read(len(READ))
    box.remove()
    await _switch(host, OFF, ON)

    assert await box.present(CARD)
    assert await host.read(96) == inquire_answer(CARD)


async def test_mode_survives_host_change(
    box: Elyctis, host: Host, line: SerialLine, plug_host: Callable[[Path], Host]
) -> None:
    await _switch(host, ON)
    host.close()
    await line.wait_for_host_close()
    assert not await box.present(PASSPORT)  # read without a host

    again = plug_host(line.path)
    await line.wait_for_host()
    assert await again.nothing_within(0.02)


async def test_zeros_flush(box: Elyctis, host: Host) -> None:
    host.write(b"\x00" + INQUIRE + b"\x00\x00" + ON)
    assert await host.read(10) == EMPTY + ON


async def test_half_command_is_forgotten(
    box: Elyctis, host: Host, line: SerialLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(elyctis, "PARTIAL_TIMEOUT_S", 0.02)
    host.write(b"\x43\x00")
    await line.wait_for_bytes(b"\x43\x00")
    await asyncio.sleep(0.03)
    host.write(INQUIRE)
    assert await host.read(6) == EMPTY


@pytest.mark.parametrize("nonsense", [b"\x43\x00\x01\x07", b"\x41\x00\x00", b"\x49\x00\x01A"])
async def test_invalid_command_has_no_answer(box: Elyctis, host: Host, nonsense: bytes) -> None:
    host.write(nonsense + b"\x54\x00\x00")
    assert await host.read(6) == b"\x54\x00\x03BOX"


async def test_crlf_boxes(line: SerialLine, host: Host) -> None:
    box = Elyctis(line, line_end="crlf")
    host.write(ON)
    await host.read(4)
    await box.present(PASSPORT)
    assert await host.read(97) == inquire_answer(PASSPORT, b"\r\n")
