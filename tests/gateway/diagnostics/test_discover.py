"""`borderpost discover`: staged trees of sysfs, and a simulated post that responds."""

import asyncio
import contextlib
import io
import json
import os
import tomllib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from support.gateway.staged_hosts import StagedHost
from support.patience import PATIENCE_S
from typer.testing import CliRunner

from drivers.registry import load_driver
from gateway.cli import app
from gateway.cli import discover as command
from gateway.cli._lib import terminal
from gateway.config.loader import load_sound_parts
from gateway.diagnostics.discovery import proposals
from gateway.diagnostics.discovery import search as search_module
from gateway.diagnostics.discovery.found import FoundDevice
from gateway.diagnostics.discovery.network import address_fault, interface_addresses, modbus_addresses
from gateway.diagnostics.discovery.search import CHIP_READER, SearchOptions, SearchResult, discover
from simulators.barrier import modbus_site
from simulators.barrier.modbus_site import ModbusSite
from simulators.links.serial_line import SerialLine
from simulators.passport.hid import ACCESSIS_DESCRIPTOR, POS_DESCRIPTOR
from simulators.registry import parse_settings
from simulators.usb.keyboard import REPORTS as KEYBOARD_DESCRIPTOR

MOUSE = bytes.fromhex("0501 0902 a101 7508 9503 0930 8106 c0")
OFFLINE = SearchOptions(interfaces=())
TYPING = "10000 402000000 3803078f800d001 feffffdfffefffff fffffffffffffffe"
"""Keys of a keyboard, as sysfs lists them."""
POST = """
[gateway]
site = "uto-test"
name = "gw-1"
profile = "test"
state_dir = "{folder}/state"
[broker]
host = "127.0.0.1"
"""


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StagedHost:
    monkeypatch.setattr(search_module, "list_slots", lambda: ([], ""))
    return StagedHost(tmp_path / "host")


def node(host: StagedHost, path: str) -> Path:
    return host.write(f"dev/{path}", "")


def plug_port(host: StagedHost, socket: str, ids: str, number: int, name: str, **attributes: object) -> Path:
    """Plug in a USB device with a serial port."""
    device = host.plug(socket, ids, number, **attributes)
    (device / f"{socket}:1.0/{name}/tty/{name}").mkdir(parents=True)
    return node(host, name)


def found_on(host: StagedHost, config: Path | None = None) -> SearchResult:
    devices = {} if config is None else load_sound_parts(config).devices
    return discover(devices, host.host_view, OFFLINE)


def post_file(folder: Path, devices: str) -> Path:
    file = folder / "post.toml"
    file.write_text(POST.format(folder=folder) + devices)
    return file


def test_serial_reader_is_proposed(host: StagedHost) -> None:
    plug_port(
        host, "1-2", "0db5:0137", 4, "ttyACM0", serial="A1", manufacturer="Access-IS", product="OCR315e"
    )
    (found,) = found_on(host).devices
    assert (found.kind, found.name, found.address) == ("serial", "Access-IS OCR315e", "usb:0DB5:0137:A1")
    assert found.drivers[0] == "mrz-serial"
    table = tomllib.loads(found.paste)["device"]["lane-1/reader"]
    assert table == {"driver": "mrz-serial", "port": "usb:0DB5:0137:A1", "framing": "accessis"}


@pytest.mark.parametrize(
    ("ids", "driver", "key"),
    [
        ("2b78:0005", "mrz-serial", {"framing": "elyctis"}),
        ("0c2e:0b6a", "ocr-scanner", {"model": "honeywell"}),
        ("1eab:1a22", "ocr-scanner", {"model": "newland"}),
        ("05e0:1701", "ocr-scanner", {"model": "zebra"}),
        ("1a86:7523", "mrz-serial", {}),
    ],
)
def test_table_is_accepted(
    host: StagedHost, ids: str, driver: str, key: dict[str, str], tmp_path: Path
) -> None:
    plug_port(host, "1-2", ids, 4, "ttyUSB0")
    (found,) = found_on(host).devices
    assert found.drivers[0] == driver
    (table,) = tomllib.loads(found.paste)["device"].values()
    assert key.items() <= table.items()
    post = load_sound_parts(post_file(tmp_path, found.paste))
    assert not post.tolerated
    assert len(post.devices) == 1


