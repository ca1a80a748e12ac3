"""Kernel messages about cables and disks since boot. On most machines only root may read them.

Source: Linux, `Documentation/ABI/testing/dev-kmsg`; messages: drivers/usb/core/hub.c, block/blk-core.c.
"""

import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping

from drivers.links.link import Action
from gateway.api.models import Finding
from gateway.diagnostics.findings import make_finding
from gateway.diagnostics.host import HostView

USB = re.compile(
    r"usb (?P<socket>\d+-[\d.]+): (?:reset \S+ USB device"
    r"|device descriptor read/\S+, error|device not accepting address|unable to enumerate)"
)
DISK = re.compile(r"I/O error, dev (?P<disk>[a-z0-9]+)|(?P<fs>EXT4-fs|BTRFS|XFS)[ (:].*(?:error|corrupt)")
MIN_OCCURRENCES = 3
MOST_BYTES = 1 << 22


def check_usb_resets(positions: Mapping[str, str], host: HostView) -> Iterator[Finding]:
    """Report USB devices with communication errors. `positions` maps a USB socket to a position."""
    sockets = Counter(match["socket"] for message in _messages(host) if (match := USB.search(message)))
    for socket, times in sorted(sockets.items()):
        if times >= MIN_OCCURRENCES:
            yield make_finding(
                "usb_errors",
                "warning",
                positions.get(socket, "usb"),
                f"The kernel reset the USB device in socket {socket}, or could not communicate with it, "
                f"{times} times since boot: its cable, plug or power is failing.",
                Action.REPLACE,
                f"Replace the cable, then the socket; the messages: sudo dmesg | grep 'usb {socket}:' | tail",
            )


def check_disk_errors(host: HostView) -> Iterator[Finding]:
    """Report disks and file systems with errors."""
    disks = Counter(
        match["disk"] or match["fs"] for message in _messages(host) if (match := DISK.search(message))
    )
    for name, times in sorted(disks.items()):
        yield make_finding(
            "disk_errors",
            "error",
            "disk",
            f"The kernel has logged {times} errors of {name} since boot: the disk may fail.",
            Action.REPLACE,
            f"sudo dmesg | grep -w {name} | tail; replace the disk: a post can be reinstalled from "
            "its one file.",
        )


def _messages(host: HostView) -> Iterator[str]:
    try:
        log = os.open(host.dev / "kmsg", os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return  # Only root may read it, or it does not exist.
    try:
        read = 0
        # Each read returns one record; EAGAIN after the last one, EPIPE if one was overwritten.
        while read < MOST_BYTES:
            try:
                record = os.read(log, 8192)
            except BrokenPipeError:
                continue
            except OSError:
                return
            if not record:
                return
            read += len(record)
            yield from record.decode(errors="replace").splitlines()
    finally:
        os.close(log)
