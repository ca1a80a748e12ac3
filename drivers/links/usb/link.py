"""USB link: one device of this machine or over USB/IP, with one thread for each endpoint.

pyusb blocks, so each endpoint has a thread: transfers of one endpoint are sequential, those of different
endpoints concurrent. The threads end before the device is closed: otherwise libusb crashes. A cancelled wait
does not stop its transfer; the next one of that endpoint follows its end.
"""

import asyncio
import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import NoReturn, Self, TypeVar

from pydantic import Field, field_validator

from drivers.links.address import found_node
from drivers.links.link import LinkError, Tap
from drivers.links.recording.usb_trace import TransferTap
from drivers.links.settings import LinkRights, Settings, network_rights
from drivers.links.tcp import open_socket
from drivers.links.usb.devices import USB_ADDRESS, find_usb
from drivers.links.usb.opening import USBIP_ADDRESS, InterfaceClass, OpenedDevice, UsbIdentity
from drivers.links.usb.presence import wait_until_unplugged
from drivers.links.usb.transfers import Transfers, TransferStalled, TransferTimedOut

CONTROL = 0
VENDOR_IN, VENDOR_OUT = 0xC0, 0x40
"""Request types: vendor requests to the device."""
TIMEOUT_S = 1.0
CONNECT_S = 2.0
"""Time limit for a connection to a USB/IP server, in seconds."""
LISTEN_S = 0.5
"""Time limit of one interrupt read, in seconds: closing may take as long."""
EMPTY_S = 0.02
"""Pause after an interrupt read without data, in seconds."""
STALLS_IN_A_ROW = 3
VENDOR_SPECIFIC = InterfaceClass(0xFF, 0xFF, 0xFF)
Result = TypeVar("Result")


class UsbSettings(Settings):
    """Address of one USB device."""

    port: str = Field(
        description="`usb:VID:PID`, `usb:VID:PID:SERIAL`, `usb:VID:PID@SOCKET` with the socket as sysfs "
        "writes it (1-10.2), or `usbip://HOST:PORT/BUSID`.",
        examples=["usb:05ba:000a"],
    )

    @field_validator("port")
    @classmethod
    def _check_address(cls, port: str) -> str:
        if not USB_ADDRESS.fullmatch(port) and not USBIP_ADDRESS.fullmatch(port):
            raise ValueError(
                "is not a USB address; write usb:VID:PID[:SERIAL], VID and PID as four hexadecimal digits, "
                "or usbip://HOST:PORT/BUSID"
            )
        return port

    def link_rights(self) -> LinkRights:
        """Return the rights to the device's node, or to the port of a USB/IP server.

        libusb listens to the kernel's events; the lock of a USB/IP device is a UNIX socket.
        """
        remote = USBIP_ADDRESS.fullmatch(self.port)
        if remote is not None:
            rights = network_rights(remote["host"], int(remote["port"])) | LinkRights(local_sockets=True)
        else:
            finder = partial(found_node, lambda: str(find_usb(self.port).node))
            rights = LinkRights((finder,), frozenset({Path("/run/udev")}), kernel_events=True)
        return super().link_rights() | rights