def test_keyboard_reader_is_proposed_with_warning(host: StagedHost) -> None:
    device = host.plug("1-3", "0db5:0137", 5, serial="B1", product="OCR315e")
    keyboard = device / "1-3:1.0/0003:0DB5:0137.0002/input/input7"
    host.write(str((keyboard / "capabilities/key").relative_to(host.folder)), TYPING)
    (keyboard / "event5").mkdir()
    (found,) = found_on(host).devices
    assert (found.kind, found.drivers) == ("keyboard", ("mrz-wedge",))
    assert 'port = "usb:0DB5:0137:B1"' in found.paste
    assert any("If people type on it" in remark for remark in found.remarks)


def plug_hid(device: Path, interface: int, descriptor: bytes) -> None:
    """Add a HID interface to a USB device."""
    hid = device / f"{device.name}:1.{interface}/0003:0000:0000.{interface:04}"
    (hid / f"hidraw/hidraw{interface}").mkdir(parents=True)
    (hid / "report_descriptor").write_bytes(descriptor)


@pytest.mark.parametrize(
    ("ids", "descriptors", "node"),
    [
        ("0db5:0120", (ACCESSIS_DESCRIPTOR, ACCESSIS_DESCRIPTOR), "hidraw0"),
        ("0db5:0127", (KEYBOARD_DESCRIPTOR, MOUSE, ACCESSIS_DESCRIPTOR), "hidraw2"),
        ("0c2e:0b87", (KEYBOARD_DESCRIPTOR, POS_DESCRIPTOR), "hidraw1"),
    ],
)
def test_reader_in_hid_mode_is_proposed(
    ids: str, descriptors: tuple[bytes, ...], node: str, host: StagedHost, tmp_path: Path
) -> None:
    device = host.plug("1-3", ids, 5, product="OCR640", serial="C1")
    for interface, descriptor in enumerate(descriptors):
        plug_hid(device, interface, descriptor)
    if KEYBOARD_DESCRIPTOR in descriptors:
        keyboard = device / "1-3:1.0/0003:0000:0000.0000/input/input7"
        host.write(str((keyboard / "capabilities/key").relative_to(host.folder)), TYPING)
        (keyboard / "event5").mkdir()
    (found,) = (each for each in found_on(host).devices if each.kind == "hid")
    assert (found.node, found.drivers) == (str(host.folder / "dev" / node), ("mrz-hid",))
    table = tomllib.loads(found.paste)["device"]
    (keys,) = table.values()
    assert keys == {"driver": "mrz-hid", "port": f"usb:{ids.upper()}:C1"}
    assert not load_sound_parts(post_file(tmp_path, found.paste)).tolerated


def test_keyboard_receiver_is_no_reader(host: StagedHost) -> None:
    device = host.plug("1-3", "046d:c52b", 5, product="USB Receiver")
    plug_hid(device, 0, KEYBOARD_DESCRIPTOR)
    plug_hid(device, 2, ACCESSIS_DESCRIPTOR)
    keyboard = device / "1-3:1.0/0003:0000:0000.0000/input/input7"
    host.write(str((keyboard / "capabilities/key").relative_to(host.folder)), TYPING)
    (keyboard / "event5").mkdir()
    assert [found.kind for found in found_on(host).devices] == ["keyboard"]


def test_fingerprint_scanner_is_known_by_its_ids(host: StagedHost) -> None:
    host.plug("1-4", "05ba:000a", 6, product="U.are.U 4500")
    host.plug("1-5", "abcd:0001", 7, product="Lamp")
    scanner, lamp = found_on(host).devices
    assert (scanner.kind, scanner.drivers) == ("usb", ("uru4000",))
    assert 'driver = "uru4000"' in scanner.paste
    assert (lamp.drivers, lamp.paste) == ((), "")


def test_first_node_of_camera_only(host: StagedHost) -> None:
    device = host.plug("1-6", "046d:0825", 8, product="Webcam C270")
    for number, index in ((0, 0), (1, 1)):
        where = f"1-6:1.0/video4linux/video{number}/index"
        host.write(str((device / where).relative_to(host.folder)), index)
    (found,) = found_on(host).devices
    assert (found.kind, found.node, found.drivers) == (
        "camera",
        str(host.folder / "dev/video0"),
        ("camera-uvc",),
    )


def test_port_of_machine_with_uart_only(host: StagedHost) -> None:
    for name, kind in (("ttyS0", 4), ("ttyS1", 0)):
        host.write(f"sys/class/tty/{name}/type", kind)
        host.write(f"sys/class/tty/{name}/device/uevent", "")
    (found,) = found_on(host).devices
    assert (found.kind, found.address) == ("serial", "/dev/ttyS0")


