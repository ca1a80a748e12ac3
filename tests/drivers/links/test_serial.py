"""Serial ports: found by USB id or path, opened once, errors with remedies."""

import asyncio
import fcntl
import os
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from pydantic import ValidationError
from pytest_mock import MockerFixture
from serial.tools.list_ports_common import ListPortInfo
from support.patience import PATIENCE_S

from drivers.links.device_node import MAX_UNINTERRUPTED_S, remedy_text, who_has_open
from drivers.links.factory import LinkFactory
from drivers.links.link import Action, Cause, LinkError
from drivers.links.serial import SerialLink, SerialSettings, find_port
from simulators.links.serial_line import SerialLine

TIOCGEXCL = 0x80045440
"""Ioctl that reads the exclusive mode of a terminal (ioctl_tty(2)); Python has no name for it."""
TTY_MAJOR = 4
HOLD_PORT = """
import asyncio, sys
from drivers.links.factory import LinkFactory
from drivers.links.serial import SerialSettings

async def hold():
    await LinkFactory().serial(SerialSettings(port=sys.argv[1]))
    print(flush=True)
    await asyncio.Event().wait()

asyncio.run(hold())
"""


def usb_port(device: str, vid: int, pid: int, serial_number: str | None) -> ListPortInfo:
    port = ListPortInfo(device, skip_link_detection=True)
    port.vid, port.pid, port.serial_number, port.product = vid, pid, serial_number, "OCR315e"
    return port


@pytest.fixture
def plugged_in(mocker: MockerFixture) -> list[ListPortInfo]:
    """Serial ports listed by the system; there are none on a test machine."""
    ports: list[ListPortInfo] = []
    mocker.patch("drivers.links.serial.list_ports.comports", return_value=ports)
    return ports


def test_usb_address_finds_its_device(plugged_in: list[ListPortInfo]) -> None:
    plugged_in += [
        usb_port("/dev/ttyACM0", 0x0DB5, 0x0137, "A1"),
        usb_port("/dev/ttyACM1", 0x0DB5, 0x0137, "B2"),
        usb_port("/dev/ttyACM2", 0x2B78, 0x0005, None),
    ]
    assert find_port("usb:0DB5:0137:B2")[0] == "/dev/ttyACM1"
    path, usb = find_port("usb:2b78:0005")
    assert (path, usb.product if usb else None) == ("/dev/ttyACM2", "OCR315e")


def test_ambiguous_address_needs_serial_number(plugged_in: list[ListPortInfo]) -> None:
    plugged_in += [
        usb_port("/dev/ttyACM0", 0x0DB5, 0x0137, "A1"),
        usb_port("/dev/ttyACM1", 0x0DB5, 0x0137, None),
    ]
    with pytest.raises(LinkError) as refused:
        find_port("usb:0DB5:0137")
    assert refused.value.cause is Cause.ADDRESS_AMBIGUOUS
    assert "A1" in refused.value.text
    assert "by-path" in refused.value.how


@pytest.mark.parametrize(
    ("address", "cause", "action"),
    [
        ("usb:0DB5:0137", Cause.NO_DEVICE, Action.REPLUG),
        ("/dev/serial/by-id/usb-nothing", Cause.NO_DEVICE, Action.REPLUG),
        ("/etc/hostname", Cause.WRONG_DEVICE, Action.CONFIGURE),
    ],
)
async def test_missing_port_has_a_remedy(
    address: str, cause: Cause, action: Action, plugged_in: list[ListPortInfo]
) -> None:
    with pytest.raises(LinkError) as refused:
        await LinkFactory().serial(SerialSettings(port=address))
    assert (refused.value.cause, refused.value.action) == (cause, action)
    assert refused.value.how


