"""What counters and last events suggest: a wrong rate, a dirty sensor, a dying cable."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from drivers.driver import Family
from drivers.links.link import Action
from drivers.links.settings import Settings
from gateway.api.models import CountersView, DeviceView, EventView, Finding
from gateway.config import DeviceSettings
from gateway.diagnostics.findings import make_finding

MIN_BAD_FRAMES = 3
"""So many frames that mean nothing, and not one that does: then the device is not spoken to as it speaks."""
MAX_BAD_SHARE, MIN_READS = 0.3, 10
"""A sensor is probably dirty when so much of at least so many reads is bad."""
MIN_DISCONNECTS, MIN_DISCONNECTS_PER_H = 3, 1.0
"""A cable is probably dying when a device was lost so often, and that often an hour."""
CRASHES = 3
OPTICAL = {Family.PASSPORT_READER: "the glass", Family.FINGERPRINT_SCANNER: "the platen"}
BAD_FRAME = "bad_frame"


def check_counters(
    device: DeviceView, configured: DeviceSettings, events: Sequence[EventView], config: Path
) -> Iterator[Finding]:
    """Judge what was counted since somebody last reset the counters, or since the device was first seen."""
    counted = (
        device.counters.since_reset if device.counters.reset_at is not None else device.counters.lifetime
    )
    yield from _check_baud_rate(device, counted, configured.settings, events)
    yield from _check_dirty_sensor(device, counted, config)
    yield from _check_cable(device, counted, config)
    if device.restarts >= CRASHES:
        yield make_finding(
            "crashes",
            "warning",
            device.position,
            f"Its process has died {device.restarts} times since the gateway was started.",
            Action.CALL_SUPPORT,
            f"borderpost bundle {config}, and send it to whoever maintains the driver {device.driver}.",
        )


def _check_baud_rate(
    device: DeviceView, counted: CountersView, settings: Settings, events: Sequence[EventView]
) -> Iterator[Finding]:
    latest = [event.type for event in events[-MIN_BAD_FRAMES:]]
    only_garbage = counted.good_reads == 0 and counted.bad_reads >= MIN_BAD_FRAMES
    if not only_garbage and latest != [BAD_FRAME] * MIN_BAD_FRAMES:
        return
    how = "Its manual, or its configuration sheet, tells what it sends; then correct the device's table."
    text = f"{counted.bad_reads} frames came from it and none meant anything"
    baud = getattr(settings, "baud", None)
    if baud is not None:
        set_to = f'baud = {baud}, parity = "{getattr(settings, "parity", "N")}"'
        text += f": that is what a wrong rate looks like; the file says {set_to}"
        how = (
            "Try the rates that makers use, 9600, 19200, 115200, as baud in its table, each with: "
            "sudo systemctl reload borderpost. Parity or framing may be wrong as well."
        )
    yield make_finding(
        "baud_wrong" if baud is not None else "framing_wrong",
        "error",
        device.position,
        f"{text}.",
        Action.CONFIGURE,
        how,
    )


def _check_dirty_sensor(device: DeviceView, counted: CountersView, config: Path) -> Iterator[Finding]:
    reads = counted.good_reads + counted.bad_reads
    what = OPTICAL.get(device.family)
    if (
        what is None
        or counted.good_reads == 0
        or reads < MIN_READS
        or counted.bad_reads < reads * MAX_BAD_SHARE
    ):
        return
    yield make_finding(
        "sensor_dirty",
        "warning",
        device.position,
        f"{counted.bad_reads} of {reads} reads failed: {what} is probably dirty.",
        Action.CLEAN,
        f"Wipe {what} with a soft, dry cloth; then: borderpost counters {config} {device.position} --reset, "
        "and look again in an hour.",
    )


def _check_cable(device: DeviceView, counted: CountersView, config: Path) -> Iterator[Finding]:
    hours = max(counted.online_s / 3600, 1.0)
    if counted.disconnects < MIN_DISCONNECTS or counted.disconnects / hours < MIN_DISCONNECTS_PER_H:
        return
    yield make_finding(
        "cable_dying",
        "warning",
        device.position,
        f"It was lost {counted.disconnects} times in {hours:.0f} hours online: its cable or plug is dying.",
        Action.REPLACE,
        f"Change the cable, then the socket; then: borderpost counters {config} {device.position} --reset. "
        "What the kernel saw: sudo dmesg | grep -i usb | tail",
    )
