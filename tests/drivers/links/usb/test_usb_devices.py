"""USB devices in sysfs: lookup by address, and errors with remedies."""

import asyncio
import errno
import os
from pathlib import Path

import pytest
from pytest_mock import MockerFixture
from support.devices.usb_sysfs import Sysfs, sysfs
from support.patience import PATIENCE_S

from drivers.links.factory import LinkFactory
from drivers.links.link import Action, Cause, LinkError
from drivers.links.usb import devices as usb_devices
from drivers.links.usb import presence as usb_presence
from drivers.links.usb.devices import find_usb, open_error
from drivers.links.usb.link import UsbSettings
from drivers.links.usb.presence import wait_until_unplugged

__all__ = ["sysfs"]


def test_device_is_found_by_model_serial_and_socket(sysfs: Sysfs) -> None:
    sysfs.plug("1-10", "05ba:000a", 50, "{FB0B9071}")
    sysfs.plug("1-4.2", "05ba:000a", 7, "{4D61}")
    sysfs.plug("2-1", "298d:1010", 3)
    assert find_usb("usb:298D:1010").port_path == "2-1"
    assert find_usb("usb:05ba:000a:{FB0B9071}").number == 50
    assert find_usb("usb:05BA:000A@1-4.2").serial_number == "{4D61}"
    assert find_usb("usb:05ba:000a@1-10").node == sysfs.nodes / "001/050"


def test_ambiguous_address_needs_serial_number(sysfs: Sysfs) -> None:
    sysfs.plug("1-10", "05ba:000a", 50, "{FB0B9071}")
    sysfs.plug("1-4.2", "05ba:000a", 7)
    with pytest.raises(LinkError) as refused:
        find_usb("usb:05ba:000a")
    assert (refused.value.cause, refused.value.action) == (Cause.ADDRESS_AMBIGUOUS, Action.CONFIGURE)
    assert "{FB0B9071} at 1-10" in refused.value.text
    assert "without serial number at 1-4.2" in refused.value.text
    assert "usb:05ba:000a@1-10" in refused.value.how


@pytest.mark.parametrize("address", ["usb:05ba:000b", "usb:05ba:000a:OTHER", "usb:05ba:000a@1-9"])
async def test_missing_device_is_absent(address: str, sysfs: Sysfs) -> None:
    sysfs.plug("1-10", "05ba:000a", 50, "{FB0B9071}")
    with pytest.raises(LinkError) as refused:
        await LinkFactory().usb(UsbSettings(port=address))
    assert (refused.value.cause, refused.value.action) == (Cause.NO_DEVICE, Action.REPLUG)


async def test_machine_without_usb_has_no_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usb_devices, "SYSFS", tmp_path / "nothing")
    with pytest.raises(LinkError) as refused:
        await LinkFactory().usb(UsbSettings(port="usb:05ba:000a"))
    assert refused.value.cause is Cause.NO_DEVICE


@pytest.mark.parametrize("host", ["platform/vhci_hcd.0/usb1", "platform/dummy_hcd.0/usb1"])
def test_software_host_controller_is_simulated(host: str, sysfs: Sysfs) -> None:
    sysfs.plug("1-1", "05ba:000a", 2, host=host)
    sysfs.plug("2-1", "298d:1010", 2)
    assert find_usb("usb:05ba:000a").is_simulated
    assert not find_usb("usb:298d:1010").is_simulated


def test_other_device_in_socket_is_another(sysfs: Sysfs) -> None:
    sysfs.plug("1-10", "05ba:000a", 50)
    device = find_usb("usb:05ba:000a")
    assert device.is_plugged
    (sysfs.listed / "1-10/devnum").write_text("51\n")
    assert not device.is_plugged


@pytest.mark.parametrize("udev", [True, False])
async def test_idle_device_unplugged_is_detected(
    udev: bool, sysfs: Sysfs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(usb_presence, "UDEV", tmp_path if udev else tmp_path / "nothing")
    sysfs.plug("1-10", "05ba:000a", 50)
    waiting = asyncio.ensure_future(wait_until_unplugged(find_usb("usb:05ba:000a")))
    done, _ = await asyncio.wait({waiting}, timeout=0.3)
    assert not done
    (sysfs.listed / "1-10").unlink()
    async with asyncio.timeout(PATIENCE_S):
        await waiting


async def test_missing_permission_gives_udev_rule(sysfs: Sysfs, mocker: MockerFixture) -> None:
    node = sysfs.plug("1-10", "05ba:000a", 50)
    node.chmod(0o644)
    mocker.patch("drivers.links.usb.opening.os.open", side_effect=PermissionError(errno.EACCES, "denied"))
    with pytest.raises(LinkError) as refused:
        await LinkFactory().usb(UsbSettings(port="usb:05ba:000a"))
    assert (refused.value.cause, refused.value.action) == (Cause.NO_PERMISSION, Action.CONFIGURE)
    assert f"{node} (group {node.group()}, -rw-r--r--)" in refused.value.text
    assert 'ATTR{idVendor}=="05ba", ATTR{idProduct}=="000a"' in refused.value.how


def test_missing_permission_names_group(sysfs: Sysfs) -> None:
    node = sysfs.plug("1-10", "05ba:000a", 50)
    if os.getuid() == 0:
        os.chown(node, -1, 1)
    node.chmod(0o664)
    refused = open_error(find_usb("usb:05ba:000a"), "usb:05ba:000a", OSError(errno.EACCES, ""))
    assert f"to the group {node.group()}" in refused.how


def test_kernel_driver_in_use_is_named(sysfs: Sysfs) -> None:
    sysfs.plug("1-10", "045e:00bb", 50, driver="usbhid")
    device = find_usb("usb:045e:00bb")
    refused = open_error(device, "usb:045e:00bb", OSError(errno.EBUSY, ""), interface=0)
    assert refused.cause is Cause.PORT_HELD
    assert "usbhid" in refused.text


@pytest.mark.parametrize(
    ("number", "cause"),
    [(errno.ENODEV, Cause.NO_DEVICE), (errno.EIO, Cause.LINK_FAILED), (None, Cause.LINK_FAILED)],
)
def test_other_open_errors_differ(number: int | None, cause: Cause, sysfs: Sysfs) -> None:
    sysfs.plug("1-10", "05ba:000a", 50)
    error = OSError(number, "") if number else OSError()
    assert open_error(find_usb("usb:05ba:000a"), "usb:05ba:000a", error).cause is cause
