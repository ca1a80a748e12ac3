"""Transfers of an open USB device: traced, with LinkErrors. All of them block."""

import contextlib
import errno
import itertools
import os
import threading
import time
from collections.abc import Callable
from typing import Any, Literal

import usb.core

from drivers.links.link import Action, Cause, LinkError, Tap
from drivers.links.recording.usb_trace import Transfer, TransferTap, TransferType
from drivers.links.usb.devices import UsbDevice

UNPLUGGED_ERRNOS = frozenset({errno.ENODEV, errno.ESHUTDOWN, errno.ENOENT, errno.ENXIO})
UNPLUG_GRACE_S = 0.3
"""Upper bound on the time that an unplugged device is still listed, in seconds."""


class TransferError(LinkError):
    """Failure of one transfer of a device that is still present: the driver may handle it."""


class TransferStalled(TransferError):  # noqa: N818 - an answer of the device
    """Stalled endpoint: the device refused; the endpoint is cleared for the next transfer."""


class TransferTimedOut(TransferError):  # noqa: N818 - no answer
    """No response of the device in time."""


class Transfers:
    """Transfers of one device. Calls for different endpoints may run concurrently."""

    def __init__(
        self, device: Any, address: str, found: UsbDevice | None, tap: Tap, transfers: TransferTap
    ) -> None:
        self._device = device
        self._address = address
        self._found = found
        self._tap = tap
        self._transfer_tap = transfers
        self._tapping = threading.Lock()
        self._numbers = itertools.count(1)
        self.kinds = {0x00: TransferType.CONTROL, 0x80: TransferType.CONTROL}
        """Kind of each endpoint, by its address."""

    def control_in(
        self, kind: int, request: int, value: int, index: int, size: int, timeout_s: float
    ) -> bytes:
        """Read by a control transfer; raises LinkError."""
        return self._transfer(
            kind & 0x80,
            size,
            lambda: self._device.ctrl_transfer(kind, request, value, index, size, _ms(timeout_s)),
            _setup(kind, request, value, index, size),
        )

    def control_out(
        self, kind: int, request: int, value: int, index: int, data: bytes, timeout_s: float
    ) -> None:
        """Write by a control transfer; raises LinkError."""
        self._transfer(
            kind & 0x80,
            data,
            lambda: self._device.ctrl_transfer(kind, request, value, index, data, _ms(timeout_s)),
            _setup(kind, request, value, index, len(data)),
        )

    def read(
        self, endpoint: int, size: int, timeout_s: float, begun: Callable[[], object] = lambda: None
    ) -> bytes:
        """Read once, at most `size` bytes, and call `begun` once it runs; raises LinkError."""

        def read() -> Any:
            begun()
            return self._device.read(endpoint, size, _ms(timeout_s))

        return self._transfer(endpoint, size, read)

    def write(self, endpoint: int, data: bytes, timeout_s: float) -> None:
        """Write all of it; raises LinkError."""
        self._transfer(endpoint, data, lambda: self._device.write(endpoint, data, _ms(timeout_s)))

    def _transfer(
        self, endpoint: int, payload: bytes | int, call: Callable[[], Any], setup: bytes = b""
    ) -> bytes:
        """Run one transfer; `payload` is the data to send, or the length to request."""
        number = next(self._numbers)
        sent, asked = (b"", payload) if isinstance(payload, int) else (payload, len(payload))
        self._note(number, "submit", endpoint, length=asked, setup=setup, data=sent)
        try:
            answer = call()
        except usb.core.USBError as error:
            self._note(number, "complete", endpoint, status=-(error.errno or errno.EIO))
            raise self.to_link_error(error, endpoint) from error
        received = answer.tobytes() if isinstance(payload, int) else b""
        count = len(received) if isinstance(payload, int) else answer
        self._note(number, "complete", endpoint, length=count, data=received)
        if count < len(sent):
            raise self._timed_out(f"accepted {count} bytes of {len(sent)}")
        return received

    def _note(
        self,
        number: int,
        stage: Literal["submit", "complete"],
        endpoint: int,
        *,
        status: int = 0,
        length: int = 0,
        setup: bytes = b"",
        data: bytes = b"",
    ) -> None:
        transfer = Transfer(
            id=number,
            stage=stage,
            kind=self.kinds.get(endpoint, TransferType.BULK),
            endpoint=endpoint,
            bus=self._device.bus,
            device=self._device.address,
            at_ns=time.time_ns(),
            status=status,
            length=length,
            setup=setup,
            data=data,
        )
        with self._tapping:
            self._transfer_tap(transfer)
            if data:
                self._tap("out" if stage == "submit" else "in", data)

    # Errors

    def to_link_error(self, error: usb.core.USBError, endpoint: int = 0) -> LinkError:
        """Return the error for a failed transfer, and clear a stalled endpoint."""
        match error.errno:
            case number if number in UNPLUGGED_ERRNOS:
                return self.unplugged_error()
            case errno.ETIMEDOUT:
                return self._timed_out("did not respond in time")
            case errno.EPIPE:
                if endpoint & 0x7F:
                    with contextlib.suppress(usb.core.USBError):
                        self._device.clear_halt(endpoint)
                return TransferStalled(
                    Cause.NO_RESPONSE,
                    f"The device at {self._address} refuses the request.",
                    Action.REPLUG,
                    "Unplug the device, wait five seconds, plug it in again.",
                )
            case _ if self._going():
                return self.unplugged_error()
            case number:
                why = os.strerror(number) if number is not None else "no reason given"
                return TransferError(
                    Cause.LINK_FAILED,
                    f"A transfer from or to {self._address} failed: {why}.",
                    Action.REPLUG,
                    "Try another cable and another socket, without a hub.",
                )

    def unplugged_error(self) -> LinkError:
        """Return the error for a device that was disconnected."""
        return LinkError(
            Cause.UNPLUGGED,
            f"The device at {self._address} was disconnected.",
            Action.REPLUG,
            "Check the cable; if this repeats, change it.",
        )

    def _timed_out(self, what: str) -> TransferTimedOut:
        return TransferTimedOut(
            Cause.NO_RESPONSE,
            f"The device at {self._address} {what}.",
            Action.REPLUG,
            "Unplug the device, wait five seconds, plug it in again.",
        )

    def _going(self) -> bool:
        """Return True during unplugging: transfers fail by line errors before the kernel reports it."""
        if self._found is None:
            return False
        deadline = time.monotonic() + UNPLUG_GRACE_S
        while self._found.is_plugged:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        return True


def _setup(kind: int, request: int, value: int, index: int, size: int) -> bytes:
    """Return the eight bytes that begin a control transfer (USB 2.0, section 9.3)."""
    return bytes((kind, request)) + b"".join(word.to_bytes(2, "little") for word in (value, index, size))


def _ms(seconds: float) -> int:
    """Return milliseconds for pyusb, where 0 means no limit."""
    return max(1, round(1000 * seconds))
