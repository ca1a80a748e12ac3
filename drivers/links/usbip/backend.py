"""A backend of pyusb for one device over USB/IP. Needs the extra `usb`.

The work of the kernel for a real device is done here at the import: the descriptors are read and the first
configuration is chosen. Isochronous transfers are not supported; no scanner has any.
"""

import array
import contextlib
import errno
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from usb.backend import IBackend
from usb.core import USBError, USBTimeoutError
from usbip import core

from drivers.links.usbip.client import UsbipConnection

STANDARD_IN, STANDARD_OUT, STANDARD_OUT_ENDPOINT = 0x80, 0x00, 0x02
CLEAR_FEATURE, GET_DESCRIPTOR, GET_CONFIGURATION, SET_CONFIGURATION, SET_INTERFACE = 1, 6, 8, 9, 11
DEVICE_BYTES, CONFIGURATION_BYTES = 18, 9
ENUMERATION_MS = 2000
UNPLUGGED_STATUSES = frozenset({-errno.ENODEV, -errno.ESHUTDOWN, -errno.ECONNRESET})

Buffer: TypeAlias = "array.array[int]"


@dataclass
class _Interface:
    """One interface as described, with its endpoints."""

    descriptor: Any
    endpoints: list[Any] = field(default_factory=list)


class UsbipBackend(IBackend):  # type: ignore[misc]  # pyusb has no types
    """The one device of a connection. The connection opens and closes it."""

    def __init__(self, connection: UsbipConnection) -> None:
        """Enumerate; raises USBError."""
        super().__init__()
        self._connection = connection
        device = self._describe(core.DT_DEVICE, DEVICE_BYTES)
        head = core.ConfigurationDescriptor.parse(self._describe(core.DT_CONFIG, CONFIGURATION_BYTES))
        described = self._describe(core.DT_CONFIG, head.wTotalLength)
        self._device = _with(
            core.DeviceDescriptor.parse(device),
            DEVICE_BYTES,
            core.DT_DEVICE,
            bus=connection.device["busnum"],
            address=connection.device["devnum"],
            port_number=None,
            port_numbers=None,
            speed=connection.device["speed"],
        )
        # pyusb reads each configuration by its index; only the first is ever chosen.
        self._device.bNumConfigurations = 1
        self._configuration = _with(head, CONFIGURATION_BYTES, core.DT_CONFIG, extra_descriptors=[])
        self._interfaces = list(_interfaces(described[CONFIGURATION_BYTES:]))
        with contextlib.suppress(USBError):  # some devices are configured already, and refuse a second time
            self.set_configuration(None, head.bConfigurationValue)

    # Methods of every backend of pyusb

    def enumerate_devices(self) -> Iterator[Any]:
        """Yield the one device."""
        yield self._connection

    def get_parent(self, _dev: Any) -> None:
        """Return None: no hub is known."""

    def get_device_descriptor(self, _dev: Any) -> Any:
        """Return the descriptor that was read at the import."""
        return self._device

    def get_configuration_descriptor(self, _dev: Any, config: int) -> Any:
        """Return the descriptor that was read at the import."""
        return [self._configuration][config]

    def get_interface_descriptor(self, _dev: Any, intf: int, alt: int, _config: int) -> Any:
        """Return a descriptor, by the index of the interface and of its alternate setting."""
        numbers = sorted({found.descriptor.bInterfaceNumber for found in self._interfaces})
        settings = [found for found in self._interfaces if found.descriptor.bInterfaceNumber == numbers[intf]]
        return settings[alt].descriptor

    def get_endpoint_descriptor(self, dev: Any, ep: int, intf: int, alt: int, config: int) -> Any:
        """Return a descriptor, by the index of the endpoint in its interface."""
        described = self.get_interface_descriptor(dev, intf, alt, config)
        return next(found for found in self._interfaces if found.descriptor is described).endpoints[ep]

    def open_device(self, dev: Any) -> Any:
        """Do nothing: the device is open as long as the connection."""
        return dev

    def close_device(self, _dev_handle: Any) -> None:
        """See `open_device`."""

    def set_configuration(self, _dev_handle: Any, config_value: int) -> None:
        """Choose a configuration."""
        self._control(STANDARD_OUT, SET_CONFIGURATION, config_value, 0, b"")

    def get_configuration(self, _dev_handle: Any) -> int:
        """Return the chosen configuration."""
        _, chosen = self._control(STANDARD_IN, GET_CONFIGURATION, 0, 0, 1)
        return chosen[0] if chosen else 0

    def set_interface_altsetting(self, _dev_handle: Any, intf: int, altsetting: int) -> None:
        """Choose an alternate setting."""
        self._control(STANDARD_OUT | 1, SET_INTERFACE, altsetting, intf, b"")

    def claim_interface(self, _dev_handle: Any, _intf: int) -> None:
        """Do nothing: the import covers the whole device."""

    def release_interface(self, _dev_handle: Any, _intf: int) -> None:
        """See `claim_interface`."""

    def bulk_write(self, _dev_handle: Any, ep: int, _intf: int, data: Buffer, timeout: int) -> int:
        """Send; return the number of bytes."""
        return self._checked(ep, data.tobytes(), timeout_ms=timeout)[0]

    def bulk_read(self, _dev_handle: Any, ep: int, _intf: int, buff: Buffer, timeout: int) -> int:
        """Receive into the buffer; return the number of bytes."""
        return _filled(buff, self._checked(ep, len(buff), timeout_ms=timeout)[1])

    def intr_write(self, _dev_handle: Any, ep: int, _intf: int, data: Buffer, timeout: int) -> int:
        """Send; return the number of bytes."""
        return self._checked(ep, data.tobytes(), interval=1, timeout_ms=timeout)[0]

    def intr_read(self, _dev_handle: Any, ep: int, _intf: int, buff: Buffer, timeout: int) -> int:
        """Receive into the buffer; return the number of bytes."""
        return _filled(buff, self._checked(ep, len(buff), interval=1, timeout_ms=timeout)[1])

    def ctrl_transfer(
        self,
        _dev_handle: Any,
        bmRequestType: int,  # noqa: N803 - pyusb's names
        bRequest: int,  # noqa: N803 - pyusb's names
        wValue: int,  # noqa: N803 - pyusb's names
        wIndex: int,  # noqa: N803 - pyusb's names
        data: Buffer,
        timeout: int,
    ) -> int:
        """Send, or receive into the buffer; return the number of bytes."""
        payload = len(data) if bmRequestType & 0x80 else data.tobytes()
        count, received = self._control(bmRequestType, bRequest, wValue, wIndex, payload, timeout)
        return _filled(data, received) if bmRequestType & 0x80 else count

    def clear_halt(self, _dev_handle: Any, ep: int) -> None:
        """Clear a stalled endpoint."""
        self._control(STANDARD_OUT_ENDPOINT, CLEAR_FEATURE, core.FEATURE_ENDPOINT_HALT, ep, b"")

    def is_kernel_driver_active(self, _dev_handle: Any, _intf: int) -> bool:
        """Return False: no kernel of this machine has the device."""
        return False

    def _describe(self, kind: int, size: int) -> bytes:
        _, described = self._control(STANDARD_IN, GET_DESCRIPTOR, kind << 8, 0, size)
        if len(described) < size:
            raise USBError("a descriptor is cut short", None, errno.EIO)
        return described

    def _control(
        self,
        kind: int,
        request: int,
        value: int,
        index: int,
        payload: bytes | int,
        timeout: int = ENUMERATION_MS,
    ) -> tuple[int, bytes]:
        length = payload if isinstance(payload, int) else len(payload)
        setup = core.Setup(kind, request, value, index, length).pack()
        return self._checked(kind & 0x80, payload, setup=setup, timeout_ms=timeout)

    def _checked(self, endpoint: int, payload: bytes | int, **more: Any) -> tuple[int, bytes]:
        """Run one transfer; raises USBError unless it succeeded."""
        more["timeout_ms"] = more["timeout_ms"] or None  # libusb: 0 means no limit
        status, length, received = self._connection.transfer(endpoint, payload, **more)
        if status in UNPLUGGED_STATUSES:
            status = -errno.ENODEV
        if status == -errno.ETIMEDOUT:
            raise USBTimeoutError(os.strerror(errno.ETIMEDOUT), status, errno.ETIMEDOUT)
        if status < 0:
            raise USBError(os.strerror(-status), status, -status)
        return length, received


