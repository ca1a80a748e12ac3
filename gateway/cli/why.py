"""`borderpost why`: explain why a device does not read."""

from gateway.cli._lib.api_client import load_view
from gateway.cli._lib.arguments import OneDevice, PostFile
from gateway.cli._lib.render_findings import AsJson, print_findings
from gateway.diagnostics.why import explain_device as look


def why(
    config: PostFile,
    position: OneDevice,
    as_json: AsJson = False,
) -> None:
    """Explain why a device does not read, with remedies. Works without a running gateway too.

    Exit codes: 0 nothing worse than a notice, 1 warnings, 3 errors.
    """
    view, events = load_view(config)
    print_findings(look(config, position, view, events.get(position, ())), everything=True, as_json=as_json)
