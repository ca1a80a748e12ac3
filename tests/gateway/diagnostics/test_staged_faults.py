"""Ten faults staged before a whole gateway: `why` and the device's page name cause and remedy of each."""

import asyncio
import contextlib
import gzip
import html
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.brokers.certificates import Authority
from support.brokers.mosquitto import Mosquitto
from support.devices.fingerprint_scanners import FINGER, usb_scanner
from support.gateway.gateways import DEVICE, GatewayFixture, until
from support.patience import PATIENCE_S
from support.process.wall_clock import WallClock, clock_fault
from torture.post import Disk
from typer.testing import CliRunner

from gateway.api.models import DeviceView
from gateway.cli import app
from gateway.client import CommandError
from gateway.diagnostics.findings import phone_code
from simulators.links.serial_line import SerialLine
from simulators.mrz import Format
from simulators.passport import accessis, text
from simulators.passport.elyctis import Elyctis
from simulators.specimens import ERIKSSON_LINES
from simulators.travellers import TravellerGenerator
from simulators.usb.usbip_bus import UsbIpBus

PASSPORT = ERIKSSON_LINES["TD3"]
PRIVILEGES = ("setpriv", "--bounding-set=-dac_override,-dac_read_search,-sys_admin")
"""Without these capabilities, root is refused what other users are."""

STAGED = {
    "forbidden/reader": (
        "no_permission",
        "runs as root, which may not open /dev/pts/",
        "sudo borderpost udev --install",
    ),
    "held/reader": ("port_held", "ModemManager (pid ", "sudo systemctl mask --now ModemManager"),
    "rate/reader": ("wrong_format", 'fit neither framing = "accessis" nor another known format', "115200"),
    "dirty/reader": ("sensor_dirty", "5 of 12 reads failed: the glass is probably dirty", "soft, dry cloth"),
    "dirty/finger": (
        "sensor_dirty",
        "Something other than a finger is on the scanner's platen.",
        "soft, dry cloth",
    ),
    "cable/reader": ("cable_dying", "disconnected 3 times", "Replace the cable"),
    "firmware/reader": ("wrong_firmware", "OCR 1.07 SIM, and OCR 2.00 is expected", "expected_firmware"),
    "trust/reader": ("no_trust_store", "has no certificate of any state", "CSCA certificates"),
    "well/reader": ("certificate_expired", "certificate for [hq] expired on", "Request a new certificate"),
}  # fmt: skip
ROLES = """
authority = "UTO"
[role.officer]
verbs = ["*"]
[station.counter]
roles = ["officer"]
positions = ["dirty/*"]
"""
HQ = """
[commands]
roles_file = "roles.toml"
[hq]
host = "127.0.0.1"
port = 1
[hq.tls]
cert_file = "{cert}"
key_file = "{key}"
"""


def at_half_the_rate(sent: bytes) -> bytes:
    """Return the bytes that a host reads at twice the sender's rate, in 8N1."""
    line = [bit for byte in sent for bit in (0, *(byte >> n & 1 for n in range(8)), 1) for _ in range(2)]
    heard, at = bytearray(), 0
    while at + 10 <= len(line):
        if line[at]:
            at += 1
            continue
        heard.append(sum(bit << n for n, bit in enumerate(line[at + 1 : at + 9])))
        at += 10
    return bytes(heard)


