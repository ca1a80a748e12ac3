"""Findings: construction, order, and codes that can be read out on the telephone."""

from collections.abc import Iterable, Iterator
from typing import Literal, get_args

from drivers.links.link import Action
from gateway.api.models import Finding

Severity = Literal["ok", "notice", "warning", "error"]
SEVERITIES: tuple[Severity, ...] = get_args(Severity)


def make_finding(
    code: str, severity: Severity, about: str, text: str, action: Action = Action.NONE, how: str = ""
) -> Finding:
    """Return a finding: code, severity, subject and a sentence; then the remedy as an action and in words."""
    return Finding(code=code, severity=severity, subject=about, text=text, action=action, how=how)


def make_ok_finding(code: str, about: str, text: str) -> Finding:
    """Return a finding for a check that passed."""
    return make_finding(code, "ok", about, text)


def worst_severity(findings: Iterable[Finding]) -> Severity:
    """Return the highest severity of the findings; `ok` if there are none."""
    return max((finding.severity for finding in findings), key=SEVERITIES.index, default="ok")


def sort_by_severity(findings: Iterable[Finding]) -> list[Finding]:
    """Return the findings sorted by severity, the highest first, otherwise in their order."""
    return sorted(findings, key=lambda finding: -SEVERITIES.index(finding.severity))


def unique_findings(findings: Iterable[Finding]) -> Iterator[Finding]:
    """Yield each finding once: two checks may find the same and describe it in different words."""
    seen: set[tuple[str, str, str]] = set()
    codes: set[str] = set()
    for finding in findings:
        key = (finding.code, finding.subject, finding.text if finding.subject == "certificates" else "")
        # A problem that the gateway reports of its disk or brokers may have been found by a check already.
        if key not in seen and not (finding.subject == "gateway" and finding.code in codes):
            seen.add(key)
            codes.add(finding.code)
            yield finding


def phone_code(code: str) -> str:
    """Return the code for the telephone: `port_held` is `BP-PORT-HELD-20`.

    The last two digits are a CRC-8 (polynomial 0x07) of the code: a misheard code has a different one.
    """
    crc = 0
    for byte in code.encode():
        crc ^= byte
        for _ in range(8):
            crc = crc << 1 ^ 0x07 if crc & 0x80 else crc << 1
            crc &= 0xFF
    return f"BP-{code.upper().replace('_', '-')}-{crc:02X}"
