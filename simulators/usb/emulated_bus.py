"""A USB bus as a program sees it through the real libusb.

The program runs under `libumockdev-preload.so.0` (Debian: umockdev), with `environment`; nothing else about
it is special. Plugging and unplugging reach it in the usual way: files, udev's events, ENODEV. A preloaded
program keeps its open nodes: when the bus is closed before it, the library ends the program.
"""

import asyncio
import contextlib
import functools
import shutil
import socket
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Self

from simulators.usb.device import UsbDevice
from simulators.usb.sysfs import Tree
from simulators.usb.usbfs import Node

PRELOAD = "libumockdev-preload.so.0"
LAST_NUMBER = 127


class EmulatedBus:
    """One bus in a directory of its own. An async context manager."""

    def __init__(self) -> None:
        # Not in a directory with a long path: the names of its sockets have at most 107 bytes.
        self.root = Path(tempfile.mkdtemp(prefix="usb-"))
        self._tree = Tree(self.root)
        self._ports: dict[int, UsbDevice] = {}
        self._cables: dict[int, Callable[[bool], None]] = {}
        self._numbers: dict[int, int] = {}
        self._last_number = 1
        self._listening: dict[int, tuple[socket.socket, Path]] = {}
        self._open: set[asyncio.Task[None]] = set()

    @property
    def environment(self) -> dict[str, str]:
        """Environment variables of a program that is to see this bus and no other."""
        return {"UMOCKDEV_DIR": str(self.root), "LD_PRELOAD": PRELOAD}

    def node(self, port: int) -> str:
        """Return the node of the device in a port, as `/dev/bus/usb/001/002`."""
        return f"/dev/bus/usb/001/{self._numbers[port]:03d}"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for port, device in self._ports.items():
            with contextlib.suppress(ValueError):  # a closed device has been removed from it
                device.on_cable.remove(self._cables[port])
        for port in tuple(self._numbers):
            self._take_out(port)
        for port in tuple(self._listening):
            self._stop_listening(port)
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)
        shutil.rmtree(self.root, ignore_errors=True)

    def connect(self, port: int, device: UsbDevice) -> None:
        """Plug a device into a port, 1 and up."""
        self._ports[port] = device
        self._cables[port] = functools.partial(self._cable, port)
        device.on_cable.append(self._cables[port])
        if device.is_plugged:
            self._put_in(port)

    def _cable(self, port: int, plugged: bool) -> None:
        if plugged:
            self._put_in(port)
        else:
            self._take_out(port)

    def _put_in(self, port: int) -> None:
        self._stop_listening(port)
        # A device that is plugged in again has another number, as on a real bus.
        number = self._last_number
        while number == 1 or number in self._numbers.values() or number == self._last_number:
            number = number % LAST_NUMBER + 1
        self._last_number = self._numbers[port] = number
        path = self.root / f"ioctl/dev/bus/usb/001/{number:03d}"
        path.parent.mkdir(parents=True, exist_ok=True)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(path))
        listener.listen()
        listener.setblocking(False)
        self._listening[port] = (listener, path)
        asyncio.get_running_loop().add_reader(listener, self._accept, listener, self._ports[port], {}, False)
        self._tree.add(self._ports[port], port, number)

    def _take_out(self, port: int) -> None:
        # Its socket stays until the device is back: the library would end a program that is just opening the
        # node.
        self._tree.remove(self._ports[port], port, self._numbers.pop(port))

    def _stop_listening(self, port: int) -> None:
        if port in self._listening:
            listener, path = self._listening.pop(port)
            asyncio.get_running_loop().remove_reader(listener)
            self._accept(listener, self._ports[port], {}, True)
            listener.close()
            path.unlink()

    def _accept(
        self, listener: socket.socket, device: UsbDevice, claims: dict[int, Node], gone: bool
    ) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                connection, _ = listener.accept()
                connection.setblocking(False)
                task = asyncio.create_task(self._serve(connection, device, claims, gone))
                self._open.add(task)
                task.add_done_callback(self._open.discard)
                task.add_done_callback(functools.partial(_closed, connection))

    async def _serve(
        self, connection: socket.socket, device: UsbDevice, claims: dict[int, Node], gone: bool
    ) -> None:
        reader, writer = await asyncio.open_unix_connection(sock=connection)
        try:
            await Node(device, claims, reader, writer, is_unplugged=gone).serve()
        finally:
            writer.transport.abort()


def _closed(connection: socket.socket, _task: object) -> None:
    connection.close()
