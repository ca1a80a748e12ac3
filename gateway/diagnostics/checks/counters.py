"""Checks of counters and last events: wrong baud rate, dirty sensor, failing cable, weak chip reader."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from drivers.driver import Family
from drivers.links.link import Action, Cause
from drivers.links.settings import Settings
from gateway.api.models import CountersView, DeviceView, EventView, Finding
from gateway.config import DeviceSettings
from gateway.diagnostics.findings import make_finding

MIN_BAD_FRAMES = 3
"""Bad frames, without one good frame, from which on the settings of the port are probably wrong."""
MAX_BAD_SHARE, MIN_READS = 0.3, 10
"""Share of bad reads, of at least so many reads, from which on a sensor is probably dirty."""
MIN_DISCONNECTS, MIN_DISCONNECTS_PER_H = 3, 1.0
"""Disconnects in total, and per hour online, from which on a cable is probably failing."""
MIN_CHIPS, MIN_ATTEMPTS_PER_CHIP = 10, 1.5
"""Number of chips, and attempts for each, from which on a chip reader is probably the cause."""
CRASHES = 3
OPTICAL = {Family.PASSPORT_READER: "the glass", Family.FINGERPRINT_SCANNER: "the platen"}
BAD_FRAME = "bad_frame"


def check_counters(
    device: DeviceView, configured: DeviceSettings, events: Sequence[EventView], config: Path
) -> Iterator[Finding]:
    """Evaluate the counters since their last reset, or since the device was first seen."""
    counted = (
        device.counters.since_reset if device.counters.reset_at is not None else device.counters.lifetime
    )
    if device.state.cause is not Cause.WRONG_FORMAT:  # the driver has compared the bytes
        yield from _check_baud_rate(device, counted, configured.settings, events)
        yield from _check_dirty_sensor(device, counted, config)
    yield from _check_cable(device, counted, config)
    yield from _check_chip_field(device, counted, config)
    if device.restarts >= CRASHES:
        yield make_finding(
            "worker_crashes",
            "warning",
            device.position,
            f"Its worker has crashed {device.restarts} times since the gateway was started; reads "
            "were lost each time.",
            Action.CALL_SUPPORT,
            f"borderpost bundle {config}, and send the archive to the maintainer of the driver "
            f"{device.driver}.",
        )


def _check_baud_rate(
    device: DeviceView, counted: CountersView, settings: Settings, events: Sequence[EventView]
) -> Iterator[Finding]:
    latest = [event.type for event in events[-MIN_BAD_FRAMES:]]
    only_garbage = counted.good_reads == 0 and counted.bad_reads >= MIN_BAD_FRAMES
    if not only_garbage and latest != [BAD_FRAME] * MIN_BAD_FRAMES:
        return
    how = (
        "Look up in its manual or configuration sheet which format it sends; then correct the device's table."
    )
    text = f"{counted.bad_reads} frames were received and none was valid"
    baud = getattr(settings, "baud", None)
    if baud is not None:
        set_to = f'baud = {baud}, parity = "{getattr(settings, "parity", "N")}"'
        text += f": this is typical of a wrong baud rate; the file has {set_to}"
        how = (
            "Try the usual rates 9600, 19200, 115200 as baud in its table, each with: "
            "sudo systemctl reload borderpost. Parity or framing may be wrong as well."
        )
    yield make_finding(
        "baud_rate_mismatch" if baud is not None else "framing_wrong",
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
        "and check again in an hour.",
    )


def _check_cable(device: DeviceView, counted: CountersView, config: Path) -> Iterator[Finding]:
    hours = max(counted.online_s / 3600, 1.0)
    if counted.disconnects < MIN_DISCONNECTS or counted.disconnects / hours < MIN_DISCONNECTS_PER_H:
        return
    yield make_finding(
        "cable_dying",
        "warning",
        device.position,
        f"It was disconnected {counted.disconnects} times in {hours:.0f} hours online: its cable or "
        "plug is failing.",
        Action.REPLACE,
        f"Replace the cable, then the socket; then: borderpost counters {config} {device.position} --reset. "
        "Kernel messages: sudo dmesg | grep -i usb | tail",
    )


def _check_chip_field(device: DeviceView, counted: CountersView, config: Path) -> Iterator[Finding]:
    chips, attempts = counted.chip_reads, counted.chip_attempts
    if chips < MIN_CHIPS or attempts < chips * MIN_ATTEMPTS_PER_CHIP:
        return
    yield make_finding(
        "chip_field_weak",
        "warning",
        device.position,
        f"{chips} chips had to be opened {attempts} times: they lose their power while the document lies on "
        "the chip reader, so reads take longer.",
        Action.CALL_SUPPORT,
        "Take metal away from the chip reader, and plug it into the mini-PC itself, not into a hub without a "
        f"power supply; then: borderpost counters {config} {device.position} --reset, and check again in a "
        "day.",
    )
