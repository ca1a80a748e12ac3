"""Jail of a worker: the filter's decisions on both machines, private files, and links under it."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.devices.pcscd import why_no_pcscd, with_pcscd
from support.process import in_jail

from drivers.camera.onvif.settings import OnvifSettings
from drivers.links.http.client import HttpSettings
from drivers.links.modbus.link import ModbusSettings
from drivers.links.settings import MulticastGroup, NetworkHost, Settings
from drivers.links.usb.link import UsbSettings
from drivers.links.video.rtsp import RtspSettings
from drivers.passport.ocr_scanner import OcrScannerSettings
from gateway.contract.states import Confinement
from gateway.worker.jail import jail, seccomp, syscalls
from gateway.worker.jail.seccomp import ALLOW, EPERM, KILL, SocketRights, build_filter

PID = 4711
ENOSYS = seccomp.ENOSYS
ANY_TABLE = {**syscalls.ALLOWED, **syscalls.EXAMINED, **syscalls.FATAL}
needs_landlock = pytest.mark.skipif(
    jail.kernel_confinement() is Confinement.NONE, reason="this kernel has no Landlock"
)


def decision(
    program: list[tuple[int, int, int, int]], architecture: int, number: int, *arguments: int
) -> int:
    """Run a filter as the kernel does (Documentation/networking/filter.rst)."""
    data = {0: number, 4: architecture, **{16 + 8 * at: value for at, value in enumerate(arguments)}}
    at = accumulator = 0
    while True:
        code, if_true, if_false, constant = program[at]
        at += 1
        match code:
            case 0x20:
                accumulator = data.get(constant, 0) & 0xFFFFFFFF
            case 0x54:
                accumulator &= constant
            case 0x06:
                return constant
            case 0x15:
                at += if_true if accumulator == constant else if_false
            case 0x35:
                at += if_true if accumulator >= constant else if_false
            case 0x45:
                at += if_true if accumulator & constant else if_false
            case _:
                raise AssertionError(code)


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_filter_decides_by_arguments(machine: str) -> None:
    architecture, column = seccomp.MACHINES[machine]
    serial = build_filter(machine, PID, SocketRights())
    listener = build_filter(machine, PID, SocketRights(listens=True))
    local = build_filter(machine, PID, SocketRights(local=True))

    def told(name: str, *arguments: int, program: list[tuple[int, int, int, int]] = serial) -> int:
        return decision(program, architecture, ANY_TABLE[name][column], *arguments)

    assert len(listener) < 4096, "the kernel's limit"
    assert told("read") == told("futex") == ALLOW
    assert told("ptrace") == told("io_uring_setup") == told("keyctl") == KILL
    assert (told("clone", 0x3D0F00), told("clone", 0x11), told("clone3")) == (ALLOW, EPERM, ENOSYS)
    assert (told("tgkill", PID, 1, 6), told("kill", 1, 9)) == (ALLOW, EPERM)
    assert (told("prlimit64", 0), told("prlimit64", 1)) == (ALLOW, EPERM)
    assert (told("fcntl", 3, 2), told("fcntl", 3, 8)) == (ALLOW, EPERM)
    assert (told("ioctl", 3, 0x5401), told("ioctl", 3, 0x5412)) == (ALLOW, EPERM)
    assert (told("openat", 0, 0, 0o2), told("openat", 0, 0, 0o101)) == (ALLOW, EPERM)
    assert (told("prctl", 15), told("prctl", 4)) == (ALLOW, EPERM)
    assert told("socketpair", 1, 0o2000001) == ALLOW
    assert told("socketpair", 1, 2) == EPERM
    assert told("socket", 2, 1, 0) == told("connect") == EPERM
    for family, kind, protocol, expected in (
        (2, 0o2004001, 6, ALLOW),
        (10, 1, 0, ALLOW),
        (2, 1, 262, EPERM),
        (2, 2, 0, EPERM),
        (2, 3, 1, EPERM),
        (1, 1, 0, EPERM),
        (16, 3, 15, EPERM),
        (17, 3, 0, EPERM),
    ):
        assert told("socket", family, kind, protocol, program=listener) == expected
    assert told("listen", program=listener) == told("bind", program=listener) == ALLOW
    assert told("connect", program=listener) == told("listen", program=local) == EPERM
    assert told("connect", program=local) == ALLOW
    assert told("sendto", 3, 0, 1, 0x4000) == ALLOW
    assert told("sendto", 3, 0, 1, 0x20000000) == EPERM
    other = next(value for name, (value, _) in seccomp.MACHINES.items() if name != machine)
    assert decision(serial, other, 0) == KILL
    assert decision(serial, architecture, syscalls.NEWEST[machine] + 1) == ENOSYS
    if machine == "x86_64":
        assert decision(serial, architecture, 0x40000000) == KILL


@pytest.mark.parametrize(
    ("header", "column"),
    [("/usr/include/x86_64-linux-gnu/asm/unistd_64.h", 0), ("/usr/include/asm-generic/unistd.h", 1)],
)
def test_numbers_equal_headers(header: str, column: int) -> None:
    if not Path(header).exists():
        pytest.skip("needs linux-libc-dev")
    numbers = dict(re.findall(r"#define __NR(?:3264)?_(\w+)\s+(\d+)\b", Path(header).read_text()))
    differing = {
        name: (ours[column], numbers[name])
        for name, ours in ANY_TABLE.items()
        if name in numbers and ours[column] != int(numbers[name])
    }
    assert not differing
    missing = [name for name, ours in ANY_TABLE.items() if ours[column] >= 0 and name not in numbers]
    # Newer than the header, or named otherwise on machines of 32 bits.
    assert set(missing) <= {"fstat", "newfstatat", "mseal", "fadvise64", "sendfile"}


def test_rights_follow_settings() -> None:
    def hosts(settings: Settings) -> set[tuple[str | None, int | None]]:
        return {(host.name, host.port) for host in settings.link_rights().hosts}

    assert hosts(HttpSettings(url="http://127.0.0.1:8443/reader")) == {("127.0.0.1", 8443)}
    assert hosts(HttpSettings(url="https://Reader.post/")) == {("reader.post", 443)}
    assert hosts(HttpSettings(url="https://[fe80::1]/")) == {("fe80::1", 443)}
    assert hosts(RtspSettings(url="rtsps://192.0.2.1/a")) == {("192.0.2.1", 322)}
    assert hosts(ModbusSettings(port="tcp://[::1]:503")) == {("::1", 503)}
    assert hosts(UsbSettings(port="usbip://192.0.2.9:3240/1-1")) == {("192.0.2.9", 3240)}
    assert hosts(OnvifSettings(url="https://192.0.2.1")) == {("192.0.2.1", None)}
    searched = OnvifSettings.model_validate({"discovery": {"hardware": "x", "interface": "192.0.2.1"}})
    assert searched.link_rights().hosts == {NetworkHost(None, None, "192.0.2.1")}
    assert searched.link_rights().search == MulticastGroup("239.255.255.250", 3702, "192.0.2.1")
    assert hosts(UsbSettings(port="usb:05ba:000a")) == set()
    reader = OcrScannerSettings.model_validate(
        {"model": "zebra", "port": "/dev/null", "chip": {"reader": "Virtual", "trust": ["/etc/ssl"]}}
    ).link_rights()
    assert reader.local_sockets
    assert reader.readable == {Path("/etc/ssl")}
    assert reader.nodes() == ("/dev/null",)


def test_private_files_left_out(tmp_path: Path) -> None:
    """Check a folder of certificates that also has the signing key."""
    trust = tmp_path / "trust"
    (trust / "deep").mkdir(parents=True)
    for name in ("csca.der", "signing.key", "deep/other.der", "deep/hq.key"):
        (trust / name).write_text("")
    private = (str(trust / "signing.key"), str(trust / "deep/hq.key"), str(tmp_path / "state"))
    left = set(jail._without([str(trust)], private))
    assert left == {str(trust / "csca.der"), str(trust / "deep/other.der")}


def run_in_jail(tmp_path: Path, settings: str, values: dict[str, object], code: str) -> str:
    program = tmp_path / "program.py"
    program.write_text(code)
    command = [sys.executable, str(in_jail.PROGRAM), settings, json.dumps(values), str(program)]
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=60, check=True
    ).stdout


@needs_landlock
def test_libusb_starts(tmp_path: Path) -> None:
    pytest.importorskip("usb", reason="needs the extra: pip install pyusb")
    code = (
        "from usb.backend import libusb1; print(list(libusb1.get_backend().enumerate_devices()) is not None)"
    )
    told = run_in_jail(tmp_path, "drivers.links.usb.link:UsbSettings", {"port": "usb:05ba:000a"}, code)
    assert told == "True\n"


@needs_landlock
def test_late_imports_and_threads(tmp_path: Path) -> None:
    code = """
