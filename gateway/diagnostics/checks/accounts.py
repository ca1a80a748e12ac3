"""As whom the gateway runs, and what that account may open: `doctor` itself is often run by root."""

import contextlib
import grp
import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path

from gateway.diagnostics.checks.daemon import gateway_pid
from gateway.diagnostics.host import HostView, read_text

SERVICE = "borderpost"
"""The account that the package makes."""
CAP_DAC_OVERRIDE = 1  # capabilities(7)


@dataclass(frozen=True, slots=True)
class Account:
    """A user with all of its groups."""

    name: str
    uid: int
    groups: frozenset[int]
    bypasses_permissions: bool
    """Whether permissions do not hold for it (CAP_DAC_OVERRIDE): not even root has that in every service."""

    def can_open(self, file: Path, *, write: bool = False) -> bool:
        """Whether it may open a file for reading, or for both; raises OSError where there is no such file."""
        status = file.stat()
        if self.bypasses_permissions:
            return True
        if self.uid == os.geteuid() != 0:  # the kernel also knows of access control lists
            return os.access(file, os.R_OK | (os.W_OK if write else 0), effective_ids=True)
        wanted = 0o6 if write else 0o4
        if status.st_uid == self.uid:
            granted = status.st_mode >> 6
        elif status.st_gid in self.groups:
            granted = status.st_mode >> 3
        else:
            granted = status.st_mode
        return granted & wanted == wanted

    def missing_group(self, file: Path) -> str | None:
        """The group that would let it open a node; None where no membership would, or it is a member."""
        status = file.stat()
        both = stat.S_IRGRP | stat.S_IWGRP
        if status.st_mode & both != both or status.st_gid == 0 or status.st_gid in self.groups:
            return None
        return group_name(status.st_gid)


def gateway_account(state_dir: Path, host: HostView) -> Account:
    """Whoever runs the gateway on that folder, or else owns the folder, or else is meant to, or else we."""
    with contextlib.suppress(OSError):
        pid = gateway_pid(state_dir, host)
        if pid is not None and (account := _account_of_process(host.proc / str(pid))) is not None:
            return account
        return _account_of_user(state_dir.stat().st_uid)
    try:
        return _account_of_user(pwd.getpwnam(SERVICE).pw_uid)
    except KeyError:
        return Account(
            user_name(os.geteuid()),
            os.geteuid(),
            frozenset((*os.getgroups(), os.getegid())),
            os.geteuid() == 0,
        )


def _account_of_process(process: Path) -> Account | None:
    """What a process may: a service can have groups that its user's entry knows nothing of."""
    status = dict(
        line.split(":", 1) for line in (read_text(process / "status") or "").splitlines() if ":" in line
    )
    try:
        uid = int(status["Uid"].split()[1])
        gids = [int(status["Gid"].split()[1]), *map(int, status["Groups"].split())]
        capabilities = int(status["CapEff"], 16)
    except (KeyError, IndexError, ValueError):
        return None  # it ended meanwhile
    return Account(user_name(uid), uid, frozenset(gids), bool(capabilities >> CAP_DAC_OVERRIDE & 1))


def _account_of_user(uid: int) -> Account:
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        return Account(str(uid), uid, frozenset(), uid == 0)
    return Account(entry.pw_name, uid, frozenset(os.getgrouplist(entry.pw_name, entry.pw_gid)), uid == 0)


def user_name(uid: int) -> str:
    """The name of a user, or the number where it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def group_name(gid: int) -> str:
    """The name of a group, or the number where it has none."""
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)