def test_twins_get_address_of_their_socket(host: StagedHost) -> None:
    ports = [plug_port(host, f"1-{n}", "1a86:7523", 3 + n, f"ttyUSB{n}") for n in range(1, 3)]
    for n, port in enumerate(ports, 1):
        link = host.folder / f"dev/serial/by-path/pci-0000:00:14.0-usb-0:{n}:1.0-port0"
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(port)
    first, second = found_on(host).devices
    assert first.address == "/dev/serial/by-path/pci-0000:00:14.0-usb-0:1:1.0-port0"
    assert second.address == "/dev/serial/by-path/pci-0000:00:14.0-usb-0:2:1.0-port0"
    tables = tomllib.loads(f"{first.paste}\n{second.paste}")["device"]
    assert list(tables) == ["lane-1/reader", "lane-2/reader"]


def test_holder_is_named_with_its_remedy(host: StagedHost) -> None:
    port = plug_port(host, "1-2", "1a86:7523", 4, "ttyUSB0")
    host.process(712, "brltty", holds=port)
    (found,) = found_on(host).devices
    assert found.held_by == ("brltty (pid 712)",)
    assert any("systemctl mask --now brltty" in remark for remark in found.remarks)


def test_chip_reader_is_not_unknown(host: StagedHost) -> None:
    device = host.plug("1-7", "072f:2200", 9, product="ACR122U")
    host.write("sys/bus/usb/devices/1-7/1-7:1.0/bInterfaceClass", "0b")
    (found,) = found_on(host).devices
    assert found.remarks == (CHIP_READER,)
    assert "no installed driver" not in "\n".join(line.plain for line in command._lines(found_on(host)))

    module = host.folder / "sys/bus/usb/drivers/pn533_usb"
    module.mkdir(parents=True)
    (device / "1-7:1.0/driver").symlink_to(module)
    taken, _ = found_on(host).devices[0].remarks
    assert taken.startswith("The kernel driver pn533_usb has taken the chip reader at USB socket 1-7")
    assert "sudo modprobe -r pn533_usb" in taken


def test_configured_device_needs_no_table(host: StagedHost, tmp_path: Path) -> None:
    port = plug_port(host, "1-2", "0db5:0137", 4, "ttyACM0", serial="A1")
    host.process(800, "lane-1/reader", holds=port)
    table = '[device."lane-1/reader"]\ndriver = "mrz-serial"\nport = "{}"\nframing = "accessis"\n'
    for address in ("usb:0DB5:0137:A1", "usb:0db5:0137", "/dev/ttyACM0"):
        (found,) = found_on(host, post_file(tmp_path, table.format(address))).devices
        assert (found.position, found.paste, found.remarks) == ("lane-1/reader", "", ())
        assert found.held_by == ("the gateway, for lane-1/reader (pid 800)",)


FORK_SERVER = 790


@pytest.fixture
def gateway(host: StagedHost) -> StagedHost:
    """Machine with a running gateway, whose workers have the parent FORK_SERVER."""
    host.process(FORK_SERVER, "forkserver", parent=780)
    return host


def test_worker_of_simulated_device_is_the_gateway(gateway: StagedHost, tmp_path: Path) -> None:
    port = node(gateway, "pts/3")
    gateway.process(800, "lane-1/reader", holds=port, parent=FORK_SERVER)
    gateway.process(801, "socat", holds=port, parent=1)
    table = '[device."lane-1/reader"]\ndriver = "mrz-serial"\nport = "/dev/pts/3"\nframing = "rte"\n'
    (found,) = found_on(gateway, post_file(tmp_path, table)).devices
    assert (found.kind, found.position) == ("configured", "lane-1/reader")
    assert set(found.held_by) == {"the gateway, for lane-1/reader (pid 800)", "socat (pid 801)"}


def test_worker_is_known_without_file(gateway: StagedHost) -> None:
    port = plug_port(gateway, "1-2", "1a86:7523", 4, "ttyUSB0")
    gateway.process(800, "y-border/reader", holds=port, parent=FORK_SERVER)
    (found,) = found_on(gateway).devices
    assert found.held_by == ("the gateway, for y-border/reader (pid 800)",)
    assert found.remarks == (), "nothing that would end a worker"


def test_two_positions_of_one_device_are_named(gateway: StagedHost, tmp_path: Path) -> None:
    port = plug_port(gateway, "1-2", "1a86:7523", 4, "ttyUSB0")
    gateway.process(800, "lane-2/reader", holds=port, parent=FORK_SERVER)
    table = '[device."{}"]\ndriver = "mrz-serial"\nport = "{}"\nframing = "rte"\n'
    both = table.format("lane-1/reader", "/dev/ttyUSB0") + table.format("lane-2/reader", "usb:1a86:7523")
    found, second = found_on(gateway, post_file(tmp_path, both)).devices
    assert found.held_by == ("the gateway, for lane-2/reader (pid 800)",)
    assert found.remarks == (
        "lane-1/reader and lane-2/reader have this device: correct the address of one of them.",
    )
    assert second.remarks == ("Another position has this device too: correct the address of one of them.",)


