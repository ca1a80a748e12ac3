"""USB devices of this machine, with libusb replaced by a test device behind USB/IP.

Real libusb is in test_scanner_recordings.py; its refusals cannot be caused there.
"""

import contextlib
import errno
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.devices.usb_fixture import UsbipServer, UsbTestDevice, plugged_usb_device
from support.devices.usb_sysfs import Sysfs, sysfs
from usb.core import USBError

from drivers.links.factory import LinkFactory
from drivers.links.link import Action, Cause, LinkError
from drivers.links.usb.link import UsbLink, UsbSettings
from drivers.links.usb.opening import USBIP_ADDRESS
from drivers.links.usb.transfers import TransferError
from drivers.links.usbip.backend import UsbipBackend
from drivers.links.usbip.client import UsbipConnection

__all__ = ["sysfs"]

SETTINGS = UsbSettings(port="usb:1209:0001")


class FakeLibusb(UsbipBackend):
    """Replacement of libusb's backend; it records calls, and fails where a test requires it."""

    def __init__(self, connection: UsbipConnection) -> None:
        super().__init__(connection)
        self.asked: list[str] = []
        self.fails: dict[str, int | None] = {}
        self.kernel_has_it = False

    def _ask(self, what: str) -> None:
        self.asked.append(what)
        if what in self.fails:
            number = self.fails[what]
            raise USBError("as set by the test", -1, number)

    def open_device(self, dev: Any) -> Any:
        self._ask("open")
        return super().open_device(dev)

    def get_configuration(self, handle: Any) -> int:
        self._ask("get configuration")
        return super().get_configuration(handle)

    def set_configuration(self, handle: Any, value: int) -> None:
        if handle is not None:
            self._ask("set configuration")
            self.fails.pop("get configuration", None)
        super().set_configuration(handle, value)

    def claim_interface(self, _handle: Any, _interface: int) -> None:
        self._ask("claim")

    def is_kernel_driver_active(self, _handle: Any, _interface: int) -> bool:
        self._ask("kernel driver?")
        return self.kernel_has_it

    def detach_kernel_driver(self, _handle: Any, _interface: int) -> None:
        self._ask("detach")

    def attach_kernel_driver(self, _handle: Any, _interface: int) -> None:
        self._ask("attach")

    def bulk_read(self, handle: Any, endpoint: int, interface: int, buffer: Any, timeout: int) -> int:
        self._ask("bulk read")
        return super().bulk_read(handle, endpoint, interface, buffer, timeout)


@pytest.fixture
def served_device() -> Iterator[tuple[UsbipServer, UsbTestDevice]]:
    with plugged_usb_device() as both:
        yield both


@pytest.fixture
def local_device(
    sysfs: Sysfs, served_device: tuple[UsbipServer, UsbTestDevice], monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[FakeLibusb, Path]]:
    """A device in a socket of this machine, and its node."""
    node = sysfs.plug("1-1", "1209:0001", 2, "TEST-1", driver="usbhid")
    address = USBIP_ADDRESS.fullmatch(served_device[0].address)
    assert address is not None
    connection = UsbipConnection(address["host"], int(address["port"]), address["busid"])
    backend = FakeLibusb(connection)
    monkeypatch.setattr("drivers.links.usb.opening.libusb1.get_backend", lambda: backend)
    yield backend, node
    connection.close()


@contextlib.asynccontextmanager
async def opened() -> AsyncIterator[UsbLink]:
    links = LinkFactory()
    try:
        yield await links.usb(SETTINGS)
    finally:
        await links.close()


async def refused() -> LinkError:
    with pytest.raises(LinkError) as refused:
        async with opened():
            pass
    return refused.value


async def test_local_device_is_read(
    local_device: tuple[FakeLibusb, Path], served_device: tuple[UsbipServer, UsbTestDevice]
) -> None:
    async with opened() as link:
        assert not link.is_simulated, "as far as detectable here"
        assert link.identity.serial_number == "TEST-1"
        served_device[1].bulk_in.write(b"here")
        assert await link.read(0x82, 64) == b"here"