class Site(GatewayFixture):
    """Gateway under restricted privileges, as in a service, on a small disk."""

    disk: Disk | None = None

    def place(self, position: str, more: str, framing: str = "text") -> None:
        self.describe(position, "mrz-serial", f'framing = "{framing}"\ngap_s = 0.05\n{more}')

    async def plug_reader(self, position: str) -> SerialLine:
        """Reader whose port the gateway may open."""
        wire = await self.wire(position)
        self.port(position).chmod(0o666)
        return wire

    async def get(self, path: str) -> httpx.Response:
        """Return the console's response."""
        way = httpx.AsyncHTTPTransport(uds=str(self.folder / "state/console.sock"))
        async with httpx.AsyncClient(
            transport=way, base_url="http://localhost", timeout=PATIENCE_S
        ) as console:
            answer = await console.get(path)
            assert answer.status_code == 200, answer.text
            return answer

    async def get_json(self, path: str) -> Any:
        """Return the API's view of a device."""
        return (await self.get(f"/api/v1/devices/{path}")).json()

    async def until(self, position: str, true: Callable[[DeviceView], bool]) -> None:
        """Wait until a device's view meets the condition."""
        async with asyncio.timeout(PATIENCE_S):
            while not true(DeviceView.model_validate(await self.get_json(position))):
                await asyncio.sleep(0.05)

    async def wait_for_finding(self, position: str, code: str, said: str = "") -> dict[str, str]:
        """Request findings until that code appears with that text, after the worker's next heartbeat.

        The page shows the same. A busy machine shows what the driver said until a check has more.
        """
        deadline = asyncio.get_running_loop().time() + PATIENCE_S
        while True:
            reasons = {reason["code"]: reason for reason in await self.get_json(f"{position}/why")}
            if (named := reasons.get(code)) is not None and said in named["text"]:
                page = html.unescape((await self.get(f"/devices/{position}")).text)
                # On a busy machine the page comes first, and the browser fetches the findings later.
                if f'data-late="/devices/{position}/why"' in page:
                    page = html.unescape((await self.get(f"/devices/{position}/why")).text)
                if named["text"] in page and named["how"] in page:
                    return named
            assert asyncio.get_running_loop().time() < deadline, (position, code, reasons)
            await asyncio.sleep(0.1)


HOLD = """
import fcntl, os, signal, sys, termios
fcntl.ioctl(os.open(sys.argv[1], os.O_RDWR | os.O_NOCTTY), termios.TIOCEXCL)
open("/proc/self/comm", "w").write("ModemManager")
signal.pause()
"""


@contextlib.asynccontextmanager
async def another_program(port: Path) -> AsyncIterator[None]:
    """A program named ModemManager that has opened a port exclusively."""
    process = await asyncio.create_subprocess_exec(
        *PRIVILEGES, sys.executable, "-SEc", HOLD, os.path.realpath(port)
    )
    try:
        await until(lambda: "ModemManager" in Path(f"/proc/{process.pid}/comm").read_text())
        yield
    finally:
        process.kill()
        await process.wait()


@pytest.fixture(scope="module")
def mosquitto() -> Iterator[Mosquitto]:
    with Mosquitto() as broker:
        yield broker


@pytest.fixture
async def site(tmp_path: Path, mosquitto: Mosquitto) -> AsyncIterator[Site]:
    site = Site(tmp_path, mosquitto, under=PRIVILEGES)
    site.disk = Disk(tmp_path / "state", 4 << 20)
    site.stack.callback(site.disk.close)
    try:
        yield site
    finally:
        if site.process is not None:
            await site.stop()
        await site.stack.aclose()


async def check_command_line_and_bundle(site: Site) -> None:
    def run(*words: str) -> tuple[int, str]:
        ended = CliRunner().invoke(app, list(words))
        return ended.exit_code, ended.output

    code, said = await asyncio.to_thread(run, "why", str(site.config), "held/reader")
    assert (code, said.splitlines()[0].endswith("[BP-PORT-HELD-20]")) == (3, True), said
    code, said = await asyncio.to_thread(run, "doctor", str(site.config))
    assert code == 3
    for named in ("no_permission", "cable_dying", "certificate_expired", "wrong_firmware"):
        assert phone_code(named) in said, said
    archive, journal = site.folder / "bundle.tar.gz", site.folder / "gateway.log"
    packing = ("bundle", str(site.config), "-o", str(archive), "--journal", str(journal))
    assert (await asyncio.to_thread(run, *packing))[0] == 0
    packed = gzip.decompress(archive.read_bytes())
    assert b'"type": "document.read"' in packed
    assert b'"event": "gateway_started"' in packed
    for mark in (b"LEAKMARKER", b"Leakmarker", b"ZZLEAK999"):
        assert mark not in packed