def test_worker_of_running_gateway_needs_no_proc(host: StagedHost, tmp_path: Path) -> None:
    """The service's own process cannot see the files that its workers have open."""
    plug_port(host, "1-2", "1a86:7523", 4, "ttyUSB0")
    table = '[device."lane-1/reader"]\ndriver = "mrz-serial"\nport = "/dev/ttyUSB0"\nframing = "rte"\n'
    devices = load_sound_parts(post_file(tmp_path, table)).devices
    options = SearchOptions(interfaces=(), workers={"lane-1/reader": 800})
    (found,) = discover(devices, host.host_view, options).devices
    assert found.held_by == ("the gateway, for lane-1/reader (pid 800)",)


@pytest.fixture
def no_known_drivers() -> Iterator[None]:
    proposals.usable_drivers.cache_clear()
    yield
    proposals.usable_drivers.cache_clear()


@pytest.mark.usefixtures("no_known_drivers")
def test_driver_that_ends_its_import_is_left_out(
    host: StagedHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An import that calls sys.exit, in a package of another vendor."""
    package = tmp_path / "packages"
    metadata = package / "ending-1.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: ending\nVersion: 1\n")
    (metadata / "entry_points.txt").write_text("[borderpost.drivers]\na-first = ending:It\n")
    (package / "ending.py").write_text("raise SystemExit(3)\n")
    monkeypatch.syspath_prepend(str(package))
    plug_port(host, "1-2", "0db5:0137", 4, "ttyACM0")
    (found,) = found_on(host).devices
    assert found.drivers[0] == "mrz-serial"
    assert "a-first" not in found.drivers


def test_missing_device_of_file_is_listed(host: StagedHost, tmp_path: Path) -> None:
    table = '[device."lane-1/reader"]\ndriver = "mrz-serial"\nport = "usb:0DB5:0137"\nframing = "rte"\n'
    (found,) = found_on(host, post_file(tmp_path, table)).devices
    assert (found.kind, found.position) == ("configured", "lane-1/reader")
    assert found.remarks == ("Nothing is plugged in at this address.",)


def test_chip_slot_belongs_to_reader_without_one(
    host: StagedHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search_module, "list_slots", lambda: (["ACS ACR1252 Dual Reader 00 00"], ""))
    table = '[device."bus/reader"]\ndriver = "mrz-serial"\nport = "/dev/ttyS0"\nframing = "rte"\n'
    slot = found_on(host, post_file(tmp_path, table)).devices[0]
    assert slot.kind == "smartcard"
    assert slot.paste.startswith('[device."bus/reader".chip]\nreader = "ACS ACR1252 Dual Reader 00 00"')
    post = load_sound_parts(
        post_file(tmp_path, table + slot.paste.replace('trust = ["/etc/borderpost/trust"]', ""))
    )
    assert not post.tolerated


@pytest.mark.parametrize(
    ("given", "addresses"),
    [
        ("192.0.2.31", ["tcp://192.0.2.31:502"]),
        ("tcp://board.example:1502", ["tcp://board.example:1502"]),
        ("192.0.2.0/30", ["tcp://192.0.2.1:502", "tcp://192.0.2.2:502"]),
    ],
)
def test_addresses_to_ask(given: str, addresses: list[str]) -> None:
    assert modbus_addresses([given]) == addresses


@pytest.mark.parametrize(
    "given", [["10.0.0.0/8"], ["a b"], ["host:99999"], ["1.2.3.4/40"], ["192.0.2.0/24", "198.51.100.0/25"]]
)
def test_wrong_addresses_are_refused(given: list[str]) -> None:
    with pytest.raises(ValueError) as refused:  # noqa: PT011 - pydantic's, ipaddress's and our own
        modbus_addresses(given)
    assert "validation error" not in address_fault(refused.value)


@pytest.mark.parametrize(("count", "where"), [(1, "tcp://127.0.0.1:1"), (5, "any of 5 addresses")])
def test_address_without_board_is_told(host: StagedHost, count: int, where: str) -> None:
    asked = tuple(f"tcp://127.0.0.1:{port}" for port in range(1, count + 1))
    result = discover({}, host.host_view, SearchOptions(interfaces=(), modbus=asked))
    (said,) = result.failures
    assert said.startswith(f"No board with Modbus responds at {where}. Check its power")


def test_interfaces_are_addresses() -> None:
    assert interface_addresses([]) == (None,)
    assert interface_addresses(["192.0.2.1", "192.0.2.1"]) == ("192.0.2.1",)
    for wrong in (["eth0"], [f"192.0.2.{n}" for n in range(9)]):
        with pytest.raises(ValueError):  # noqa: PT011 - ipaddress's and our own
            interface_addresses(wrong)


async def borderpost(*arguments: object) -> Result:
    return await asyncio.to_thread(CliRunner().invoke, app, [str(one) for one in arguments])


@contextlib.asynccontextmanager
async def simulated(**settings: Any) -> AsyncIterator[Any]:
    """Run one simulator in this process."""
    simulator: Any = parse_settings(settings).build()
    ready = asyncio.Event()
    running = asyncio.create_task(simulator.run(lambda event, _: ready.set() if event == "ready" else None))
    await ready.wait()
    try:
        yield simulator
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_simulated_post_is_found(
    host: StagedHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "HostView", lambda: host.host_view)
    reader = '[device."lane-1/reader"]\ndriver = "mrz-serial"\nport = "{}"\nframing = "rte"\n'
    file = post_file(tmp_path, reader.format(tmp_path / "reader"))
    camera = {
        "name": "lane-1/camera",
        "kind": "camera-onvif",
        "port": 0,
        "rtsp_port": 0,
        "discoverable": True,
    }
    async with (
        SerialLine.open_at(tmp_path / "reader"),
        simulated(**camera, username="watch", password="two words") as onvif,
        ModbusSite.start(modbus_site.ModbusSettings()) as board,
    ):
        options = ("--interface", "127.0.0.1", "--modbus", board.address, "--modbus", "127.0.0.1:1")
        address = onvif.server.url + "/onvif/device_service"
        async with asyncio.timeout(PATIENCE_S):
            while True:
                ran = await borderpost("discover", file, *options, "--json")
                assert ran.exit_code == os.EX_OK, ran.output
                listed = json.loads(ran.stdout)
                devices = [
                    FoundDevice(**device)
                    for device in listed["devices"]
                    if device["kind"] != "network_camera"
                    or device["address"] == address  # those of other tests answer too
                ]
                if {"network_camera", "modbus"} <= {device.kind for device in devices}:
                    break  # on a busy machine an answer comes after the search
    (silent,) = listed["failures"]
    assert silent.startswith("No board with Modbus responds at tcp://127.0.0.1:1. ")
    text = "\n".join(line.plain for line in command._lines(SearchResult(devices, [])))
    found = {device.kind: device for device in devices}
    assert found["configured"].position == "lane-1/reader"
    assert found["modbus"].address == f"tcp://{board.address}"
    assert "network_camera" in found
    assert len(devices) == 3
    for device in (found["network_camera"], found["modbus"]):
        tomllib.loads(device.paste)
        assert device.paste in text
    table = tomllib.loads(found["network_camera"].paste)["device"]["lane-1/camera"]
    name = table.pop("driver")
    table["url"] = table["url"].replace("http:", "https:")
    table.pop("allow_cleartext", None)
    load_driver(name).settings_model.model_validate(table)


def test_table_is_whole_on_a_narrow_terminal(
    host: StagedHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plug_port(
        host,
        "1-2",
        "0db5:0137",
        4,
        "ttyACM0",
        serial="A12345678901234567890",
        product="OCR315e",
        manufacturer="Access-IS",
    )
    (found,) = found_on(host).devices
    shown = io.StringIO()
    narrow = terminal.TerminalConsole(file=shown, force_terminal=True, width=40, highlight=False)
    for module in (command, terminal):
        monkeypatch.setattr(module, "console", narrow, raising=False)
    monkeypatch.setattr(command, "HostView", lambda: host.host_view)
    command.discover(tmp_path / "none.toml", network=False)
    assert max(map(len, found.paste.splitlines())) > 40
    assert found.paste in shown.getvalue()
    driver = shown.getvalue()[shown.getvalue().index("driver: ") :].partition("\n\n")[0]
    assert max(map(len, driver.splitlines())) <= 40
    assert not [line for line in driver.splitlines() if "  " in line.strip() or line != line.rstrip()]


async def test_works_without_file(host: StagedHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "HostView", lambda: host.host_view)
    ran = await borderpost("discover", tmp_path / "none.toml", "--no-network")
    assert (ran.exit_code, ran.stdout) == (0, "Nothing was found.\n")
    (tmp_path / "bad.toml").write_text("gateway = ")
    ran = await borderpost("discover", tmp_path / "bad.toml", "--no-network")
    assert "borderpost config check" in ran.stdout
