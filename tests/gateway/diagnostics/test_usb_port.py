"""Power of a USB port: found by the device, switched off and on, recorded first."""

from pathlib import Path

import pytest
from support.gateway.post_files import gateway_section
from support.gateway.staged_hosts import StagedHost

from gateway.config.loader import load_sound_parts
from gateway.contract.topics import Position
from gateway.diagnostics import usb_port
from gateway.diagnostics.usb_port import UsbPort, UsbPortError, find_port

POST = (
    gateway_section("uto-test", "test", "{folder}/state")
    + """
[broker]
host = "127.0.0.1"
[device."lane-1/reader"]
driver = "mrz-serial"
port = "{port}"
framing = "accessis"
"""
)


@pytest.fixture
def host(tmp_path: Path) -> StagedHost:
    return StagedHost(tmp_path / "host")


def switch(host: StagedHost, place: str) -> Path:
    return host.write(f"sys/bus/usb/devices/{place}/disable", 0)


def port_of(host: StagedHost, folder: Path, address: str) -> UsbPort:
    file = folder / "post.toml"
    file.write_text(POST.format(folder=folder, port=address))
    devices = load_sound_parts(file).devices
    return find_port(devices[Position.parse("lane-1/reader")], host.host_view)


@pytest.mark.parametrize(
    ("socket", "place"),
    [("1-2", "1-0:1.0/usb1-port2"), ("1-10.2", "1-10:1.0/1-10-port2"), ("2-1.4.3", "2-1.4:1.0/2-1.4-port3")],
)
def test_port_of_device(socket: str, place: str, host: StagedHost, tmp_path: Path) -> None:
    device = host.plug(socket, "0db5:0137", 4, serial="A1")
    (device / f"{socket}:1.0/ttyACM0").mkdir(parents=True)
    host.write("dev/ttyACM0", "")
    expected = switch(host, place)
    for address in ("usb:0DB5:0137:A1", "/dev/ttyACM0"):
        assert port_of(host, tmp_path, address).switches == (expected,)


def test_both_halves_of_socket_are_switched(
    host: StagedHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.plug("1-2", "0db5:0137", 4)
    switches = switch(host, "1-0:1.0/usb1-port2"), switch(host, "2-0:1.0/usb2-port2")
    (switches[0].parent / "peer").symlink_to(switches[1].parent)
    port = port_of(host, tmp_path, "usb:0DB5:0137")
    states: list[list[str]] = []
    monkeypatch.setattr(
        usb_port.time, "sleep", lambda _: states.append([each.read_text() for each in switches])
    )
    port.cycle(host.host_view)
    assert states == [["1", "1"]]
    assert [each.read_text() for each in switches] == ["0", "0"]


def test_device_that_stays_away_is_named(host: StagedHost, tmp_path: Path) -> None:
    device = host.plug("1-2", "0db5:0137", 4)
    switch(host, "1-0:1.0/usb1-port2")
    port = port_of(host, tmp_path, "usb:0DB5:0137")
    device.rename(tmp_path / "gone")
    with pytest.raises(UsbPortError, match="has not come back") as error:
        port.cycle(host.host_view, off_s=0, back_s=0.05)
    assert "Pull its plug" in error.value.how


def test_port_without_switch_is_named(host: StagedHost, tmp_path: Path) -> None:
    host.plug("1-2", "0db5:0137", 4)
    with pytest.raises(UsbPortError, match="has no switch"):
        port_of(host, tmp_path, "usb:0DB5:0137")


def test_ambiguous_address_switches_nothing(host: StagedHost, tmp_path: Path) -> None:
    for number in (1, 2):
        host.plug(f"1-{number}", "0db5:0137", number)
        switch(host, f"1-0:1.0/usb1-port{number}")
    with pytest.raises(UsbPortError, match="fit 2 USB devices"):
        port_of(host, tmp_path, "usb:0DB5:0137")


def test_power_returns_if_switching_off_fails(host: StagedHost, tmp_path: Path) -> None:
    host.plug("1-2", "0db5:0137", 4)
    first = switch(host, "1-0:1.0/usb1-port2")
    second = tmp_path / "missing/disable"
    port = UsbPort(port_of(host, tmp_path, "usb:0DB5:0137").device, (first, second))
    with pytest.raises(UsbPortError, match="refused"):
        port.cycle(host.host_view, off_s=0)
    assert first.read_text() == "0"
