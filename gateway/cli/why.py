"""`borderpost why`: explain why a device does not read."""

from gateway.cli._lib.api_client import device_path, load_view, request_findings
from gateway.cli._lib.arguments import OneDevice, PostFile
from gateway.cli._render.findings import AsJson, print_findings
from gateway.diagnostics.why import explain_device
from gateway.state_dir import is_forbidden


def why(
    config: PostFile,
    position: OneDevice,
    as_json: AsJson = False,
) -> None:
    """Explain why a device does not read, with remedies. Works without a running gateway too.

    Exit codes: 0 nothing worse than a notice, 1 warnings, 3 errors.
    """
    if is_forbidden(config):  # the gateway may read it, and runs the checks
        findings = request_findings(config, device_path(position, "/why"))
    else:
        view, events = load_view(config)
        findings = explain_device(config, position, view, events.get(position, ()))
    print_findings(findings, everything=True, as_json=as_json)
