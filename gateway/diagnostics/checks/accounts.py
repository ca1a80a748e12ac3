"""Account of the gateway, and the files which that account may open. `doctor` itself is often run by root."""

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
"""User account that the package creates."""
CAP_DAC_OVERRIDE = 1  # capabilities(7)


@dataclass(frozen=True, slots=True)
class Account:
    """A user account with all of its groups."""

    name: str
    uid: int
    groups: frozenset[int]
    bypasses_permissions: bool
    """True when file permissions do not apply (CAP_DAC_OVERRIDE); in some services not even root has it."""

    def can_open(self, file: Path, *, write: bool = False) -> bool:
        """Return True if the account may read a file, or with `write` also write it.

        Raises OSError for a missing file.
        """
        status = file.stat()
        if self.bypasses_permissions:
            return True
        if self.uid == os.geteuid() != 0:  # The kernel also applies access control lists.
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
        """Return the group that would allow the account to open a node.

        None if it is a member or no group would help.
        """
        status = file.stat()
        both = stat.S_IRGRP | stat.S_IWGRP
        if status.st_mode & both != both or status.st_gid == 0 or status.st_gid in self.groups:
            return None
        return group_name(status.st_gid)


def gateway_account(state_dir: Path, host: HostView) -> Account:
    """Return the account that runs the gateway on this state directory.

    Without a running gateway: the owner of the directory, then the package's account, then the present user.
    """
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
    """Return the account of a process: a service can have groups that its user's entry does not list."""
    status = dict(
        line.split(":", 1) for line in (read_text(process / "status") or "").splitlines() if ":" in line
    )
    try:
        uid = int(status["Uid"].split()[1])
        gids = [int(status["Gid"].split()[1]), *map(int, status["Groups"].split())]
        capabilities = int(status["CapEff"], 16)
    except (KeyError, IndexError, ValueError):
        return None  # The process ended in the meantime.
    return Account(user_name(uid), uid, frozenset(gids), bool(capabilities >> CAP_DAC_OVERRIDE & 1))


def _account_of_user(uid: int) -> Account:
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        return Account(str(uid), uid, frozenset(), uid == 0)
    return Account(entry.pw_name, uid, frozenset(os.getgrouplist(entry.pw_name, entry.pw_gid)), uid == 0)


def user_name(uid: int) -> str:
    """Return the name of a user, or the number where it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def group_name(gid: int) -> str:
    """Return the name of a group, or the number where it has none."""
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)