import asyncio, ssl, threading, zoneinfo, socket
import cv2, numpy, av
ssl.create_default_context()
print(zoneinfo.ZoneInfo("Africa/Nairobi"), socket.getaddrinfo("localhost", 80)[0][4][1])
print(asyncio.run(asyncio.to_thread(lambda: numpy.ones((9, 9)).dot(numpy.ones((9, 9))).sum())))
print(cv2.GaussianBlur(numpy.ones((99, 99), "uint8"), (5, 5), 0).sum())
"""
    told = run_in_jail(
        tmp_path, "drivers.links.http.client:HttpSettings", {"url": "http://127.0.0.1:9"}, code
    )
    assert told.split() == ["Africa/Nairobi", "80", "729.0", "9801"]


INSTALLED_BY_FINDER = """
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from drivers.links.serial import SerialSettings
from gateway.worker.jail.jail import JailSettings, confine

folder = Path(sys.argv[1])
spec = spec_from_file_location("acme", folder / "__init__.py", submodule_search_locations=[str(folder)])
sys.modules["acme"] = module_from_spec(spec)
confine(SerialSettings(port="/dev/null"), JailSettings(False, package="acme"))
from acme.late import CODES
print(CODES, (folder / "codes.json").read_text())
try:
    print((folder.parent / "other.json").read_text())
