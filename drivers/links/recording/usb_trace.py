"""Trace of a USB link, kept in memory for a technician: each transfer at its begin and at its end."""

import errno
from collections import deque
from dataclasses import dataclass
from enum import IntEnum
from typing import Literal, Protocol

from drivers.links.recording.pcapng import USBMON, to_pcapng


class TransferType(IntEnum):
    """Kinds of transfers, in the numbers of usbmon (not those of USB descriptors)."""

    ISOCHRONOUS = 0
    INTERRUPT = 1
    CONTROL = 2
    BULK = 3


@dataclass(frozen=True, slots=True)
class Transfer:
    """One transfer at its begin or at its end, as in usbmon (Linux, `Documentation/usb/usbmon.rst`)."""

    id: int
    """Number of the transfer, the same at begin and end."""
    stage: Literal["submit", "complete"]
    kind: TransferType
    endpoint: int
    """Address; bit 0x80 is set for the direction to the host."""
    bus: int
    device: int
    at_ns: int
    """Wall clock, in nanoseconds since 1970."""
    status: int
    """0, or a negative errno."""
    length: int
    """Requested bytes at the start, transferred bytes at the end."""
    setup: bytes = b""
    """Eight bytes at the start of a control transfer."""
    data: bytes = b""
    """Bytes sent, at the start; bytes received, at the end."""


class TransferTap(Protocol):
    """Callback for the start and the end of each USB transfer, in order, from the threads of the link."""

    def __call__(self, transfer: Transfer) -> None:
        """Take note of a transfer; must not raise or block. One link never calls it twice at once."""
        ...


def ignore_transfer(transfer: Transfer) -> None:
    """Trace nothing."""


class UsbTrace:
    """Latest transfers of a link, up to a limit; the `TransferTap` that keeps them is `tap`.

    They contain fingerprints and faces, so they never leave the post.
    """

    def __init__(self, limit_bytes: int = 64 * 1024 * 1024) -> None:
        self.transfers: deque[Transfer] = deque()
        self._limit_bytes = limit_bytes
        self._held_bytes = 0

    def tap(self, transfer: Transfer) -> None:
        """Keep a transfer, and drop the oldest ones over the limit."""
        self.transfers.append(transfer)
        self._held_bytes += _cost(transfer)
        while self._held_bytes > self._limit_bytes:
            self._held_bytes -= _cost(self.transfers.popleft())

    def pcapng(self) -> bytes:
        """Return all kept transfers as a file for Wireshark."""
        return to_pcapng(USBMON, [(transfer.at_ns, usbmon(transfer)) for transfer in self.transfers])


def _cost(transfer: Transfer) -> int:
    return len(transfer.data) + 256


def usbmon(transfer: Transfer) -> bytes:
    """Return the 64 bytes of usbmon's binary format (`struct mon_bin_hdr`), and the data."""
    begins = transfer.stage == "submit"
    head = b"".join(
        (
            transfer.id.to_bytes(8, "little"),
            b"S" if begins else b"C",
            bytes((transfer.kind, transfer.endpoint, transfer.device & 0xFF)),
            transfer.bus.to_bytes(2, "little"),
            b"\x00" if transfer.setup else b"-",
            b"\x00" if transfer.data else b"<" if begins and transfer.endpoint & 0x80 else b">",
            (transfer.at_ns // 1_000_000_000).to_bytes(8, "little"),
            (transfer.at_ns // 1000 % 1_000_000).to_bytes(4, "little"),
            (-errno.EINPROGRESS if begins else transfer.status).to_bytes(4, "little", signed=True),
            transfer.length.to_bytes(4, "little"),
            len(transfer.data).to_bytes(4, "little"),
            transfer.setup.ljust(8, b"\x00"),
            bytes(16),  # fields of isochronous transfers and polling intervals only
        )
    )
    return head + transfer.data
