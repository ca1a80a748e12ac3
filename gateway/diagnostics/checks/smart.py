"""Self-assessment of disks (SMART), if smartmontools are installed and this user may query them.

Source: smartctl(8), `--json` and `--health`; the member `smart_status.passed` of its output.
"""

import json
import subprocess
from collections.abc import Iterator

from drivers.links.link import Action
from gateway.api.models import Finding
from gateway.diagnostics.findings import make_finding, make_ok_finding
from gateway.diagnostics.host import HostView

DISKS = ("sd*", "nvme*")
ANSWER_S = 10.0


def check_smart(host: HostView) -> Iterator[Finding]:
    """Query every disk."""
    for disk in sorted(path.name for kind in DISKS for path in host.sys.glob(f"block/{kind}")):
        match _health_ok(disk):
            case False:
                yield make_finding(
                    "disk_failing",
                    "error",
                    "disk",
                    f"The disk {disk} reports that it is about to fail: queued events may be lost.",
                    Action.REPLACE,
                    f"sudo smartctl -a /dev/{disk}; replace it now: a post can be reinstalled from "
                    "its one file.",
                )
            case True:
                yield make_ok_finding("disk_failing", "disk", f"The disk {disk} reports no failure.")


def _health_ok(disk: str) -> bool | None:
    """Return the disk's own assessment; None if it cannot be queried."""
    command = ("smartctl", "--json", "--health", f"/dev/{disk}")
    try:
        done = subprocess.run(command, capture_output=True, timeout=ANSWER_S, check=False)
        report = json.loads(done.stdout)
        passed = report["smart_status"]["passed"]
    except (OSError, ValueError, KeyError, TypeError, subprocess.TimeoutExpired):
        return None
    return passed if isinstance(passed, bool) else None
