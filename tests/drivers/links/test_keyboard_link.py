"""Readers that are keyboards: found by USB id or path, grabbed, errors with remedies."""

import asyncio
import errno
import json
import os
import shutil
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pydantic import ValidationError
from pytest_mock import MockerFixture
from support.process import in_jail

from drivers.links.device_node import MAX_UNINTERRUPTED_S
from drivers.links.factory import LinkFactory
from drivers.links.keyboard import EVENT_BYTES, INPUT_MAJOR, KeyboardSettings, find_keyboard
from drivers.links.link import Action, Cause, LinkError
from simulators.links.serial_line import SerialLine
from simulators.passport.keyboard import Clock, EndKey, end_strokes, events_of, strokes_of, typed_by_person
from simulators.specimens import ERIKSSON_LINES

PASSPORT = ERIKSSON_LINES["TD3"]
TYPES = "80000000000000 e0b0ffdf01cfffff fffffffffffffffe"
VOLUME_KEYS = "3800000000 0 0 0"

needs_umockdev = pytest.mark.skipif(
    shutil.which("umockdev-run") is None, reason="needs umockdev-run: apt install umockdev"
)


def plug_in(sysfs: Path, node: str, usb: str, serial_number: str = "", keys: str = TYPES) -> None:
    device = sysfs / node / "device"
    (device / "id").mkdir(parents=True)
    (device / "capabilities").mkdir()
    (device / "id/vendor").write_text(usb[:4] + "\n")
    (device / "id/product").write_text(usb[5:] + "\n")
    (device / "uniq").write_text(serial_number + "\n")
    (device / "capabilities/key").write_text(keys + "\n")


def test_usb_address_finds_typing_node(tmp_path: Path) -> None:
    plug_in(tmp_path, "event3", "0db5:0137", "A1", keys=VOLUME_KEYS)
    plug_in(tmp_path, "event4", "0db5:0137", "A1")
    plug_in(tmp_path, "event5", "0db5:0137", "B2")
    plug_in(tmp_path, "event6", "046d:c31c")
    assert find_keyboard("usb:0DB5:0137:A1", tmp_path) == "/dev/input/event4"
    assert find_keyboard("usb:046d:c31c", tmp_path) == "/dev/input/event6"


def test_ambiguous_address_needs_serial_number(tmp_path: Path) -> None:
    plug_in(tmp_path, "event4", "0db5:0137", "A1")
    plug_in(tmp_path, "event5", "0db5:0137")
    with pytest.raises(LinkError) as refused:
        find_keyboard("usb:0DB5:0137", tmp_path)
    assert (refused.value.cause, refused.value.action) == (Cause.ADDRESS_AMBIGUOUS, Action.CONFIGURE)
    assert "A1" in refused.value.text
    assert "by-path" in refused.value.how


def test_device_unplugged_during_search(tmp_path: Path) -> None:
    plug_in(tmp_path, "event4", "0db5:0137")
    (tmp_path / "event4/device/capabilities/key").unlink()
    with pytest.raises(LinkError) as refused:
        find_keyboard("usb:0DB5:0137", tmp_path)
    assert refused.value.cause is Cause.NO_DEVICE


@pytest.mark.parametrize(
    ("address", "cause", "action"),
    [
        ("usb:0DB5:0137", Cause.NO_DEVICE, Action.REPLUG),
        ("/dev/input/by-id/usb-nothing-event-kbd", Cause.NO_DEVICE, Action.REPLUG),
        ("/etc/hostname", Cause.WRONG_DEVICE, Action.CONFIGURE),
        ("/dev/null", Cause.WRONG_DEVICE, Action.CONFIGURE),
    ],
)
async def test_missing_device_has_a_remedy(address: str, cause: Cause, action: Action) -> None:
    with pytest.raises(LinkError) as refused:
        await LinkFactory().keyboard(KeyboardSettings(port=address))
    assert (refused.value.cause, refused.value.action) == (cause, action)
    assert refused.value.how


@pytest.mark.parametrize("port", ["usb:0DB5", "usb:XXXX:0137", "event3", ""])
def test_invalid_address_is_refused(port: str) -> None:
    with pytest.raises(ValidationError, match="port"):
        KeyboardSettings(port=port)


