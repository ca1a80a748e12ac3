"""Services that open devices without being configured to, and the command that stops each."""

from collections.abc import Iterator

from drivers.links.device_node import OpeningProcess
from drivers.links.link import Action
from gateway.api.models import Finding
from gateway.diagnostics.findings import make_finding
from gateway.diagnostics.host import HostView, read_text

CONFLICTING_SERVICES = {
    "ModemManager": (
        "probes every serial port for a modem",
        "sudo systemctl mask --now ModemManager",
    ),
    "brltty": ("opens serial adapters as Braille displays", "sudo systemctl mask --now brltty brltty-udev"),
    "fprintd": ("opens fingerprint scanners", "sudo systemctl mask --now fprintd"),
    "gpsd": ("opens serial ports as satellite receivers", "sudo systemctl disable --now gpsd.socket gpsd"),
    "agetty": ("runs a login prompt on a serial port", "sudo systemctl disable --now 'serial-getty@*'"),
    "upowerd": ("probes serial ports for a UPS", "sudo systemctl mask --now upower"),
}


def stop_command(holder: OpeningProcess) -> str:
    """Return the command that makes a program release a device."""
    if holder.name in CONFLICTING_SERVICES:
        return CONFLICTING_SERVICES[holder.name][1]
    return f"Identify it: ps -fp {holder.pid}; end it: sudo kill {holder.pid}"


def check_conflicting_services(host: HostView) -> Iterator[Finding]:
    """Report each such service that is running, whether it has opened a device already or not."""
    running = {read_text(comm) for comm in host.proc.glob("[0-9]*/comm")}
    for name in ("ModemManager", "brltty", "fprintd"):
        if name in running:
            does, how = CONFLICTING_SERVICES[name]
            yield make_finding(
                "conflicting_service",
                "notice",
                "machine",
                f"{name} is running: it {does}. The gateway may be unable to open that device.",
                Action.CONFIGURE,
                how,
            )
