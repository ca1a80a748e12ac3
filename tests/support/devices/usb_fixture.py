"""A USB device without hardware: the device side of the package `usbip`, on a local port."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Self

from usbip import In, Interface, Out, Setup, Stall, USBDevice, protocol


class UsbTestDevice(Interface):
    """An interface with an endpoint of each kind; registers to write and read, and one that stalls."""

    said = In(0x81, "interrupt", 64, 8)
    bulk_in = In(0x82, "bulk", 64)
    bulk_out = Out(0x03, "bulk", 64)

    STALLS = 0xDEAD

    def __init__(self) -> None:
        super().__init__()
        self.bInterfaceClass = self.bInterfaceSubClass = self.bInterfaceProtocol = 0xFF
        self.registers: dict[int, bytes] = {}
        self.asked: list[Setup] = []

    def on_control(self, setup: Setup, data: bytes = b"") -> bytes:
        self.asked.append(setup)
        if setup.wValue == self.STALLS:
            raise Stall
        if setup.bmRequestType & 0x80:
            return self.registers.get(setup.wValue, bytes(setup.wLength))[: setup.wLength]
        self.registers[setup.wValue] = bytes(data)
        return b""


def usb_test_device(
    serial: str | None = "TEST-1", vid: int = 0x1209, pid: int = 0x0001
) -> tuple[USBDevice, UsbTestDevice]:
    """Return a device with that interface."""
    device = USBDevice(vid, pid, product="Test", manufacturer="Tests", serial=serial)
    interface = UsbTestDevice()
    device.add(interface)
    device.on_control(None, interface.on_control)
    return device, interface


class UsbipServer:
    """Exports one device on its own port; unplugging ends every connection.

    It keeps listening then, and closes each connection: another program might take a released port.
    """

    def __init__(self, device: USBDevice) -> None:
        self.device = device
        self.plugged = True
        self.imports = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._connections: list[socket.socket] = []
        self._threads: list[threading.Thread] = []

    @property
    def address(self) -> str:
        return f"usbip://127.0.0.1:{self._listener.getsockname()[1]}/1-1"

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.unplug()
        self._listener.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def plug(self) -> None:
        self.plugged = True

    def unplug(self) -> None:
        self.plugged = False
        while self._connections:
            with contextlib.suppress(OSError):
                self._connections.pop().shutdown(socket.SHUT_RDWR)

    def _start(self, target: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, name="usbip-server")
        thread.start()
        self._threads.append(thread)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            if not self.plugged:
                connection.close()
                continue
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._connections.append(connection)
            self.imports += 1
            self._start(protocol.serve_connection, connection, [self.device])


@contextlib.contextmanager
def plugged_usb_device(serial: str | None = "TEST-1") -> Iterator[tuple[UsbipServer, UsbTestDevice]]:
    """Return a connected test device."""
    device, interface = usb_test_device(serial)
    with UsbipServer(device) as server:
        yield server, interface