async def test_port_has_one_owner(tmp_path: Path) -> None:
    async with SerialLine.open_at(tmp_path / "port"):
        holding = subprocess.Popen(
            [
                sys.executable,
                "-c",
                "import sys, serial\n"
                "port = serial.Serial(sys.argv[1], exclusive=True)\n"
                "print(flush=True)\n"
                "input()",
                str(tmp_path / "port"),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        with holding:
            assert holding.stdout is not None
            holding.stdout.readline()
            links = LinkFactory()
            with pytest.raises(LinkError) as refused:
                await links.serial(SerialSettings(port=str(tmp_path / "port")))
            assert refused.value.cause is Cause.PORT_HELD
            assert f"(pid {holding.pid})" in refused.value.text
            holding.communicate(b"\n")
        await links.serial(SerialSettings(port=str(tmp_path / "port")))
        await links.close()


def refuses_openings(port: Path) -> bool:
    """Return the exclusive mode of a terminal; root could open it anyway, so an open proves nothing."""
    descriptor = os.open(port, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    try:
        return any(fcntl.ioctl(descriptor, TIOCGEXCL, bytes(4)))
    finally:
        os.close(descriptor)


async def test_killed_owner_frees_pty(tmp_path: Path) -> None:
    port = tmp_path / "port"
    async with SerialLine.open_at(port):
        owner = subprocess.Popen([sys.executable, "-c", HOLD_PORT, str(port)], stdout=subprocess.PIPE)
        with owner:
            assert owner.stdout is not None
            assert owner.stdout.readline(), "the port was not opened"
            owner.send_signal(signal.SIGKILL)
        assert not refuses_openings(port)
        links = LinkFactory()
        await links.serial(SerialSettings(port=str(port)))
        await links.close()


async def test_real_port_refuses_others(tmp_path: Path, mocker: MockerFixture) -> None:
    port = tmp_path / "port"
    mocker.patch("drivers.links.serial.device_major", return_value=TTY_MAJOR)
    async with SerialLine.open_at(port):
        links = LinkFactory()
        link = await links.serial(SerialSettings(port=str(port), parity="N"))
        assert any(fcntl.ioctl(link._fd, TIOCGEXCL, bytes(4)))
        await links.close()


@pytest.mark.parametrize(
    ("number", "cause"),
    [(13, Cause.NO_PERMISSION), (1, Cause.NO_PERMISSION), (6, Cause.NO_DEVICE), (22, Cause.LINK_FAILED)],
)
async def test_refusal_of_system_has_cause_and_remedy(
    number: int, cause: Cause, tmp_path: Path, mocker: MockerFixture
) -> None:
    async with SerialLine.open_at(tmp_path / "port"):
        mocker.patch("drivers.links.serial.serial.Serial", side_effect=OSError(number, os.strerror(number)))
        with pytest.raises(LinkError) as refused:
            await LinkFactory().serial(SerialSettings(port=str(tmp_path / "port")))
    assert refused.value.cause is cause


@pytest.mark.parametrize("path", ["/dev/null", "/etc/passwd"])
async def test_other_kind_of_node_is_named(path: str) -> None:
    """A node without lines is what a technician writes for a reader in HID mode."""
    with pytest.raises(LinkError) as refused:
        await LinkFactory().serial(SerialSettings(port=path))
    assert refused.value.cause is Cause.WRONG_DEVICE
    assert refused.value.text == f"{path} is not a serial port."
    assert "borderpost discover" in refused.value.how


async def test_input_before_open_is_dropped(tmp_path: Path) -> None:
    """Its age is unknown: its traveller may have left."""
    async with SerialLine.open_at(tmp_path / "port") as wire:
        os.write(wire._master, b"old news\r")
        links = LinkFactory()
        link = await links.serial(SerialSettings(port=str(tmp_path / "port")))
        await wire.wait_for_host()
        await wire.send(b"new\r")
        assert await link.read() == b"new\r"
        await links.close()


async def test_zero_limit_reads_what_arrived(tmp_path: Path) -> None:
    """A late response must be discarded before the next request, however long other tasks ran."""
    async with SerialLine.open_at(tmp_path / "port") as wire:
        links = LinkFactory()
        link = await links.serial(SerialSettings(port=str(tmp_path / "port")))
        await wire.send(b"late")
        await asyncio.sleep(2 * MAX_UNINTERRUPTED_S)
        async with asyncio.timeout(0):
            found = await link.read()
        assert found == b"late"
        await links.close()


async def test_endless_input_lets_others_run(tmp_path: Path, mocker: MockerFixture) -> None:
    async with SerialLine.open_at(tmp_path / "port") as wire:
        links = LinkFactory()
        link = await links.serial(SerialSettings(port=str(tmp_path / "port")))
        await wire.wait_for_host()
        mocker.patch("drivers.links.serial.os.read", return_value=b"x")
        passes, ended_s = 0, time.monotonic() + 10

        def count() -> None:
            nonlocal passes
            passes += 1
            counting = loop.call_soon(count)
            ends.append(counting)

        loop, ends = asyncio.get_running_loop(), [asyncio.get_running_loop().call_soon(count)]
        while passes < 3 and time.monotonic() < ended_s:
            await link.read()
        ends[-1].cancel()
        mocker.stopall()
        await links.close()
    assert passes >= 3


async def test_both_directions_are_tapped(tmp_path: Path) -> None:
    seen: list[tuple[str, bytes]] = []
    async with SerialLine.open_at(tmp_path / "port") as wire:
        links = LinkFactory(lambda direction, chunk: seen.append((direction, chunk)))
        link = await links.serial(SerialSettings(port=str(tmp_path / "port")))
        await link.write(b"who\r")
        await wire.wait_for_bytes(b"who\r")
        await wire.send(b"me\r")
        assert await link.read() == b"me\r"
        assert links.is_simulated
        await links.close()
    assert seen == [("out", b"who\r"), ("in", b"me\r")]


async def test_megabyte_to_slow_device_is_sent(tmp_path: Path) -> None:
    async with SerialLine.open_at(tmp_path / "port") as wire:
        got = bytearray()
        wire.on_received = got.extend
        links = LinkFactory()
        link = await links.serial(SerialSettings(port=str(tmp_path / "port")))
        await link.write(b"0123456789abcdef" * 65536)
        async with asyncio.timeout(PATIENCE_S):
            while len(got) < 1 << 20:
                await asyncio.sleep(0.01)
        assert bytes(got) == b"0123456789abcdef" * 65536
        await links.close()


async def test_unplugged_device_fails_at_once(tmp_path: Path) -> None:
    async with SerialLine.open_at(tmp_path / "port") as wire:
        links = LinkFactory()
        link = await links.serial(SerialSettings(port=str(tmp_path / "port")))
        await wire.wait_for_host()
        wire.unplug()
        for attempt in (link.read(), link.write(b"x")):
            with pytest.raises(LinkError) as gone:
                await attempt
            assert gone.value.cause is Cause.UNPLUGGED
        await links.close()


@pytest.mark.parametrize("port", ["usb:0DB5", "usb:XXXX:0137", "ttyUSB0", "COM3", ""])
def test_invalid_address_is_refused(port: str) -> None:
    with pytest.raises(ValidationError):
        SerialSettings(port=port)


@pytest.mark.parametrize("baud", [0, 9601, -9600])
def test_unsupported_rate_is_refused(baud: int) -> None:
    with pytest.raises(ValidationError, match="rate"):
        SerialSettings(port="/dev/ttyUSB0", baud=baud)


async def test_rate_outside_pyserials_table_works(tmp_path: Path) -> None:
    settings = SerialSettings(port=str(tmp_path / "port"), baud=256000)
    async with SerialLine.open_at(tmp_path / "port"), SerialLink(settings, lambda *_: None):
        assert who_has_open(str(tmp_path / "port")).text == "", "the own process does not count"


@pytest.mark.parametrize(
    ("is_worker", "text", "how"),
    [
        (True, "lane-2/reader of this gateway (pid 712)", "Correct the address of one of them"),
        (False, "lane-2/reader (pid 712)", "Stop that program"),
    ],
)
def test_other_worker_of_gateway_is_named(is_worker: bool, text: str, how: str, tmp_path: Path) -> None:
    parent = os.getppid() if is_worker else 1
    (tmp_path / "proc/712/fd").mkdir(parents=True)
    (tmp_path / "proc/712/fd/7").symlink_to(tmp_path / "port")
    (tmp_path / "proc/712/comm").write_text("lane-2/reader\n")
    (tmp_path / "proc/712/stat").write_text(f"712 (lane-2/reader) S {parent} 0\n")
    who = who_has_open(str(tmp_path / "port"), tmp_path / "proc")
    assert who.text == text
    assert how in remedy_text("/dev/ttyUSB0", who, "reader")


@pytest.mark.parametrize("replays", [True, False])
async def test_replayed_line_is_marked(replays: bool, tmp_path: Path) -> None:
    async with SerialLine.open_at(tmp_path / "port", replays=replays) as line:
        links = LinkFactory()
        link = await links.serial(SerialSettings(port=str(line.path)))
        assert (link.is_simulated, links.is_replayed) == (True, replays)
        await links.close()


@pytest.mark.parametrize(("dtr", "rts"), [(True, True), (False, True), (True, False), (False, False)])
async def test_levels_of_lines_are_set_at_opening(
    dtr: bool, rts: bool, tmp_path: Path, mocker: MockerFixture
) -> None:
    set_levels: list[tuple[int, bytes]] = []

    def ioctl(fd: int, request: int, *more: object) -> object:
        if request in (termios.TIOCMBIS, termios.TIOCMBIC):
            set_levels.append((request, bytes(more[0])))  # type: ignore[call-overload]
            return 0  # a pty has no such lines
        return fcntl.ioctl(fd, request, *more)  # type: ignore[arg-type]

    mocker.patch("serial.serialposix.fcntl", SimpleNamespace(**vars(fcntl) | {"ioctl": ioctl}))
    async with SerialLine.open_at(tmp_path / "port"):
        slave = os.open(tmp_path / "port", os.O_RDWR | os.O_NOCTTY)
        attributes = termios.tcgetattr(slave)
        attributes[2] |= termios.HUPCL  # as a real port has it
        termios.tcsetattr(slave, termios.TCSANOW, attributes)
        os.close(slave)
        links = LinkFactory()
        link = await links.serial(SerialSettings(port=str(tmp_path / "port"), dtr=dtr, rts=rts))
        closes_quietly = not termios.tcgetattr(link._fd)[2] & termios.HUPCL
        await links.close()
    assert set_levels == [
        (termios.TIOCMBIS if level else termios.TIOCMBIC, line.to_bytes(4, sys.byteorder))
        for level, line in ((dtr, termios.TIOCM_DTR), (rts, termios.TIOCM_RTS))
    ]
    assert closes_quietly is not dtr
