"""Findings: made, ordered, and named so that a code survives a bad telephone line."""

from collections.abc import Iterable
from typing import Literal, get_args

from drivers.links.link import Action
from gateway.local.views import Finding

Severity = Literal["ok", "notice", "warning", "error"]
SEVERITIES: tuple[Severity, ...] = get_args(Severity)


def found(
    code: str, severity: Severity, about: str, text: str, action: Action = Action.NONE, how: str = ""
) -> Finding:
    """One finding: what, how bad, of what, in a sentence; what to do, and how."""
    return Finding(code=code, severity=severity, about=about, text=text, action=action, how=how)


def well(code: str, about: str, text: str) -> Finding:
    """Something that was looked at and is as it should be."""
    return found(code, "ok", about, text)


def worst(findings: Iterable[Finding]) -> Severity:
    """The severity of the worst of them; `ok` where there are none."""
    return max((finding.severity for finding in findings), key=SEVERITIES.index, default="ok")


def worst_first(findings: Iterable[Finding]) -> list[Finding]:
    """The same findings, the worst before the others, else in the order in which they came."""
    return sorted(findings, key=lambda finding: -SEVERITIES.index(finding.severity))


def spoken(code: str) -> str:
    """The code as it is read out on the telephone: `port_held` is `BP-PORT-HELD-3B`.

    The last two digits are a CRC-8 (polynomial 0x07) of the code: who misheard it has others.
    """
    crc = 0
    for byte in code.encode():
        crc ^= byte
        for _ in range(8):
            crc = crc << 1 ^ 0x07 if crc & 0x80 else crc << 1
            crc &= 0xFF
    return f"BP-{code.upper().replace('_', '-')}-{crc:02X}"