@pytest.mark.timeout(240)
async def test_ten_faults_have_cause_and_remedy(site: Site) -> None:
    if os.geteuid() != 0:
        pytest.skip("a full disk can be staged by root only")
    if fault := clock_fault():
        pytest.skip(fault)
    wall = WallClock(site.folder / "wall-clock")
    site.environment = wall.environment() | {"NO_FAKE_STAT": "1"}
    expired = Authority(site.folder / "pki").issue("gw-1", days=-1)
    site.extra = HQ.format(cert=expired, key=expired.with_suffix(".key"))
    (site.folder / "trust").mkdir()

    wires = {name: await site.plug_reader(name) for name in STAGED if name != "dirty/finger"}
    scanner = usb_scanner("4500", dirty=True)
    site.stack.callback(scanner.close)
    bus = await site.stack.enter_async_context(UsbIpBus())
    bus.connect("1-1", scanner)
    (site.folder / "roles.toml").write_text(ROLES)
    site.devices["dirty/finger"] = DEVICE.format(
        position="dirty/finger", driver="uru4000", port=bus.url("1-1"), more='quality = "ridge_clarity"'
    )
    site.port("forbidden/reader").chmod(0o000)
    await site.stack.enter_async_context(another_program(site.port("held/reader")))
    Elyctis(wires["firmware/reader"])
    for name in wires:
        framing = {"rate/reader": "accessis", "firmware/reader": "elyctis"}.get(name, "text")
        more = {
            "firmware/reader": 'expected_firmware = "OCR 2.00"',
            "trust/reader": f'[device."{name}".chip]\nreader = "ACS"\ntrust = ["{site.folder}/trust"]',
        }.get(name, "")
        site.place(name, more, framing)
    await site.start()
    for name in ("rate/reader", "dirty/reader", "well/reader"):
        await wires[name].wait_for_host()
    for count in range(1, 4):
        await wires["rate/reader"].send(at_half_the_rate(accessis.ocr_frame(PASSPORT)))
        await site.until("rate/reader", lambda seen, n=count: seen.counters.lifetime.bad_reads == n)
    marked = TravellerGenerator(9).document_with(format=Format.TD3)
    for _ in range(7):
        await wires["dirty/reader"].send(text.text_frame(marked.lines))
    for _ in range(5):
        await wires["dirty/reader"].send(b"LEAKMARKER SMUDGED\r")
    for count in range(1, 4):
        await site.until("cable/reader", lambda seen: seen.state.state == "online")
        wires["cable/reader"].unplug()
        await site.until("cable/reader", lambda seen, n=count: seen.counters.lifetime.disconnects == n)
        wires["cable/reader"].replug()
        site.port("cable/reader").chmod(0o666)

    async with site.workstation("dirty/finger", station="counter") as desk:
        await until(lambda: desk.status("dirty/finger").is_usable)
        scanner.platen.set_dirty(True)
        scanner.platen.place(FINGER.touch())
        with contextlib.suppress(CommandError):
            await desk.command("dirty/finger", "capture", {"position": "right_index"}, timeout_s=20)

    for position, (code, said, how) in STAGED.items():
        named = await site.wait_for_finding(position, code, said)
        assert how in named["how"], named
        assert named["action"] != "none", named

    await check_command_line_and_bundle(site)

    assert site.disk is not None
    site.disk.fill()
    full = await site.wait_for_finding("well/reader", "disk_full")
    assert f"The disk of {site.folder}/state has 0 MiB free of 4 MiB" in full["text"]
    assert f"df -h {site.folder}/state" in full["how"]

    wall.set("-3000d")
    wrong = await site.wait_for_finding("well/reader", "clock_wrong")
    assert "but this software was installed on" in wrong["text"]
    assert "timedatectl set-time" in wrong["how"]
