"""Checks of the state directory and its disk: owner, free space, inodes, read-only, wear."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from drivers.links.link import Action
from gateway.api.models import Finding
from gateway.config import Post
from gateway.diagnostics.checks.accounts import Account, user_name
from gateway.diagnostics.checks.kernel_log import check_disk_errors
from gateway.diagnostics.findings import make_finding, make_ok_finding
from gateway.diagnostics.host import HostView, read_text

MIB = 1 << 20
MIN_FREE_BYTES = 32 * MIB
MIN_FREE_SHARE = 0.10
"""Share of a disk that should be free."""
MAX_WEAR_LEVEL = 8
"""Wear level from which on flash memory is reported: 70 %, in steps of 10 % from 1 to 11 (JEDEC JESD84-B51,

DEVICE_LIFE_TIME_EST).
"""


def check_storage(post: Post, account: Account, host: HostView) -> Iterator[Finding]:
    """Check the state directory and its disk."""
    place = post.gateway.state_dir
    if not place.exists():
        yield make_finding(
            "state_dir_missing",
            "notice",
            "disk",
            f"{place} does not exist: the gateway has not run with this file yet.",
            Action.NONE,
            f"It is created at the first start; or: sudo install -d -o {account.name} -m 700 {place}",
        )
    else:
        yield from _ownership(place, account)
        yield from _space(place, post.delivery.max_bytes, account)
    yield from _wear(host)
    yield from check_disk_errors(host)


def _ownership(place: Path, account: Account) -> Iterator[Finding]:
    status = place.stat()
    if account.uid not in (0, status.st_uid):
        text_ = (
            f"{place} belongs to {user_name(status.st_uid)}, but the gateway runs as "
            f"{account.name}: it cannot start."
        )
    elif status.st_mode & stat.S_IRWXO:
        text_ = f"Every user of this machine may read {place}, which may hold personal data."
    else:
        return
    how = f"sudo chown -R {account.name} {place} && sudo chmod -R u=rwX,go= {place}"
    yield make_finding("state_dir_permission", "error", "disk", text_, Action.CONFIGURE, how)


def _space(place: Path, required_bytes: int, account: Account) -> Iterator[Finding]:
    disk = os.statvfs(place)
    if disk.f_flag & os.ST_RDONLY:
        yield make_finding(
            "disk_read_only",
            "error",
            "disk",
            f"The disk of {place} is mounted read-only, often after a disk error: events are kept in "
            "memory only.",
            Action.CALL_SUPPORT,
            "sudo dmesg --level=err,warn | tail; then: "
            f'sudo mount -o remount,rw "$(findmnt -no TARGET -T {place})"',
        )
        return
    blocks = disk.f_bfree if account.uid == 0 else disk.f_bavail
    free, size = blocks * disk.f_frsize, disk.f_blocks * disk.f_frsize
    remedy = f"df -h {place}; largest folders: sudo du -xh --max-depth=2 / | sort -h | tail; "
    text = f"The disk of {place} has {free // MIB} MiB free of {size // MIB} MiB"
    if free < min(MIN_FREE_BYTES, size * 0.02):
        yield make_finding(
            "disk_full",
            "error",
            "disk",
            f"{text}: it is full, and events are kept in memory only.",
            Action.CALL_SUPPORT,
            f"{remedy}old journal: sudo journalctl --vacuum-size=200M",
        )
    elif disk.f_files and disk.f_ffree < disk.f_files * 0.01:
        yield make_finding(
            "disk_inodes",
            "error",
            "disk",
            f"The disk of {place} cannot hold more files: {disk.f_ffree} of {disk.f_files} inodes are free.",
            Action.CALL_SUPPORT,
            f"df -i {place}; largest folders: sudo du -x --inodes --max-depth=2 / | sort -n | tail",
        )
    elif free < size * MIN_FREE_SHARE:
        yield make_finding(
            "disk_low",
            "warning",
            "disk",
            f"{text}; the outbox may need {required_bytes // MIB} MiB.",
            Action.CALL_SUPPORT,
            f"{remedy}old journal: sudo journalctl --vacuum-size=200M",
        )
    else:
        yield make_ok_finding("disk_low", "disk", f"{text}.")


def _wear(host: HostView) -> Iterator[Finding]:
    """Report the wear that built-in flash memory estimates of itself."""
    for file in sorted(host.sys.glob("block/mmcblk*/device/life_time")):
        steps = [int(part, 16) for part in (read_text(file) or "").split()]
        if steps and max(steps) >= MAX_WEAR_LEVEL:
            yield make_finding(
                "disk_worn",
                "warning",
                "disk",
                f"The flash memory {file.parents[1].name} is worn: over {(max(steps) - 1) * 10} % "
                "of its life is used.",
                Action.REPLACE,
                "Plan its replacement; a post can be reinstalled from its one file.",
            )
