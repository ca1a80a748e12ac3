"""Programs that take devices without being asked, and how each is kept away."""

from collections.abc import Iterator

from drivers.links.device_node import OpeningProcess
from drivers.links.link import Action
from gateway.api.models import Finding
from gateway.diagnostics.findings import make_finding
from gateway.diagnostics.host import HostView, read_text

CONFLICTING_SERVICES = {
    "ModemManager": (
        "asks every serial port whether it is a modem",
        "sudo systemctl mask --now ModemManager",
    ),
    "brltty": ("takes serial adapters for Braille displays", "sudo systemctl mask --now brltty brltty-udev"),
    "fprintd": ("takes fingerprint scanners", "sudo systemctl mask --now fprintd"),
    "gpsd": ("takes serial receivers", "sudo systemctl disable --now gpsd.socket gpsd"),
    "agetty": ("waits for a login at a serial port", "sudo systemctl disable --now 'serial-getty@*'"),
    "upowerd": ("looks into serial UPSs", "sudo systemctl mask --now upower"),
}


def stop_command(holder: OpeningProcess) -> str:
    """How a program lets go of a device."""
    if holder.name in CONFLICTING_SERVICES:
        return CONFLICTING_SERVICES[holder.name][1]
    return f"See what it is: ps -fp {holder.pid}; end it: sudo kill {holder.pid}"


def check_conflicting_services(host: HostView) -> Iterator[Finding]:
    """Look for those that are running, whether they have something already or not."""
    running = {read_text(comm) for comm in host.proc.glob("[0-9]*/comm")}
    for name in ("ModemManager", "brltty", "fprintd"):
        if name in running:
            does, how = CONFLICTING_SERVICES[name]
            yield make_finding(
                "rival_running",
                "notice",
                "machine",
                f"{name} is running: it {does}.",
                Action.CONFIGURE,
                how,
            )