async def test_kernel_driver_is_attached_again(local_device: tuple[FakeLibusb, Path]) -> None:
    local_device[0].kernel_has_it = True
    async with opened():
        assert local_device[0].asked[-2:] == ["detach", "claim"]
    assert local_device[0].asked[-1] == "attach"


@pytest.mark.parametrize("step", ["kernel driver?", "detach"])
async def test_unsupported_calls_are_no_error(local_device: tuple[FakeLibusb, Path], step: str) -> None:
    local_device[0].kernel_has_it = True
    local_device[0].fails[step] = None
    async with opened():
        assert local_device[0].asked[-1] == "claim"


async def test_unconfigured_device_is_configured(local_device: tuple[FakeLibusb, Path]) -> None:
    local_device[0].fails["get configuration"] = None
    async with opened():
        assert "set configuration" in local_device[0].asked


@pytest.mark.parametrize(
    ("step", "number", "cause", "action"),
    [
        ("open", errno.EACCES, Cause.NO_PERMISSION, Action.CONFIGURE),
        ("open", errno.ENODEV, Cause.NO_DEVICE, Action.REPLUG),
        ("claim", errno.EBUSY, Cause.PORT_HELD, Action.RESTART),
        ("claim", errno.EIO, Cause.LINK_FAILED, Action.REPLUG),
        ("get configuration", errno.ENODEV, Cause.NO_DEVICE, Action.REPLUG),
    ],
)
async def test_refusal_of_libusb_has_cause(
    local_device: tuple[FakeLibusb, Path], step: str, number: int, cause: Cause, action: Action
) -> None:
    local_device[0].fails[step] = number
    error = await refused()
    assert (error.cause, error.action) == (cause, action)


async def test_program_with_device_is_named(local_device: tuple[FakeLibusb, Path]) -> None:
    backend, node = local_device
    backend.fails["claim"] = errno.EBUSY
    holding = subprocess.Popen(
        [sys.executable, "-c", "import sys; f = open(sys.argv[1]); print(flush=True); input()", node],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with holding:
        assert holding.stdout is not None
        holding.stdout.readline()
        assert f"(pid {holding.pid})" in (await refused()).text
        holding.communicate(b"\n")
    assert "usbhid" in (await refused()).text


async def test_device_has_one_owner(local_device: tuple[FakeLibusb, Path]) -> None:
    async with opened():
        assert (await refused()).cause is Cause.PORT_HELD
        assert local_device[0].asked.count("claim") == 1


async def test_missing_libusb_has_a_remedy(
    local_device: tuple[FakeLibusb, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("drivers.links.usb.opening.libusb1.get_backend", lambda: None)
    error = await refused()
    assert (error.cause, error.action) == (Cause.LINK_FAILED, Action.CONFIGURE)
    assert "libusb-1.0-0" in error.how


async def test_device_unknown_to_libusb_is_absent(
    local_device: tuple[FakeLibusb, Path], sysfs: Sysfs
) -> None:
    (sysfs.listed / "1-1/devnum").write_text("3\n")
    local_device[1].rename(local_device[1].with_name("003"))
    assert (await refused()).cause is Cause.NO_DEVICE


async def test_line_error_during_unplug_is_unplug(
    local_device: tuple[FakeLibusb, Path], sysfs: Sysfs
) -> None:
    async with opened() as link:
        local_device[0].fails["bulk read"] = errno.EIO
        with pytest.raises(TransferError) as failed:
            await link.read(0x82, 64)
        assert failed.value.cause is Cause.LINK_FAILED
        (sysfs.listed / "1-1").unlink()
        with pytest.raises(LinkError) as gone:
            await link.read(0x82, 64)
        assert gone.value.cause is Cause.UNPLUGGED


async def test_idle_device_unplugged_is_detected(local_device: tuple[FakeLibusb, Path], sysfs: Sysfs) -> None:
    async with opened() as link:
        (sysfs.listed / "1-1").unlink()
        with pytest.raises(LinkError) as gone:
            await link.wait_until_unplugged()
        assert gone.value.cause is Cause.UNPLUGGED
