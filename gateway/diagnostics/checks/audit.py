"""Check of the audit files at the post."""

from collections.abc import Iterator
from pathlib import Path

from drivers.links.link import Action
from gateway.api.models import Finding
from gateway.audit.verify import verify
from gateway.diagnostics.findings import make_finding, make_ok_finding


def check_audit(config: Path, state_dir: Path) -> Iterator[Finding]:
    """Verify every line of the audit. Signatures are verified elsewhere, by the holder of the public key."""
    try:
        verdict = verify(state_dir)
    except OSError:  # Access to the state directory is checked elsewhere.
        return
    if (wrong := verdict.tampering) is not None:
        yield make_finding(
            "audit_verification_failed",
            "error",
            "audit",
            f"Line {wrong.number} of {wrong.file.name} is invalid ({wrong.kind}): {wrong.text}. "
            "The audit cannot be relied on from there.",
            Action.CALL_SUPPORT,
            f"Change nothing, copy {state_dir}, and inform the person responsible for the audit; "
            f"borderpost audit verify {config} --key signing.pub",
        )
    elif verdict.lines:
        yield make_ok_finding("audit", "audit", f"All {verdict.lines} lines of the audit are consistent.")
