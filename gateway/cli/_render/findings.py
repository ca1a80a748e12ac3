"""Findings on a terminal, and the exit code that follows from them."""

import json
from collections.abc import Iterable
from typing import Annotated

import typer

from gateway.api.models import Finding
from gateway.cli._lib.terminal import console
from gateway.diagnostics.findings import phone_code, worst_severity

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON list of findings only.")]
EXIT_CODES = {"ok": 0, "notice": 0, "warning": 1, "error": 3}
STYLES = {"ok": "green", "notice": "cyan", "warning": "yellow", "error": "bold red"}


def print_findings(findings: Iterable[Finding], *, everything: bool, as_json: bool) -> None:
    """Print findings with their remedies, and end with the exit code of the highest severity.

    Plain lines without a table: they are read over serial consoles and on the telephone.
    """
    findings = list(findings)
    if as_json:
        typer.echo(json.dumps([finding.model_dump(mode="json") for finding in findings], ensure_ascii=False))
        raise typer.Exit(EXIT_CODES[worst_severity(findings)])
    shown = [finding for finding in findings if everything or finding.severity != "ok"]
    for finding in shown:
        console.print(f"[{STYLES[finding.severity]}]{finding.severity:7}[/] ", end="")
        code = "" if finding.severity == "ok" else f" [{phone_code(finding.code)}]"
        console.print(f"{finding.subject}: {finding.text}{code}", markup=False, soft_wrap=True)
        if finding.how:
            console.print(f"        {finding.action}: {finding.how}", markup=False, soft_wrap=True)
    well = sum(finding.severity == "ok" for finding in findings)
    if not everything and well:
        console.print(f"{well} other checks passed (--all shows them).", markup=False)
    raise typer.Exit(EXIT_CODES[worst_severity(findings)])
