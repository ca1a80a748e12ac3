"""Output of simulated OCR scanners, byte by byte, and their commands."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from sim_host import Host

from simulators.errors import SimulatorError
from simulators.faults import NoDocument, Truncated, Unplug, WrongFrameCheck
from simulators.links.serial_line import SerialLine
from simulators.mrz import Format
from simulators.passport.scanners import CommandRefused, Est100, Honeywell, Newland, RowReader
from simulators.passport.scanners.est100 import camera_frame, chip_frame, qr_frame, sign_frame
from simulators.passport.scanners.settings import OcrScannerSettings
from simulators.passport.text import LineEnd
from simulators.specimens import ERIKSSON, ERIKSSON_LINES

PASSPORT = ERIKSSON_LINES[Format.TD3]
CARD = ERIKSSON_LINES[Format.TD1]
L1, L2 = (line.encode() for line in PASSPORT)
C1, C2, C3 = (line.encode() for line in CARD)
M = b"\x16M\r"
Q, A = b"~\x010000#", b"\x02\x010000#"


# Honeywell.


@pytest.mark.parametrize(
    ("commands", "answer"),
    [
        (M + b"ocrena1!", b"OCRENA1\x06!"),
        (M + b"OCRENA1.", b"OCRENA1\x06."),
        (M + b"OCRENA9!", b"OCRENA9\x15!"),
        (M + b"OCRENA!", b"OCRENA\x15!"),
        (M + b"XYZABC1!", b"XYZABC1\x05!"),
        (M + b"OCRENA1,ATS2;ALLENA0!", b"OCRENA1\x06,ATS2\x06;ALLENA0\x06!"),
        (M + b"OCRENA1,XXX1!", b"OCRENA1\x06,XXX1\x05!"),
        (M + b"PAPTPR!", b"PAPTPR\x06!"),
        (b"rubbish\x16M" + M + b"OCRENA1!", b"OCRENA1\x06!"),
    ],
)
@pytest.mark.parametrize("dribbled", [False, True])
async def test_honeywell_answers_commands(
    line: SerialLine, host: Host, commands: bytes, answer: bytes, dribbled: bool
) -> None:
    Honeywell(line)
    for start in range(0, len(commands), 1 if dribbled else 100):
        host.write(commands[start:] if not dribbled else commands[start : start + 1])
        await asyncio.sleep(0.001)
    assert await host.read(len(answer)) == answer


async def test_honeywell_identification(line: SerialLine, host: Host) -> None:
    Honeywell(line, serial_number="N-9")
    host.write(M + b"REVINF.")
    text = b""
    while not text.endswith(b"REVINF\x06."):
        text += await host.read(1)
    assert b"\r\nSerial Number: N-9\r\n" in text


async def ready(scanner: Honeywell | Newland, host: Host, *, by_itself: bool) -> None:
    """Configure a scanner to read documents."""
    if isinstance(scanner, Honeywell):
        mode = b"PAPTPR!" if by_itself else b"PAPHHF!"
        host.write(M + b"OCRENA1,ATS2!" + M + mode)
        assert await host.read(23) == b"OCRENA1\x06,ATS2\x06!" + mode[:6] + b"\x06!"
    else:
        mode = b"SCNMOD2" if by_itself else b"SCNMOD0;SCNTCE1"
        answer = A + mode.replace(b";", b"\x06;") + b"\x06;\x03"
        host.write(Q + mode + b";\x03")
        assert await host.read(len(answer)) == answer


@pytest.mark.parametrize(("count", "document"), [(89, PASSPORT), (92, CARD)])
async def test_honeywell_rows_have_no_terminator(
    line: SerialLine, host: Host, count: int, document: tuple[str, ...]
) -> None:
    scanner = Honeywell(line)
    await ready(scanner, host, by_itself=True)
    assert await scanner.present(document)
    assert await host.read(count) == "\r".join(document).encode()
    assert await host.nothing_within(0.02)


async def test_honeywell_without_ocr_reads_nothing(line: SerialLine, host: Host) -> None:
    scanner = Honeywell(line)
    host.write(M + b"PAPTPR!")
    await host.read(8)
    assert not await scanner.present(PASSPORT)
    host.write(M + b"OCRENA1!" + b"\x16T\r")
    await host.read(9)
    assert await host.nothing_within(0.02)


@pytest.mark.parametrize("make", [Honeywell, Newland])
async def test_trigger_reads_document_in_view_once(
    line: SerialLine, host: Host, make: type[Honeywell | Newland]
) -> None:
    scanner = make(line)
    await ready(scanner, host, by_itself=False)
    read = scanner.frame(PASSPORT)
    trigger, acknowledged = (
        (b"\x16T\r", b"") if make is Honeywell else (Q + b"SCNTRG1;\x03", A + b"SCNTRG1\x06;\x03")
    )

    assert not await scanner.present(ERIKSSON[Format.TD3])
    for _ in range(2):
        host.write(trigger)
        assert await host.read(len(acknowledged + read)) == acknowledged + read
    assert await host.nothing_within(0.02)
    scanner.remove()
    host.write(trigger)
    await host.read(len(acknowledged))
    assert await host.nothing_within(0.02)
    assert await scanner.present(PASSPORT)  # it was still triggered
    assert not await scanner.present(PASSPORT)


@pytest.mark.parametrize("make", [Honeywell, Newland])
async def test_released_trigger_ends_search(
    line: SerialLine, host: Host, make: type[Honeywell | Newland]
) -> None:
    scanner = make(line)
    await ready(scanner, host, by_itself=False)
    if make is Honeywell:
        host.write(b"\x16T\r\x16U\r")
        await line.wait_for_bytes(b"\x16U\r")
    else:
        host.write(Q + b"SCNTRG1;SCNTRG0;\x03")
        await host.read(26)
    assert not await scanner.present(PASSPORT)


@pytest.mark.parametrize("make", [Honeywell, Newland])
async def test_power_loss_resets_settings(
    line: SerialLine, host: Host, make: type[Honeywell | Newland], plug_host: Callable[[Path], Host]
) -> None:
    scanner = make(line)
    await ready(scanner, host, by_itself=True)
    await scanner.inject(Unplug())
    assert not scanner.is_presentation_mode
    line.replug()
    again = plug_host(line.path)
    await line.wait_for_host()
    assert not await scanner.present(PASSPORT)

    await ready(scanner, again, by_itself=True)
    await scanner.inject(Truncated(at=3, unplug=True))
    reading = asyncio.create_task(again.read_until_gone())
    await scanner.present(PASSPORT)
    assert await reading == L1[:3]
    assert not scanner.is_presentation_mode


# Newland.


@pytest.mark.parametrize(
    ("commands", "answer"),
    [
        (Q + b"SCNMOD2;\x03", A + b"SCNMOD2\x06;\x03"),
        (b"~\x010000@SCNMOD2;\x03", b"\x02\x010000@SCNMOD2\x06;\x03"),
        (Q + b"SCNMOD9;\x03", A + b"SCNMOD9\x15;\x03"),
        (Q + b"scnmod2;\x03", A + b"scnmod2\x05;\x03"),
        (Q + b"SCNMOD0,TCE1;SCNTRG0;\x03", A + b"SCNMOD0\x06,TCE1\x06;SCNTRG0\x06;\x03"),
        (Q + b"SCNTRG1;\x03", A + b"SCNTRG1\x15;\x03"),
        (Q + b"QRYPSN;\x03", A + b"QRYPSNSIM0001\x06;\x03"),
    ],
)
async def test_newland_answers_commands(line: SerialLine, host: Host, commands: bytes, answer: bytes) -> None:
    Newland(line)
    host.write(b"\x03noise" + commands)
    assert await host.read(len(answer)) == answer


async def test_newland_rows_have_terminators(line: SerialLine, host: Host) -> None:
    scanner = Newland(line)
    await ready(scanner, host, by_itself=True)
    assert await scanner.present(CARD)
    assert await host.read(93) == C1 + b"\r" + C2 + b"\r" + C3 + b"\r"


# Faults of both.


@pytest.mark.parametrize(("answer", "status"), [("nak", b"\x15"), ("enq", b"\x05")])
async def test_refused_command_stays_refused(
    line: SerialLine, host: Host, answer: str, status: bytes
) -> None:
    scanner = Honeywell(line)
    await scanner.inject(CommandRefused.model_validate({"command": "OCRENA", "answer": answer}))
    for _ in range(2):
        host.write(M + b"OCRENA1!")
        assert await host.read(9) == b"OCRENA1" + status + b"!"
    assert not scanner.reads_documents


@pytest.mark.parametrize("make", [Honeywell, Newland])
async def test_command_may_get_no_answer(line: SerialLine, host: Host, make: type[Honeywell]) -> None:
    scanner = make(line)
    for command in scanner.factory_settings:
        await scanner.inject(CommandRefused(command=command, answer="silence"))
    host.write(M + b"OCRENA1!" + M + b"REVINF!" + Q + b"SCNMOD2;QRYPSN;\x03")
    await asyncio.sleep(0.02)
    assert await host.nothing_within(0.02) or host.port.read(20) == A + b"\x03"


async def test_only_existing_commands_can_be_refused(line: SerialLine) -> None:
    with pytest.raises(SimulatorError, match="has no command SCNMOD"):
        await Honeywell(line).inject(CommandRefused(command="SCNMOD"))
    with pytest.raises(SimulatorError, match="have no check byte"):
        await Newland(line).inject(WrongFrameCheck())


# Rows one by one.


async def test_rows_come_one_by_one(line: SerialLine, host: Host) -> None:
    scanner = RowReader(line, row_gap_s=0.05)
    sending = asyncio.create_task(scanner.present(PASSPORT))
    assert await host.read(46) == L1 + b"\r\n"
    assert await host.nothing_within(0.01)
    assert await host.read(46) == L2 + b"\r\n"
    assert await sending
    assert scanner.counters.documents_sent == 1

    await scanner.inject(Truncated(at=10))
    await scanner.present(PASSPORT)
    assert await host.read(10) == L1[:10]


async def test_rows_of_several_documents_in_any_order(line: SerialLine, host: Host) -> None:
    scanner = RowReader(line, line_end=LineEnd.LF)
    assert await scanner.present((CARD[0], PASSPORT[1]))
    assert await host.read(76) == C1 + b"\n" + L2 + b"\n"


# EST-100PR.


@pytest.mark.parametrize(
    ("frame", "data"),
    [
        (
            camera_frame(PASSPORT),
            b'\x02CameraData:{"data":"' + L1 + b"\\n" + L2 + b'","type":"PassPort"}\x03\r\n',
        ),
        (camera_frame(()), b'\x02CameraData:{"data":"","type":"PassPort"}\x03\r\n'),
        (qr_frame("ü"), '\x02CameraData:{"QRType":"QR CODE","data":"ü","type":"QRCode"}\x03\r\n'.encode()),
        (sign_frame("readEnd"), b'\x02PCSign:{"stage":"readEnd","type":"PassPort"}\x03\r\n'),
    ],
)
def test_frames_of_an_est(frame: bytes, data: bytes) -> None:
    assert frame == data


def test_chip_frame_has_zone_and_more() -> None:
    frame = chip_frame(PASSPORT, "AAAA")
    content = json.loads(frame.removeprefix(b"\x02EidlinkResult:").removesuffix(b"\x03\r\n"))
    assert (content["reqId"], content["signpacket"]) == ("FF0000000001", "")
    assert content["travelIdentityBean"]["MachineReadCode"] == "".join(PASSPORT)
    assert content["travelIdentityBean"]["picture"] == "AAAA"


async def test_est_sends_page_and_chip(line: SerialLine, host: Host) -> None:
    scanner = Est100(line)
    scanner.portrait = ""
    chip = sign_frame("readStart") + chip_frame(CARD) + sign_frame("readEnd")
    await scanner.present_with_chip(PASSPORT, CARD)
    expected = camera_frame(PASSPORT) + chip
    assert await host.read(len(expected)) == expected
    await scanner.present(CARD)
    assert await host.read(len(camera_frame(CARD) + chip)) == camera_frame(CARD) + chip
    await scanner.inject(NoDocument())
    assert await host.read(len(camera_frame(()))) == camera_frame(())
    assert await host.nothing_within(0.01)


# As a kind in a post.


def settings_of(path: Path, model: str, **more: Any) -> OcrScannerSettings:
    return OcrScannerSettings.model_validate(
        {"name": "lane-1/reader", "kind": "ocr-scanner", "model": model, "path": str(path)} | more
    )


@pytest.mark.parametrize("model", ["honeywell", "newland", "zebra", "code", "est-100pr"])
async def test_scanner_in_post_takes_commands(
    model: str, tmp_path: Path, plug_host: Callable[[Path], Host]
) -> None:
    settings = settings_of(tmp_path / "port", model)
    assert settings.summary()["model"] == model
    simulator = settings.build()
    events: list[str] = []
    running = asyncio.create_task(simulator.run(lambda event, _: events.append(event)))
    while "ready" not in events:
        await asyncio.sleep(0.001)
    host = plug_host(tmp_path / "port")
    while "host" not in events:
        await asyncio.sleep(0.001)

    listening = model not in ("honeywell", "newland")
    inserted = await simulator.handle_command("insert", {"lines": list(PASSPORT)})
    assert inserted["heard"] is listening
    if listening:
        assert L1[:20] in await host.read(60)
        with pytest.raises(SimulatorError, match="takes no commands"):
            await simulator.handle_command("fault", {"fault": "refuse", "args": {"command": "OCRENA"}})
    else:
        name = "OCRENA" if model == "honeywell" else "SCNMOD"
        await simulator.handle_command("fault", {"fault": "refuse", "args": {"command": name}})
        with pytest.raises(SimulatorError, match="refuse: command"):
            await simulator.handle_command("fault", {"fault": "refuse", "args": {"command": "no"}})
    await simulator.handle_command("fault", {"fault": "dribble"})
    assert (await simulator.handle_command("status", {}))["plugged"]
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_commands_refused_by_post_file(tmp_path: Path, plug_host: Callable[[Path], Host]) -> None:
    settings = settings_of(
        tmp_path / "port", "honeywell", refuses=[{"command": "OCRENA"}], serial_number="X1"
    )
    simulator = settings.build()
    opened = asyncio.Event()
    running = asyncio.create_task(simulator.run(lambda event, _: opened.set() if event == "host" else None))
    while not (tmp_path / "port").exists():
        await asyncio.sleep(0.001)
    host = plug_host(tmp_path / "port")
    await opened.wait()
    host.write(M + b"OCRENA1!")
    assert await host.read(9) == b"OCRENA1\x15!"
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


def test_honeywell_terminator_from_post_file(tmp_path: Path) -> None:
    line = SerialLine.open_at(tmp_path / "port")
    for more, end in (({}, b""), ({"last_line_end": True}, b"\r"), ({"line_end": "lf"}, b"")):
        reader = settings_of(tmp_path / "port", "honeywell", **more).build_reader(line)
        between = b"\n" if more.get("line_end") else b"\r"
        assert reader.frame(PASSPORT) == L1 + between + L2 + end
    assert settings_of(tmp_path / "port", "code").build_reader(line).frame(PASSPORT[:1]) == L1 + b"\r\n"
    assert settings_of(tmp_path / "port", "newland").build_reader(line).frame(PASSPORT[:1]) == L1 + b"\r"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"model": "est-100pr", "line_end": "lf"}, "line_end is for honeywell or newland or zebra or code"),
        ({"model": "zebra", "refuses": []}, "refuses is for honeywell or newland"),
        ({"model": "honeywell", "row_gap_s": 1}, "row_gap_s is for zebra or code"),
        ({"model": "honeywell", "bcc": "xor"}, "bcc is for no scanner"),
        ({"model": "code", "every_s": 1, "jitter_s": 2}, "jitter_s must be less"),
        ({"model": "datalogic"}, "Input should be"),
    ],
)
def test_invalid_settings_are_refused(settings: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match=message):
        settings_of(tmp_path / "port", **settings)