async def test_simulated_keyboard_has_one_owner(tmp_path: Path) -> None:
    async with SerialLine.open_at(tmp_path / "port"):
        holding = subprocess.Popen(
            [
                sys.executable,
                "-c",
                "import fcntl, sys\n"
                "port = open(sys.argv[1], 'rb', buffering=0)\n"
                "fcntl.flock(port, fcntl.LOCK_EX)\n"
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
            links, settings = LinkFactory(), KeyboardSettings(port=str(tmp_path / "port"))
            with pytest.raises(LinkError) as refused:
                await links.keyboard(settings)
            assert refused.value.cause is Cause.PORT_HELD
            assert f"(pid {holding.pid})" in refused.value.text
            holding.communicate(b"\n")
        await links.keyboard(settings)
        await links.close()


async def test_input_is_tapped_and_old_input_dropped(tmp_path: Path) -> None:
    seen: list[tuple[str, bytes]] = []
    async with SerialLine.open_at(tmp_path / "port") as wire:
        os.write(wire._master, b"old news, 24 bytes long.")
        links = LinkFactory(lambda direction, chunk: seen.append((direction, chunk)))
        link = await links.keyboard(KeyboardSettings(port=str(tmp_path / "port")))
        await wire.wait_for_host()
        events = events_of(strokes_of("A"), Clock(0))
        reading = asyncio.create_task(link.read())
        await wire.send(events)
        assert await reading == events
        assert link.read_pending() == b""
        assert links.is_simulated
        await links.close()
    assert seen == [("in", events)]


async def test_endless_typing_lets_others_run(tmp_path: Path, mocker: MockerFixture) -> None:
    async with SerialLine.open_at(tmp_path / "port") as wire:
        links = LinkFactory()
        link = await links.keyboard(KeyboardSettings(port=str(tmp_path / "port")))
        await wire.wait_for_host()
        mocker.patch("drivers.links.keyboard.os.read", return_value=bytes(EVENT_BYTES))
        turned = asyncio.Event()
        asyncio.get_running_loop().call_soon(turned.set)
        ends_s = time.monotonic() + 100 * MAX_UNINTERRUPTED_S
        while not turned.is_set() and time.monotonic() < ends_s:
            await link.read()
        mocker.stopall()
        await links.close()
    assert turned.is_set()


async def test_unplugged_keyboard_fails_at_once(tmp_path: Path) -> None:
    async with SerialLine.open_at(tmp_path / "port") as wire:
        links = LinkFactory()
        link = await links.keyboard(KeyboardSettings(port=str(tmp_path / "port")))
        await wire.wait_for_host()
        reading = asyncio.create_task(link.read())
        await asyncio.sleep(0)
        wire.unplug()
        for attempt in (reading, link.read()):
            with pytest.raises(LinkError) as gone:
                await attempt
            assert (gone.value.cause, gone.value.action) == (Cause.UNPLUGGED, Action.REPLUG)
        await links.close()


class Device:
    """Replacement of python-evdev's device, with a pipe as its node."""

    def __init__(self, keys: list[int], refuses: int | None = None) -> None:
        self.fd, self.far_end = os.pipe2(os.O_NONBLOCK)
        self.name, self.uniq = "Access-IS OCR315e", "SIM0001"
        self.keys = keys
        self.refuses = refuses
        self.closed = False

    def capabilities(self) -> dict[int, list[int]]:
        return {0: [], 1: self.keys}

    def grab(self) -> None:
        if self.refuses is not None:
            raise OSError(self.refuses, os.strerror(self.refuses))

    def close(self) -> None:
        os.close(self.fd)
        os.close(self.far_end)
        self.closed = True


def input_node(mocker: MockerFixture, device: Device | OSError) -> KeyboardSettings:
    """Make an input device at /dev/input/event5, with the kernel's major number."""
    mocker.patch("drivers.links.keyboard.device_major", return_value=INPUT_MAJOR)
    pytest.importorskip("evdev", reason="needs the extra: pip install evdev")
    mocker.patch("evdev.InputDevice", side_effect=[device])
    return KeyboardSettings(port="/dev/input/event5")


async def test_input_device_is_grabbed(mocker: MockerFixture) -> None:
    device = Device([2, 28, 30])
    grab = mocker.spy(device, "grab")
    settings = input_node(mocker, device)
    links = LinkFactory()
    link = await links.keyboard(settings)
    grab.assert_called_once_with()
    assert (link.name, link.serial_number, links.is_simulated) == ("Access-IS OCR315e", "SIM0001", False)
    await links.close()
    assert device.closed, "close releases the grab"


@pytest.mark.parametrize(
    ("number", "cause", "action"),
    [
        (errno.EBUSY, Cause.PORT_HELD, Action.RESTART),
        (errno.EACCES, Cause.NO_PERMISSION, Action.CONFIGURE),
        (errno.ENODEV, Cause.NO_DEVICE, Action.REPLUG),
        (errno.EINVAL, Cause.LINK_FAILED, Action.REPLUG),
    ],
)
@pytest.mark.parametrize("at", ["open", "grab"])
async def test_refusal_of_system_has_cause_and_remedy(
    at: str, number: int, cause: Cause, action: Action, mocker: MockerFixture
) -> None:
    device = Device([2, 28, 30], refuses=number)
    settings = input_node(mocker, device if at == "grab" else OSError(number, os.strerror(number)))
    with pytest.raises(LinkError) as refused:
        await LinkFactory().keyboard(settings)
    assert (refused.value.cause, refused.value.action) == (cause, action)
    assert refused.value.how
    assert device.closed == (at == "grab")
    if at == "open":
        device.close()


async def test_device_without_letters_is_refused(mocker: MockerFixture) -> None:
    device = Device([113, 114, 115])
    grab = mocker.spy(device, "grab")
    settings = input_node(mocker, device)
    with pytest.raises(LinkError) as refused:
        await LinkFactory().keyboard(settings)
    assert refused.value.cause is Cause.WRONG_DEVICE
    assert device.closed
    grab.assert_not_called()


async def test_missing_library_names_its_extra(mocker: MockerFixture) -> None:
    mocker.patch("drivers.links.keyboard.device_major", return_value=INPUT_MAJOR)
    mocker.patch.dict(sys.modules, {"evdev": None})
    with pytest.raises(LinkError) as refused:
        await LinkFactory().keyboard(KeyboardSettings(port="/dev/input/event5"))
    assert refused.value.action is Action.CONFIGURE
    assert "wedge" in refused.value.how


# With umockdev: a real open, real ioctls and real reads of a node that the kernel does not have.

DEVICE = f"""\
P: /devices/usb1/1-1/1-1:1.0/input/input5/event5
N: input/event5
S: input/by-id/usb-Access-IS_OCR315e_SIM0001-event-kbd
E: DEVNAME=/dev/input/event5
E: MAJOR=13
E: MINOR=69
E: SUBSYSTEM=input
A: dev=13:69
L: device=../../input5

P: /devices/usb1/1-1/1-1:1.0/input/input5
E: SUBSYSTEM=input
A: name=Access-IS OCR315e
A: uniq=SIM0001
A: id/vendor=0db5
A: id/product=0137
A: capabilities/key={TYPES}
"""


def ioctls() -> str:
    """Responses of the node, each as long as python-evdev requests."""

    def padded(data: bytes, size: int) -> str:
        return data.ljust(size, b"\0").hex().upper()

    keys = b"".join(int(word, 16).to_bytes(8, "little") for word in reversed(TYPES.split()))
    bits = {1: keys, 4: b"\x10", 17: b"\x1f", 20: b"\x03"}  # keys, scan codes, lights, repetition
    return "\n".join(
        [
            "EVIOCGVERSION 0 01000100",
            "EVIOCGID 0 0300B50D37010001",
            f"EVIOCGNAME(0) 0 {padded(b'Access-IS OCR315e', 256)}",
            f"EVIOCGPHYS(0) 0 {padded(b'usb-1', 256)}",
            f"EVIOCGUNIQ(0) 0 {padded(b'SIM0001', 256)}",
            f"EVIOCGBIT(0) 0 {padded(sum(1 << kind for kind in (0, *bits)).to_bytes(4, 'little'), 4)}",
            *(f"EVIOCGBIT({kind}) 0 {padded(data, 96)}" for kind, data in bits.items()),
            "EVIOCGEFFECTS 0 00000000",
            "",
        ]
    )


def evemu(events: bytes) -> str:
    """Events in the text format of evemu."""
    return "".join(
        f"E: {seconds}.{microseconds:06} {kind:04x} {code:04x} {value}\n"
        for seconds, microseconds, kind, code, value in struct.iter_unpack("=qqHHi", events)
    )


LISTEN = """
import asyncio, json, sys
from drivers.links.factory import LinkFactory
from drivers.passport.mrz_wedge import MrzWedge, MrzWedgeSettings

async def main():
    links = LinkFactory()
    driver = MrzWedge(MrzWedgeSettings(port=sys.argv[1]), links)
    identity = await driver.open()
    async for said in driver.watch():
        lines = getattr(said, "lines", None)
        if lines is not None:
            break
    print(json.dumps([identity.model, identity.serial_number, lines, links.is_simulated]))
    await driver.close()
    await links.close()

asyncio.run(main())
"""


@needs_umockdev
@pytest.mark.parametrize("address", ["usb:0DB5:0137:SIM0001", "/dev/input/event5"])
def test_emulated_input_device_is_read(address: str, tmp_path: Path) -> None:
    pytest.importorskip("evdev", reason="needs the extra: pip install evdev")
    clock = Clock(0)
    typed = typed_by_person("hunter2", clock, key_s=0.02)
    clock.pause(0.2)
    for line in PASSPORT:
        typed += events_of([*strokes_of(line), *end_strokes(EndKey.ENTER)], clock)
    files: dict[str, str] = {"device": DEVICE, "ioctls": ioctls(), "events": evemu(typed), "listen": LISTEN}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    node = "/dev/input/event5"
    ran = subprocess.run(
        [
            "umockdev-run",
            *("-d", str(tmp_path / "device")),
            *("-i", f"{node}={tmp_path / 'ioctls'}"),
            *("-e", f"{node}={tmp_path / 'events'}"),
            *("--", sys.executable, str(in_jail.PROGRAM), "drivers.links.keyboard:KeyboardSettings"),
            *(json.dumps({"port": address}), str(tmp_path / "listen"), address),
        ],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    model, serial_number, lines, simulated = json.loads(ran.stdout)
    assert (model, serial_number) == ("Access-IS OCR315e", "SIM0001")
    assert tuple(lines) == PASSPORT
    assert simulated, "umockdev's nodes are ptys"
