"""Check of the uninterruptible power supply, queried through Network UPS Tools (NUT) if they run.

Source: NUT, Developer Guide, chapter 9 (network protocol): `LIST UPS`, `LIST VAR`; User Manual, appendix on
`ups.status`.
"""

import socket
from collections.abc import Iterator
from contextlib import suppress
from typing import TextIO

from drivers.links.link import Action
from gateway.api.models import Finding
from gateway.diagnostics.findings import Severity, make_finding, make_ok_finding
from gateway.diagnostics.host import HostView

ANSWER_S = 1.0
STATUSES: dict[str, tuple[str, Severity, str, Action, str]] = {
    "LB": (
        "ups_low",
        "error",
        "has a nearly empty battery",
        Action.CALL_SUPPORT,
        "Start the generator, or shut the machine down.",
    ),
    "OB": ("ups_on_battery", "warning", "runs on its battery", Action.WAIT, "Check the mains and the fuse."),
    "RB": ("ups_battery", "warning", "needs a new battery", Action.REPLACE, "Order its battery pack."),
    "OVER": (
        "ups_overload",
        "error",
        "is overloaded",
        Action.CONFIGURE,
        "Unplug devices that need no backup power.",
    ),
    "BYPASS": (
        "ups_bypass",
        "warning",
        "is bypassed and protects no device",
        Action.CALL_SUPPORT,
        "Show the reason with upsc.",
    ),
}


def check_ups(host: HostView) -> Iterator[Finding]:
    """Query every UPS; yields nothing if NUT does not run."""
    try:
        with socket.create_connection(host.nut, ANSWER_S) as line, line.makefile("rw", newline="\n") as nut:
            for words in list(_listed(nut, "UPS")):  # to its end, before anything else is asked
                name = words[0]
                facts = {
                    fields[1]: fields[2].strip().strip('"')
                    for fields in _listed(nut, f"VAR {name}")
                    if len(fields) > 2
                }
                yield from _judge(name, facts)
    except OSError:
        return


def _judge(name: str, facts: dict[str, str]) -> Iterator[Finding]:
    status = facts.get("ups.status", "").split()
    left = ""
    with suppress(KeyError, ValueError):
        left = f" ({facts['battery.charge']} %, {int(facts['battery.runtime']) // 60} min left)"
    troubles = [STATUSES[word] for word in STATUSES if word in status]
    for code, severity, what, action, how in troubles[:1]:
        yield make_finding(code, severity, "ups", f"The UPS {name} {what}{left}.", action, how)
    if not status:
        yield make_finding(
            "ups_unreachable",
            "warning",
            "ups",
            f"The UPS {name} does not report its status: a power failure would not be reported.",
            Action.REPLUG,
            f"Check its cable; sudo systemctl restart nut-driver@{name}",
        )
    elif not troubles:
        yield make_ok_finding("ups_on_battery", "ups", f"The UPS {name} is on mains{left}.")


def _listed(nut: TextIO, what: str) -> Iterator[list[str]]:
    """Request a list; yields the words of each line without its kind."""
    nut.write(f"LIST {what}\n")
    nut.flush()
    kind = what.split(maxsplit=1)[0]
    for line in nut:
        if line.startswith(("END LIST", "ERR")):
            return
        if line.startswith(f"{kind} "):
            yield line.split(maxsplit=3)[1:]