def _filled(buffer: Buffer, received: bytes) -> int:
    if len(received) > len(buffer):
        raise USBError("more than was asked for", -errno.EOVERFLOW, errno.EOVERFLOW)
    buffer[: len(received)] = array.array("B", received)
    return len(received)


def _interfaces(described: bytes) -> Iterator[_Interface]:
    """Yield the interfaces of a configuration, each alternate setting separately, with their endpoints."""
    interface: _Interface | None = None
    for descriptor in core.iter_descriptors(described):
        match descriptor[1]:
            case core.DT_INTERFACE if len(descriptor) >= 9:
                if interface is not None:
                    yield interface
                parsed = core.InterfaceDescriptor.parse(descriptor)
                interface = _Interface(_with(parsed, 9, core.DT_INTERFACE, extra_descriptors=[]))
            case core.DT_ENDPOINT if len(descriptor) >= 7 and interface is not None:
                interface.endpoints.append(
                    _with(
                        core.EndpointDescriptor.parse(descriptor),
                        7,
                        core.DT_ENDPOINT,
                        bRefresh=0,
                        bSynchAddress=0,
                        extra_descriptors=[],
                    )
                )
    if interface is not None:
        yield interface


def _with(descriptor: Any, length: int, kind: int, **more: Any) -> Any:
    """Add the fields that pyusb reads beside the descriptor itself."""
    for name, value in {"bLength": length, "bDescriptorType": kind, **more}.items():
        setattr(descriptor, name, value)
    return descriptor
