"""The disk under the state directory: space, inodes, writable, worn; and whose the directory is."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from drivers.links.link import Action
from gateway.api.models import Finding
from gateway.config import Post
from gateway.diagnostics.checks.accounts import Account, user_name
from gateway.diagnostics.checks.kernel_log import look_at_disk_errors
from gateway.diagnostics.findings import found, well
from gateway.diagnostics.host import Surroundings, text

MIB = 1 << 20
LEAST_BYTES = 32 * MIB
LOW = 0.10
"""Share of a disk that should be free."""
WORN = 8
"""Of 11 steps of 10 % (JEDEC JESD84-B51, DEVICE_LIFE_TIME_EST): from 70 % on."""


def look_at_storage(post: Post, account: Account, around: Surroundings) -> Iterator[Finding]:
    """Look at the state directory and its disk."""
    place = post.gateway.state_dir
    if not place.exists():
        yield found(
            "state_dir_missing",
            "notice",
            "disk",
            f"{place} does not exist: the gateway has not run with this file yet.",
            Action.NONE,
            f"It is made at the first start; or: sudo install -d -o {account.name} -m 700 {place}",
        )
    else:
        yield from _ownership(place, account)
        yield from _space(place, post.delivery.max_bytes, account)
    yield from _wear(around)
    yield from look_at_disk_errors(around)


def _ownership(place: Path, account: Account) -> Iterator[Finding]:
    status = place.stat()
    if account.uid not in (0, status.st_uid):
        text_ = f"{place} belongs to {user_name(status.st_uid)}, and the gateway runs as {account.name}."
    elif status.st_mode & stat.S_IRWXO:
        text_ = f"Every user of this machine can look into {place}."
    else:
        return
    how = f"sudo chown -R {account.name} {place} && sudo chmod -R u=rwX,go= {place}"
    yield found("state_dir_permission", "error", "disk", text_, Action.CONFIGURE, how)


def _space(place: Path, wanted: int, account: Account) -> Iterator[Finding]:
    disk = os.statvfs(place)
    if disk.f_flag & os.ST_RDONLY:
        yield found(
            "disk_read_only",
            "error",
            "disk",
            f"The disk of {place} is mounted read-only, often after an error of the disk.",
            Action.CALL,
            "sudo dmesg --level=err,warn | tail; then: "
            f'sudo mount -o remount,rw "$(findmnt -no TARGET -T {place})"',
        )
        return
    blocks = disk.f_bfree if account.uid == 0 else disk.f_bavail
    free, size = blocks * disk.f_frsize, disk.f_blocks * disk.f_frsize
    look = f"df -h {place}; what is large: sudo du -xh --max-depth=2 / | sort -h | tail; "
    said = f"The disk of {place} has {free // MIB} MiB free of {size // MIB} MiB"
    if free < min(LEAST_BYTES, size * 0.02):
        yield found(
            "disk_full",
            "error",
            "disk",
            f"{said}: it is full, and events are kept in memory only.",
            Action.CALL,
            f"{look}old journal: sudo journalctl --vacuum-size=200M",
        )
    elif disk.f_files and disk.f_ffree < disk.f_files * 0.01:
        yield found(
            "disk_inodes",
            "error",
            "disk",
            f"The disk of {place} has no room for more files: {disk.f_ffree} of {disk.f_files} are left.",
            Action.CALL,
            f"df -i {place}; where they are: sudo du -x --inodes --max-depth=2 / | sort -n | tail",
        )
    elif free < size * LOW:
        yield found(
            "disk_low",
            "warning",
            "disk",
            f"{said}; the outbox may need {wanted // MIB} MiB.",
            Action.CALL,
            f"{look}old journal: sudo journalctl --vacuum-size=200M",
        )
    else:
        yield well("disk_low", "disk", f"{said}.")


def _wear(around: Surroundings) -> Iterator[Finding]:
    """What flash memory that is soldered in says of its own life."""
    for file in sorted(around.sys.glob("block/mmcblk*/device/life_time")):
        steps = [int(part, 16) for part in (text(file) or "").split()]
        if steps and max(steps) >= WORN:
            yield found(
                "disk_worn",
                "warning",
                "disk",
                f"The flash memory {file.parents[1].name} is worn: over {(max(steps) - 1) * 10} % "
                "of its life is used.",
                Action.REPLACE,
                "Plan for its replacement; a post is rebuilt from its one file.",
            )
