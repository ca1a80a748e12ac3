"""What counters and last events suggest: a wrong rate, a dirty sensor, a dying cable."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from drivers.driver import Family
from drivers.links.link import Action
from drivers.links.settings import Settings
from gateway.api.models import Counters, DeviceView, EventView, Finding
from gateway.config import DeviceSettings
from gateway.diagnostics.findings import found

GARBAGE = 3
"""So many frames that mean nothing, and not one that does: then the device is not spoken to as it speaks."""
SHARE_BAD, LEAST = 0.3, 10
"""A sensor is probably dirty when so much of at least so many reads is bad."""
LOST, LOST_PER_H = 3, 1.0
"""A cable is probably dying when a device was lost so often, and that often an hour."""
CRASHES = 3
OPTICAL = {Family.PASSPORT_READER: "the glass", Family.FINGERPRINT_SCANNER: "the platen"}
BAD_FRAME = "bad_frame"


def look_at_counters(
    device: DeviceView, configured: DeviceSettings, events: Sequence[EventView], config: Path
) -> Iterator[Finding]:
    """Judge what was counted since somebody last reset the counters, or since the device was first seen."""
    counted = device.tally.since_reset if device.tally.reset_at is not None else device.tally.lifetime
    yield from _rate(device, counted, configured.settings, events)
    yield from _dirty(device, counted, config)
    yield from _cable(device, counted, config)
    if device.restarts >= CRASHES:
        yield found(
            "crashes",
            "warning",
            device.position,
            f"Its process has died {device.restarts} times since the gateway was started.",
            Action.CALL,
            f"borderpost bundle {config}, and send it to whoever maintains the driver {device.driver}.",
        )


def _rate(
    device: DeviceView, counted: Counters, settings: Settings, events: Sequence[EventView]
) -> Iterator[Finding]:
    latest = [event.type for event in events[-GARBAGE:]]
    only_garbage = counted.good == 0 and counted.bad >= GARBAGE
    if not only_garbage and latest != [BAD_FRAME] * GARBAGE:
        return
    how = "Its manual, or its configuration sheet, tells what it sends; then correct the device's table."
    text = f"{counted.bad} frames came from it and none meant anything"
    baud = getattr(settings, "baud", None)
    if baud is not None:
        set_to = f'baud = {baud}, parity = "{getattr(settings, "parity", "N")}"'
        text += f": that is what a wrong rate looks like; the file says {set_to}"
        how = (
            "Try the rates that makers use, 9600, 19200, 115200, as baud in its table, each with: "
            "sudo systemctl reload borderpost. Parity or framing may be wrong as well."
        )
    yield found(
        "baud_wrong" if baud is not None else "framing_wrong",
        "error",
        device.position,
        f"{text}.",
        Action.CONFIGURE,
        how,
    )


def _dirty(device: DeviceView, counted: Counters, config: Path) -> Iterator[Finding]:
    reads = counted.good + counted.bad
    what = OPTICAL.get(device.family)
    if what is None or counted.good == 0 or reads < LEAST or counted.bad < reads * SHARE_BAD:
        return
    yield found(
        "sensor_dirty",
        "warning",
        device.position,
        f"{counted.bad} of {reads} reads failed: {what} is probably dirty.",
        Action.CLEAN,
        f"Wipe {what} with a soft, dry cloth; then: borderpost counters {config} {device.position} --reset, "
        "and look again in an hour.",
    )


def _cable(device: DeviceView, counted: Counters, config: Path) -> Iterator[Finding]:
    hours = max(counted.online_s / 3600, 1.0)
    if counted.disconnects < LOST or counted.disconnects / hours < LOST_PER_H:
        return
    yield found(
        "cable_dying",
        "warning",
        device.position,
        f"It was lost {counted.disconnects} times in {hours:.0f} hours online: its cable or plug is dying.",
        Action.REPLACE,
        f"Change the cable, then the socket; then: borderpost counters {config} {device.position} --reset. "
        "What the kernel saw: sudo dmesg | grep -i usb | tail",
    )
