"""Programs that take devices without being asked, and how each is kept away."""

from collections.abc import Iterator

from drivers.links.device_node import Holder
from drivers.links.link import Action
from gateway.api.models import Finding
from gateway.diagnostics.findings import found
from gateway.diagnostics.host import Surroundings, text

RIVALS = {
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


def how_to_stop(holder: Holder) -> str:
    """How a program lets go of a device."""
    if holder.name in RIVALS:
        return RIVALS[holder.name][1]
    return f"See what it is: ps -fp {holder.pid}; end it: sudo kill {holder.pid}"


def look_at_rivals(around: Surroundings) -> Iterator[Finding]:
    """Look for those that are running, whether they have something already or not."""
    running = {text(comm) for comm in around.proc.glob("[0-9]*/comm")}
    for name in ("ModemManager", "brltty", "fprintd"):
        if name in running:
            does, how = RIVALS[name]
            yield found(
                "rival_running",
                "notice",
                "machine",
                f"{name} is running: it {does}.",
                Action.CONFIGURE,
                how,
            )