except PermissionError:
    print("denied")
"""
"""Package of a driver under development, as `pip install -e` has it: found by a finder, on no path."""


@needs_landlock
def test_package_in_another_folder_is_read(tmp_path: Path) -> None:
    folder = tmp_path / "project" / "acme"
    folder.mkdir(parents=True)
    for name, text in {
        "__init__.py": "",
        "late.py": "CODES = 7",
        "codes.json": "8",
        "../other.json": "9",
    }.items():
        (folder / name).write_text(text)
    command = [sys.executable, "-c", INSTALLED_BY_FINDER, str(folder)]
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert ended.stdout.split() == ["7", "8", "denied"], ended.stderr


@needs_landlock
@pytest.mark.skipif(why_no_pcscd() is not None, reason=str(why_no_pcscd()))
def test_smart_card_service_reached(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text("""
import asyncio
from drivers.links.factory import LinkFactory

async def main():
    async with asyncio.timeout(20):
        while True:
            try:
                async with LinkFactory().smart_card("Virtual PCD 00 00") as link:
                    print(link.name)
                    return
            except Exception as error:
                last = error
                await asyncio.sleep(0.1)

asyncio.run(main())
""")
    told = with_pcscd(
        tmp_path,
        sys.executable,
        in_jail.PROGRAM,
        "drivers.passport.chip_reading:ChipSettings",
        json.dumps({"reader": "Virtual PCD 00 00"}),
        program,
        timeout_s=60,
        PYTHONPATH=str(Path.cwd()),
    )
    assert "Virtual PCD 00 00" in told.stdout, told.stderr
