"""Whether the audit at the post is as it was written."""

from collections.abc import Iterator
from pathlib import Path

from drivers.links.link import Action
from gateway.api.models import Finding
from gateway.audit.verify import verify
from gateway.diagnostics.findings import make_finding, make_ok_finding


def check_audit(config: Path, state_dir: Path) -> Iterator[Finding]:
    """Look at every line; signatures are for who has the public key, at another desk."""
    try:
        verdict = verify(state_dir)
    except OSError:  # whether the state folder can be used is found elsewhere
        return
    if (wrong := verdict.tampering) is not None:
        yield make_finding(
            "audit_wrong",
            "error",
            "audit",
            f"Line {wrong.number} of {wrong.file.name} is wrong ({wrong.kind}): {wrong.text}.",
            Action.CALL_SUPPORT,
            f"Change nothing, copy {state_dir}, and tell who answers for the record; "
            f"borderpost audit verify {config} --key signing.pub",
        )
    elif verdict.lines:
        yield make_ok_finding("audit", "audit", f"All {verdict.lines} lines of the audit fit each other.")
