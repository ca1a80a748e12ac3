"""What the kernel said of cables and disks since the start of the machine; only root may read it on most.

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
    """Look for USB devices that the kernel could hardly speak to; `ours` are positions by their socket."""
    sockets = Counter(said["socket"] for message in _messages(host) if (said := USB.search(message)))
    for socket, times in sorted(sockets.items()):
        if times >= MIN_OCCURRENCES:
            yield make_finding(
                "usb_errors",
                "warning",
                positions.get(socket, "usb"),
                f"The kernel had to reset the USB device in socket {socket}, or could not speak to it, "
                f"{times} times since the start: its cable, plug or power is failing.",
                Action.REPLACE,
                f"Change the cable, then the socket; what was seen: sudo dmesg | grep 'usb {socket}:' | tail",
            )


def check_disk_errors(host: HostView) -> Iterator[Finding]:
    """Look for disks and file systems that failed."""
    disks = Counter(
        said["disk"] or said["fs"] for message in _messages(host) if (said := DISK.search(message))
    )
    for name, times in sorted(disks.items()):
        yield make_finding(
            "disk_errors",
            "error",
            "disk",
            f"The kernel has seen {times} errors of {name} since the start.",
            Action.REPLACE,
            f"sudo dmesg | grep -w {name} | tail; replace the disk: a post is rebuilt from its one file.",
        )


def _messages(host: HostView) -> Iterator[str]:
    try:
        log = os.open(host.dev / "kmsg", os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return  # only root may, or there is none
    try:
        read = 0
        # One record a read, EAGAIN after the last of them, EPIPE where one was overwritten.
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
