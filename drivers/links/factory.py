"""Factory of the links of one driver: opens and closes them, and records if they lead to a simulator."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from drivers.links.address import VPCD_ADDRESS
from drivers.links.link import Tap
from drivers.links.recording.usb_trace import TransferTap, ignore_transfer
from drivers.links.request_queue import RequestQueue

if TYPE_CHECKING:
    from drivers.links.gpio import GpioLink, GpioSettings
    from drivers.links.hid.link import HidLink, HidSettings
    from drivers.links.http.client import HttpLink, HttpSettings
    from drivers.links.http.listener import HttpListener, HttpListenerSettings
    from drivers.links.keyboard import KeyboardLink, KeyboardSettings
    from drivers.links.modbus.link import ModbusLink, ModbusSettings
    from drivers.links.serial import SerialLink, SerialSettings
    from drivers.links.smartcard import SmartCardLink
    from drivers.links.smartcard.vpcd import VpcdLink
    from drivers.links.tcp import TcpLink, TcpSettings
    from drivers.links.usb.link import UsbLink, UsbSettings
    from drivers.links.usb.opening import InterfaceClass
    from drivers.links.video.rtsp import RtspLink, RtspSettings
    from drivers.links.video.v4l2 import VideoLink, VideoSettings


def _no_tap(direction: str, chunk: bytes) -> None:
    """Trace nothing."""


class LinkFactory:
    """Links of one opened driver. A library is imported when the first link of its kind is opened."""

    def __init__(self, tap: Tap = _no_tap, transfers: TransferTap = ignore_transfer) -> None:
        self._tap = tap
        self._transfers = transfers
        self._open = AsyncExitStack()
        self._modbus: dict[str, ModbusLink] = {}
        self.is_simulated = False
        """True once a link leads to a simulator, whatever the configuration."""
        self.is_replayed = False
        """True once such a simulator plays a recording."""

    async def serial(self, settings: "SerialSettings") -> "SerialLink":
        """Open a serial port, exclusively; raises LinkError."""
        from drivers.links.serial import SerialLink

        link = await self._open.enter_async_context(SerialLink(settings, self._tap))
        self._note_origin(link)
        return link

    async def tcp(self, settings: "TcpSettings") -> "TcpLink":
        """Connect to a device over TCP, for a stream of bytes; raises LinkError."""
        from drivers.links.tcp import TcpLink

        link = TcpLink(settings.port, 0, settings.connect_timeout_s, self._tap)
        await self._open.enter_async_context(link)
        self._note_origin(link)
        return link

    async def modbus(self, settings: "ModbusSettings") -> "ModbusLink":
        """Open the link to a Modbus board; several boards on one line share it. Raises LinkError."""
        from drivers.links.modbus.link import ModbusLink

        if (first := self._modbus.get(settings.port)) is not None:
            return first.for_unit(settings)
        link = self._modbus[settings.port] = await self._open.enter_async_context(
            ModbusLink(settings, self._tap)
        )
        self._note_origin(link)
        return link

    async def gpio(self, settings: "GpioSettings") -> "GpioLink":
        """Request lines of a GPIO chip; raises LinkError."""
        from drivers.links.gpio import GpioLink

        link = await self._open.enter_async_context(GpioLink(settings, self._tap))
        self.is_simulated = self.is_simulated or link.is_simulated
        return link

    async def request_queue(self) -> RequestQueue:
        """Create a queue for an open link that takes one request at a time."""
        return await self._open.enter_async_context(RequestQueue())

    async def keyboard(self, settings: "KeyboardSettings") -> "KeyboardLink":
        """Open an input device that types, exclusively; raises LinkError."""
        from drivers.links.keyboard import KeyboardLink

        link = await self._open.enter_async_context(KeyboardLink(settings, self._tap))
        self._note_origin(link)
        return link

    async def hid(self, settings: "HidSettings") -> "HidLink":
        """Open a reader in HID mode; raises LinkError."""
        from drivers.links.hid.link import HidLink

        link = await self._open.enter_async_context(HidLink(settings, self._tap))
        self._note_origin(link)
        return link

    @asynccontextmanager
    async def smart_card(self, reader: str) -> "AsyncIterator[SmartCardLink | VpcdLink]":
        """Use a slot for one document; raises LinkError.

        `reader`: the beginning of the name of a PC/SC slot, or the address of a simulated one.
        """
        from drivers.links.smartcard import SmartCardLink
        from drivers.links.smartcard.vpcd import VpcdLink

        kind = VpcdLink if VPCD_ADDRESS.fullmatch(reader) else SmartCardLink
        async with kind(reader, self._tap) as link:
            self.is_simulated = self.is_simulated or link.is_simulated
            yield link

    async def http(self, settings: "HttpSettings") -> "HttpLink":
        """Create a client of an HTTP service; its response headers mark a simulator. Raises LinkError."""
        from drivers.links.http.client import HttpLink

        return await self._open.enter_async_context(HttpLink(settings, self._tap, self._on_simulator))

    async def http_listener(self, settings: "HttpListenerSettings") -> "HttpListener":
        """Listen for requests of a device over HTTP; its headers mark a simulator. Raises LinkError."""
        from drivers.links.http.listener import HttpListener

        listener = HttpListener(settings, self._tap, self._on_simulator)
        return await self._open.enter_async_context(listener)

    async def rtsp(self, settings: "RtspSettings") -> "RtspLink":
        """Open a video stream; raises LinkError."""
        from drivers.links.video.rtsp import RtspLink

        link = await self._open.enter_async_context(RtspLink(settings))
        self.is_simulated = self.is_simulated or link.is_simulated
        return link

    async def video(self, settings: "VideoSettings", on_damaged: Callable[[], None]) -> "VideoLink":
        """Open a camera of this machine; `on_damaged` is called for every damaged frame. Raises LinkError."""
        from drivers.links.video.v4l2 import VideoLink

        link = await self._open.enter_async_context(VideoLink(settings, on_damaged))
        self.is_simulated = self.is_simulated or link.is_simulated
        return link

    async def usb(self, settings: "UsbSettings", interface: "InterfaceClass | None" = None) -> "UsbLink":
        """Open a USB device and claim one interface, by default the first; raises LinkError."""
        from drivers.links.usb.link import UsbLink

        link = UsbLink(settings, interface, self._tap, self._transfers)
        await self._open.enter_async_context(link)
        self.is_simulated = self.is_simulated or link.is_simulated
        return link

    def _note_origin(self, link: "SerialLink | TcpLink | ModbusLink | KeyboardLink | HidLink") -> None:
        self.is_simulated = self.is_simulated or link.is_simulated
        self.is_replayed = self.is_replayed or link.is_replayed

    def _on_simulator(self, word: str = "") -> None:
        from drivers.links.device_node import REPLAY_WINDOW_SIZE

        self.is_simulated = True
        self.is_replayed = self.is_replayed or word == REPLAY_WINDOW_SIZE.decode()

    async def close(self) -> None:
        """Close all open links, in reverse order."""
        await self._open.aclose()