class UsbLink:
    """One open device with one claimed interface: an async context manager. One owner."""

    def __init__(
        self, settings: UsbSettings, interface: InterfaceClass | None, tap: Tap, transfers: TransferTap
    ) -> None:
        self._wanted = interface
        self._opened = OpenedDevice(settings.port, tap, transfers, self._tell_lost, self._connect)
        self._transfers: Transfers | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lost = asyncio.Event()
        self._threads: dict[int, ThreadPoolExecutor] = {}
        self._closing = threading.Event()
        self.identity = UsbIdentity(0, 0, None, None, None)

    @property
    def is_simulated(self) -> bool:
        """True if it is certainly not a real device."""
        return self._opened.is_simulated

    async def __aenter__(self) -> Self:
        """Find, open and claim the device; raises LinkError."""
        self._loop = asyncio.get_running_loop()
        try:
            self._transfers, self.identity = await self._run(CONTROL, self._opened.open, self._wanted)
        except BaseException:
            await self._shut()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait for the threads, then close the device."""
        await self._shut()

    async def control_in(
        self,
        request: int,
        value: int,
        index: int,
        size: int,
        *,
        kind: int = VENDOR_IN,
        timeout_s: float = TIMEOUT_S,
    ) -> bytes:
        """Read by a control transfer, at most `size` bytes; raises LinkError."""
        ask = self._open_device().control_in
        return await self._run(CONTROL, ask, kind, request, value, index, size, timeout_s)

    async def control_out(
        self,
        request: int,
        value: int,
        index: int,
        data: bytes,
        *,
        kind: int = VENDOR_OUT,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        """Write by a control transfer; raises LinkError."""
        tell = self._open_device().control_out
        await self._run(CONTROL, tell, kind, request, value, index, data, timeout_s)

    async def read(self, endpoint: int, size: int, *, timeout_s: float = TIMEOUT_S) -> bytes:
        """Read once from a bulk or interrupt endpoint, at most `size` bytes; raises LinkError."""
        return await self._run(endpoint, self._open_device().read, endpoint, size, timeout_s)

    async def start_read(
        self, endpoint: int, size: int, *, timeout_s: float = TIMEOUT_S
    ) -> asyncio.Future[bytes]:
        """Start a read and return once it is running; the future ends like `read`."""
        loop = asyncio.get_running_loop()
        begun = asyncio.Event()

        def tell() -> None:
            loop.call_soon_threadsafe(begun.set)

        def ended(reading: asyncio.Future[bytes]) -> None:
            begun.set()
            if not reading.cancelled():
                reading.exception()  # the error of an abandoned read is of no interest

        reading = self._run(endpoint, self._open_device().read, endpoint, size, timeout_s, tell)
        reading.add_done_callback(ended)
        try:
            await begun.wait()
        except asyncio.CancelledError:
            reading.cancel()
            raise
        return reading

    async def write(self, endpoint: int, data: bytes, *, timeout_s: float = TIMEOUT_S) -> None:
        """Write all of it to a bulk or interrupt endpoint; raises LinkError."""
        await self._run(endpoint, self._open_device().write, endpoint, data, timeout_s)

    def listen(self, endpoint: int, size: int) -> "InterruptQueue":
        """Read from an interrupt endpoint until the link is closed; once for each endpoint."""
        loop = asyncio.get_running_loop()
        heard: asyncio.Queue[bytes | LinkError] = asyncio.Queue()

        def deliver(said: bytes | LinkError) -> None:
            loop.call_soon_threadsafe(heard.put_nowait, said)

        self._run(endpoint, self._listen, endpoint, size, deliver)
        return InterruptQueue(heard)

    async def wait_until_unplugged(self) -> NoReturn:
        """Wait until the device is unplugged; raises LinkError then. For devices without a running read."""
        if self._opened.usb_device is None:
            await self._lost.wait()
        else:
            await wait_until_unplugged(self._opened.usb_device)
        raise self._open_device().unplugged_error()

    def _listen(self, endpoint: int, size: int, deliver: Callable[[bytes | LinkError], None]) -> None:
        """Read repeatedly, in the endpoint's thread."""
        read, stalls = self._open_device().read, 0
        while not self._closing.is_set():
            try:
                said = read(endpoint, size, LISTEN_S)
            except TransferTimedOut:
                continue
            except LinkError as error:
                stalls += isinstance(error, TransferStalled)
                if isinstance(error, TransferStalled) and stalls < STALLS_IN_A_ROW:
                    continue
                deliver(error)
                return
            stalls = 0
            if said:
                deliver(said)
            else:  # it was cancelled, or the device reports repeatedly that it has no data
                self._closing.wait(EMPTY_S)

    def _open_device(self) -> Transfers:
        assert self._transfers is not None, "the link is not open"
        return self._transfers

    def _run(self, endpoint: int, call: Callable[..., Result], *arguments: object) -> asyncio.Future[Result]:
        """Run a blocking call in the thread of an endpoint, after its earlier calls."""
        if endpoint not in self._threads:
            self._threads[endpoint] = ThreadPoolExecutor(1, thread_name_prefix=f"usb-{endpoint:02x}")
        return asyncio.get_running_loop().run_in_executor(self._threads[endpoint], call, *arguments)

    def _tell_lost(self) -> None:
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._lost.set)

    def _connect(self, host: str, port: int) -> socket.socket:
        """Connect through the event loop, from a thread; raises OSError."""
        assert self._loop is not None
        connecting = asyncio.run_coroutine_threadsafe(open_socket(host, port), self._loop)
        try:
            return connecting.result(CONNECT_S)
        except TimeoutError:
            connecting.cancel()
            raise

    async def _shut(self) -> None:
        loop = asyncio.get_running_loop()
        self._closing.set()
        for thread in self._threads.values():
            thread.shutdown(wait=False, cancel_futures=True)
        await loop.run_in_executor(None, self._opened.cancel_transfers)
        for thread in self._threads.values():
            await loop.run_in_executor(None, thread.shutdown)
        self._threads.clear()
        await loop.run_in_executor(None, self._opened.exit_stack.close)


class InterruptQueue:
    """Queue of the data of an interrupt endpoint, for one reader."""

    def __init__(self, heard: asyncio.Queue[bytes | LinkError]) -> None:
        self._heard = heard

    async def next(self) -> bytes:
        """Wait for the next data; raises LinkError once the link has failed, at every call."""
        said = await self._heard.get()
        if isinstance(said, LinkError):
            self._heard.put_nowait(said)
            raise said
        return said

    def clear(self) -> None:
        """Drop unread data; a failure stays."""
        waiting = [self._heard.get_nowait() for _ in range(self._heard.qsize())]
        for said in waiting:
            if isinstance(said, LinkError):
                self._heard.put_nowait(said)
