"""`borderpost doctor`: check the post and its machine, the most severe findings first."""

import typer

from gateway.cli._lib.api_client import load_view, request_findings
from gateway.cli._lib.terminal import DEFAULT_CONFIG, ConfigFile
from gateway.cli._render.findings import AsJson, print_findings
from gateway.diagnostics.doctor import run_doctor
from gateway.state_dir import is_forbidden


def doctor(
    config: ConfigFile = DEFAULT_CONFIG,
    everything: bool = typer.Option(False, "--all", help="Show passed checks too."),
    as_json: AsJson = False,
) -> None:
    """Check broker, certificates, clock, disk, machine and devices. Works without a running gateway too.

    Exit codes: 0 nothing worse than a notice, 1 warnings, 3 errors.
    """
    if is_forbidden(config):  # the gateway may read it, and runs the checks
        findings = request_findings(config, "doctor")
    else:
        view, _ = load_view(config)
        findings = run_doctor(config, view)
    print_findings(findings, everything=everything, as_json=as_json)
