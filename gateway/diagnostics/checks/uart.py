"""Error counters of the machine's own serial ports: framing errors indicate a wrong baud rate.

Source: Linux, drivers/tty/serial/serial_core.c, `uart_line_info`: `0: uart:16550A ... rx:12 fe:3 oe:1 brk:2`.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from drivers.links.link import Action
from gateway.api.models import Finding
from gateway.diagnostics.findings import make_finding
from gateway.diagnostics.host import HostView, read_text

NODE = re.compile(r"ttyS(\d+)")
FEW, SHARE = 5, 0.05
"""Framing errors, and their share of the received bytes, from which on they are reported."""


def check_uart(position: str, node: Path, host: HostView) -> Iterator[Finding]:
    """Check one port; ports on USB have no such counters."""
    port = NODE.fullmatch(node.name)
    if port is None:
        return
    for line in (read_text(host.proc / "tty/driver/serial") or "").splitlines():
        if not line.startswith(f"{port[1]}:"):
            continue
        counted = {name: int(count) for name, count in re.findall(r"\b(rx|fe|oe|pe):(\d+)", line)}
        errors, came = counted.get("fe", 0) + counted.get("pe", 0), counted.get("rx", 0)
        if errors >= FEW and errors >= came * SHARE:
            yield make_finding(
                "baud_rate_mismatch",
                "error",
                position,
                f"{node} has counted {errors} framing and parity errors in {came} bytes: its rate or "
                "parity is not that of the device.",
                Action.CONFIGURE,
                "Try the usual rates 9600, 19200, 115200 as baud in its table, each with: "
                "sudo systemctl reload borderpost.",
            )
        if overruns := counted.get("oe", 0):
            yield make_finding(
                "port_overrun",
                "notice",
                position,
                f"{node} has lost {overruns} bytes because they were not read in time: reads were damaged.",
                Action.CALL_SUPPORT,
                "Check the load of the machine: uptime",
            )
