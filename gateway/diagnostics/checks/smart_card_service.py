"""Checks of the smart card service for a chip reader: present, not shared, not displaced by the kernel."""

import os
from collections.abc import Iterator
from pathlib import Path

from drivers.links.device_node import OpeningProcess
from drivers.links.link import Action
from drivers.links.smartcard.clients import other_clients
from gateway.api.models import Finding
from gateway.diagnostics.checks.conflicting_services import stop_command
from gateway.diagnostics.findings import make_finding
from gateway.diagnostics.host import HostView, read_text

PCSCD = "pcscd/pcscd.comm"
NFC_MODULES = ("pn533_usb", "port100")
"""Kernel drivers that take contactless readers away from pcscd (LudovicRousseau/pcsc-tools#97)."""


def check_smart_card_service(position: str, slot: str, host: HostView) -> Iterator[Finding]:
    """Check the service, and the programs and drivers that compete for its readers."""
    yield from _check_nfc_modules(position, host)
    # pcscd(8): the socket that clients try first.
    if not Path(os.environ.get("PCSCLITE_CSOCK_NAME", host.run / PCSCD)).exists():
        yield make_finding(
            "no_pcscd",
            "error",
            position,
            f"The smart card service is not running: the slot {slot} cannot be opened.",
            Action.RESTART,
            "sudo systemctl enable --now pcscd.socket; if it is not installed: sudo apt install pcscd",
        )
    for client in other_clients(host.proc):
        if not _is_gateway(client, host):
            yield make_finding(
                "slot_shared",
                "warning",
                position,
                f"{client} uses the smart card service too: while it uses the chip reader, chips are read "
                "late or not at all.",
                Action.RESTART,
                f"Set it to use another reader, or stop it. {stop_command(client)}",
            )


def nfc_module_sentences(module: str, socket: str) -> tuple[str, str]:
    """Return the text and the remedy of a chip reader that a kernel driver has taken."""
    return (
        f"The kernel driver {module} has taken the chip reader at USB socket {socket}, so the smart card "
        "service cannot use it.",
        f"sudo modprobe -r {module}; then unplug the chip reader and plug it in again. To keep the "
        f"driver away: echo 'blacklist {module}' | sudo tee -a /etc/modprobe.d/borderpost.conf "
        "(the Debian package does that)",
    )


def _check_nfc_modules(position: str, host: HostView) -> Iterator[Finding]:
    for module in NFC_MODULES:
        taken = sorted(path.name for path in (host.sys / "bus/usb/drivers" / module).glob("[0-9]*-*"))
        if taken:
            text, how = nfc_module_sentences(module, taken[0].partition(":")[0])
            yield make_finding("port_held", "error", position, text, Action.RESTART, how)


def _is_gateway(client: OpeningProcess, host: HostView) -> bool:
    """Return True for a process of the gateway itself, such as the worker of a chip reader."""
    command = read_text(host.proc / str(client.pid) / "cmdline") or ""
    return any("borderpost" in part or part == "gateway" for part in command.split("\0"))
