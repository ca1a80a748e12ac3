"""Findings: made, ordered, and named so that a code survives a bad telephone line."""

from collections.abc import Iterable, Iterator
from typing import Literal, get_args

from drivers.links.link import Action
from gateway.api.models import Finding

Severity = Literal["ok", "notice", "warning", "error"]
SEVERITIES: tuple[Severity, ...] = get_args(Severity)


def make_finding(
    code: str, severity: Severity, about: str, text: str, action: Action = Action.NONE, how: str = ""
) -> Finding:
    """One finding: what, how bad, of what, in a sentence; what to do, and how."""
    return Finding(code=code, severity=severity, subject=about, text=text, action=action, how=how)


def make_ok_finding(code: str, about: str, text: str) -> Finding:
    """Something that was looked at and is as it should be."""
    return make_finding(code, "ok", about, text)


def worst_severity(findings: Iterable[Finding]) -> Severity:
    """The severity of the worst of them; `ok` where there are none."""
    return max((finding.severity for finding in findings), key=SEVERITIES.index, default="ok")


def sort_by_severity(findings: Iterable[Finding]) -> list[Finding]:
    """The same findings, the worst before the others, else in the order in which they came."""
    return sorted(findings, key=lambda finding: -SEVERITIES.index(finding.severity))


def unique_findings(findings: Iterable[Finding]) -> Iterator[Finding]:
    """Each of them once: two looks may find the same, and say it in other words."""
    seen: set[tuple[str, str, str]] = set()
    codes: set[str] = set()
    for finding in findings:
        key = (finding.code, finding.subject, finding.text if finding.subject == "certificates" else "")
        # What the gateway says of its disk or its brokers may have been found there already.
        if key not in seen and not (finding.subject == "gateway" and finding.code in codes):
            seen.add(key)
            codes.add(finding.code)
            yield finding


def phone_code(code: str) -> str:
    """The code as it is read out on the telephone: `port_held` is `BP-PORT-HELD-20`.

    The last two digits are a CRC-8 (polynomial 0x07) of the code: who misheard it has others.
    """
    crc = 0
    for byte in code.encode():
        crc ^= byte
        for _ in range(8):
            crc = crc << 1 ^ 0x07 if crc & 0x80 else crc << 1
            crc &= 0xFF
    return f"BP-{code.upper().replace('_', '-')}-{crc:02X}"
