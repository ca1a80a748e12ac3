"""Search for readers in HID mode in a staged sysfs, and the remedy for a reader in another mode."""

import asyncio
from pathlib import Path

import pytest
from hid_sysfs import plug_hid, plug_serial
from support.patience import PATIENCE_S

from drivers.links.hid.devices import HidPlace, find_hid, wait_until_changed
from drivers.links.link import Action, Cause, LinkError
from simulators.passport.hid import ACCESSIS_DESCRIPTOR, POS_DESCRIPTOR
from simulators.usb.keyboard import REPORTS as KEYBOARD_DESCRIPTOR

VENDOR_IN = bytes.fromhex("0600ff 0901 a101 150026ff00 7508 9540 0902 8102 c0")
VENDOR_OUT = bytes.fromhex("0600ff 0901 a101 8502 150026ff00 7508 9508 0903 9102 c0")
MOUSE = bytes.fromhex("0501 0902 a101 7508 9503 0930 8106 c0")


def paths(place: HidPlace) -> tuple[str, str | None]:
    return place.reads.path, place.writes.path if place.writes is not None else None


def refused(address: str, sysfs: Path) -> LinkError:
    with pytest.raises(LinkError) as error:
        find_hid(address, sysfs)
    assert error.value.how
    return error.value


def test_usb_address_finds_node(tmp_path: Path) -> None:
    plug_hid(tmp_path, 0, "046d:c31c", KEYBOARD_DESCRIPTOR, socket="1-1")
    plug_hid(tmp_path, 1, "0db5:013e", ACCESSIS_DESCRIPTOR, "A1", socket="1-2")
    plug_hid(tmp_path, 2, "0db5:013e", ACCESSIS_DESCRIPTOR, "B2", socket="1-3")
    assert paths(find_hid("usb:0DB5:013E:B2", tmp_path)) == ("/dev/hidraw2", "/dev/hidraw2")
    assert find_hid("usb:0db5:013e:A1", tmp_path).reads.info.name == "Maker Reader"
    ambiguous = refused("usb:0DB5:013E", tmp_path)
    assert (ambiguous.cause, ambiguous.action) == (Cause.ADDRESS_AMBIGUOUS, Action.CONFIGURE)
    assert "A1, B2" in ambiguous.text


def test_first_data_interface_is_read(tmp_path: Path) -> None:
    """Access-IS 0127: interface 0 is a keyboard, 1 a mouse, 2 sends documents, 3 is for setup."""
    for number, descriptor in enumerate((KEYBOARD_DESCRIPTOR, MOUSE, ACCESSIS_DESCRIPTOR, VENDOR_IN)):
        plug_hid(tmp_path, 9 - number, "0db5:0127", descriptor, interface=number)
    assert paths(find_hid("usb:0DB5:0127", tmp_path)) == ("/dev/hidraw7", "/dev/hidraw7")


def test_scanner_page_is_preferred(tmp_path: Path) -> None:
    plug_hid(tmp_path, 0, "0c2e:0b87", VENDOR_IN, interface=0)
    plug_hid(tmp_path, 1, "0c2e:0b87", POS_DESCRIPTOR, interface=1)
    assert paths(find_hid("usb:0C2E:0B87", tmp_path)) == ("/dev/hidraw1", None)


def test_output_may_have_its_own_interface(tmp_path: Path) -> None:
    """Access-IS 0120 and 0137: interface 0 sends, and interface 1 receives."""
    plug_hid(tmp_path, 3, "0db5:0120", VENDOR_IN, interface=0)
    plug_hid(tmp_path, 4, "0db5:0120", VENDOR_OUT, interface=1)
    assert paths(find_hid("usb:0DB5:0120", tmp_path)) == ("/dev/hidraw3", "/dev/hidraw4")


def test_keyboard_mode_names_remedy(tmp_path: Path) -> None:
    plug_hid(tmp_path, 0, "0db5:013e", KEYBOARD_DESCRIPTOR)
    error = refused("usb:0DB5:013E", tmp_path)
    assert (error.cause, error.action) == (Cause.WRONG_DEVICE, Action.CONFIGURE)
    assert "keyboard mode" in error.text
    assert "HID mode" in error.how
    assert 'driver = "mrz-wedge"' in error.how


def test_serial_mode_names_remedy(tmp_path: Path) -> None:
    plug_serial(tmp_path, "0db5:013e")
    error = refused("usb:0DB5:013E", tmp_path)
    assert error.cause is Cause.WRONG_DEVICE
    assert "serial mode" in error.text
    assert '"mrz-serial"' in error.how


def test_device_without_data_interface(tmp_path: Path) -> None:
    plug_hid(tmp_path, 0, "0db5:013e", MOUSE)
    error = refused("usb:0DB5:013E", tmp_path)
    assert error.cause is Cause.WRONG_DEVICE
    assert "no HID interface" in error.text


def test_keyboard_of_same_maker_is_hinted(tmp_path: Path) -> None:
    plug_hid(tmp_path, 0, "0db5:0138", KEYBOARD_DESCRIPTOR)
    error = refused("usb:0DB5:013E", tmp_path)
    assert error.cause is Cause.NO_DEVICE
    assert "usb:0DB5:0138" in error.text


def test_malformed_descriptor_is_left_to_link(tmp_path: Path) -> None:
    plug_hid(tmp_path, 0, "0db5:013e", b"\x26\xff")
    assert paths(find_hid("usb:0DB5:013E", tmp_path)) == ("/dev/hidraw0", None)
    plug_hid(tmp_path, 1, "0db5:013e", VENDOR_IN, interface=1)
    assert paths(find_hid("usb:0DB5:013E", tmp_path)) == ("/dev/hidraw1", None)


def test_nothing_plugged_in(tmp_path: Path) -> None:
    error = refused("usb:0DB5:013E", tmp_path)
    assert (error.cause, error.action) == (Cause.NO_DEVICE, Action.REPLUG)
    assert error.retry_when is None


def test_interface_unplugged_meanwhile(tmp_path: Path) -> None:
    plug_hid(tmp_path, 0, "0db5:013e", ACCESSIS_DESCRIPTOR)
    (tmp_path / "class/hidraw/hidraw0/device/report_descriptor").unlink()
    assert refused("usb:0DB5:013E", tmp_path).cause is Cause.WRONG_DEVICE


@pytest.mark.parametrize(
    ("path", "cause"), [("/dev/null", Cause.WRONG_DEVICE), ("/dev/no-reader", Cause.NO_DEVICE)]
)
def test_path_that_is_no_node(path: str, cause: Cause, tmp_path: Path) -> None:
    assert refused(path, tmp_path).cause is cause


async def test_changed_mode_ends_wait(tmp_path: Path) -> None:
    plug_hid(tmp_path, 0, "0db5:013e", KEYBOARD_DESCRIPTOR)
    waiting = asyncio.create_task(wait_until_changed(tmp_path))
    await asyncio.sleep(0)
    assert not waiting.done()
    plug_hid(tmp_path, 1, "0db5:013e", ACCESSIS_DESCRIPTOR, socket="1-3")
    await asyncio.wait_for(waiting, PATIENCE_S)
