"""Checks of memory and temperature."""

from collections.abc import Iterator

from drivers.links.link import Action
from gateway.api.models import Finding
from gateway.diagnostics.findings import make_finding, make_ok_finding
from gateway.diagnostics.host import HostView, read_number, read_text

LOW_MIB = 100
HOT_C, MARGIN_C = 90.0, 10.0
"""Limit for a sensor without one of its own, and margin below a limit from which on it is reported."""


def check_memory(host: HostView) -> Iterator[Finding]:
    """Check available memory, and whether the kernel killed processes for lack of it."""
    lines = (line.split() for line in (read_text(host.proc / "meminfo") or "").splitlines())
    kib = {parts[0].rstrip(":"): int(parts[1]) for parts in lines if len(parts) > 1}
    if "MemAvailable" in kib:
        left, size = kib["MemAvailable"] // 1024, kib["MemTotal"] // 1024
        text = f"{left} MiB of {size} MiB memory are available"
        if left < LOW_MIB:
            yield make_finding(
                "memory_low",
                "warning",
                "machine",
                f"Only {text}.",
                Action.RESTART,
                "Largest processes: ps -eo rss,pid,comm --sort=-rss | head; end those that do not "
                "belong to the post.",
            )
        else:
            yield make_ok_finding("memory_low", "machine", f"{text}.")
    counters = dict(line.split(" ", 1) for line in (read_text(host.proc / "vmstat") or "").splitlines())
    if kills := int(counters.get("oom_kill", 0)):
        yield make_finding(
            "out_of_memory_kill",
            "warning",
            "machine",
            f"Memory was exhausted since boot: the kernel killed {kills} processes.",
            Action.CALL_SUPPORT,
            "List them: sudo journalctl -k -g 'Out of memory' | tail",
        )


def check_temperature(host: HostView) -> Iterator[Finding]:
    """Check every sensor that has a limit, and the processor."""
    hottest = -273.0
    for name, degrees, limit in _sensors(host):
        hottest = max(hottest, degrees)
        if degrees >= limit - MARGIN_C:
            yield make_finding(
                "too_hot",
                "error" if degrees >= limit else "warning",
                "machine",
                f"{name} has {degrees:.0f} °C; its limit is {limit:.0f} °C. The machine may slow down "
                "or switch off.",
                Action.CLEAN,
                "Remove dust from vents and filter, shade the cabinet, check that the fan turns.",
            )
    if hottest > -273.0:
        yield make_ok_finding("too_hot", "machine", f"The hottest sensor has {hottest:.0f} °C.")


def _sensors(host: HostView) -> Iterator[tuple[str, float, float]]:
    """Yield name, temperature and limit of each sensor, in degrees Celsius."""
    for zone in sorted(host.sys.glob("class/thermal/thermal_zone*")):
        degrees = read_number(zone / "temp")
        critical = [
            limit / 1000
            for trip in zone.glob("trip_point_*_type")
            if read_text(trip) == "critical"
            and (limit := read_number(trip.with_name(trip.name.replace("_type", "_temp")))) is not None
            and limit > 0
        ]
        if degrees is not None:
            yield read_text(zone / "type") or zone.name, degrees / 1000, min(critical, default=HOT_C)
    for sensor in sorted(host.sys.glob("class/hwmon/hwmon*/temp*_input")):
        degrees, limit = (
            read_number(sensor),
            read_number(sensor.with_name(sensor.name.replace("_input", "_crit"))),
        )
        if degrees is not None and limit is not None and limit > 0:
            yield read_text(sensor.parent / "name") or sensor.parent.name, degrees / 1000, limit / 1000
