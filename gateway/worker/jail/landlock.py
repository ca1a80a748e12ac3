"""Landlock: limits of files, devices, TCP ports, signals and abstract sockets, by thread, for ever.

Source: Linux, `Documentation/userspace-api/landlock.rst` and `include/uapi/linux/landlock.h`. The calls have
the same numbers on every machine. Not covered by any version here: metadata (chmod, utime), UNIX sockets with
a path, UDP, priorities and limits of processes; `seccomp` covers these.
"""

import ctypes
import os
import stat
import struct
from collections.abc import Iterable
from dataclasses import dataclass

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_CREATE_RULESET_VERSION = 1
_RULE_PATH_BENEATH, _RULE_NET_PORT = 1, 2

READ_FILE, READ_DIR = 1 << 2, 1 << 3
WRITE_FILE, IOCTL_DEV = 1 << 1, 1 << 15
_FS_RIGHTS_BY_ABI = {1: (1 << 13) - 1, 2: 1 << 13, 3: 1 << 14, 5: IOCTL_DEV}
"""Rights to files that each version added: all 13 of the first, REFER, TRUNCATE, IOCTL_DEV."""
FILE_RIGHTS = READ_FILE | WRITE_FILE | IOCTL_DEV
"""Rights that a rule for a single file may have, of those used here."""
_ABI_OF_PORTS, _BIND_TCP, _CONNECT_TCP = 4, 1, 2
_ABI_OF_SCOPES, _SCOPES = 6, 0b11
"""Abstract UNIX sockets and signals."""
FULL_ABI = _ABI_OF_SCOPES
"""First version with all limits that are used here (Linux 6.12)."""

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


def landlock_abi() -> int:
    """Return the version of Landlock that the kernel offers; 0: none."""
    return max(0, int(_libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _CREATE_RULESET_VERSION)))


@dataclass(frozen=True, slots=True)
class Rules:
    """Permissions of one process; all others are denied."""

    readable: Iterable[str]
    """Files, and directories with all that is below them."""
    listable: Iterable[str]
    """Directories whose names may be read."""
    devices: Iterable[str]
    """Nodes, and directories of nodes, that may be read, written and controlled."""
    open_places: Iterable[str]
    """Files and folders without limits, for test beds."""
    listen_ports: Iterable[int]


def restrict(rules: Rules, abi: int) -> None:
    """Restrict the calling thread and its future threads; needs `no_new_privs`. Raises OSError.

    Paths that do not exist are left out.
    """
    files = sum(rights for since, rights in _FS_RIGHTS_BY_ABI.items() if since <= abi)
    ports = _BIND_TCP | _CONNECT_TCP if abi >= _ABI_OF_PORTS else 0
    scopes = _SCOPES if abi >= _ABI_OF_SCOPES else 0
    # Older kernels refuse a longer structure only if the part that is new to them is not zero.
    ruleset = _call(_CREATE_RULESET, struct.pack("=QQQ", files, ports, scopes), 24, 0)
    try:
        for paths, rights in (
            (rules.readable, READ_FILE | READ_DIR),
            (rules.listable, READ_DIR),
            (rules.devices, READ_FILE | READ_DIR | WRITE_FILE | IOCTL_DEV),
            (rules.open_places, files),
        ):
            for path in paths:
                _add_path(ruleset, path, rights & files)
        for number in rules.listen_ports if ports else ():
            _add_port(ruleset, number, _BIND_TCP)
        _call(_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)


def _add_path(ruleset: int, path: str, rights: int) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return
    try:
        if not stat.S_ISDIR(os.fstat(place).st_mode):
            rights &= FILE_RIGHTS
        _call(_ADD_RULE, ruleset, _RULE_PATH_BENEATH, struct.pack("=Qi", rights, place), 0)
    finally:
        os.close(place)


def _add_port(ruleset: int, number: int, right: int) -> None:
    _call(_ADD_RULE, ruleset, _RULE_NET_PORT, struct.pack("=QQ", right, number), 0)


def _call(number: int, *arguments: int | bytes) -> int:
    given = [ctypes.c_long(one) if isinstance(one, int) else ctypes.c_char_p(one) for one in arguments]
    result = int(_libc.syscall(ctypes.c_long(number), *given))
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"Landlock: {os.strerror(error)}")
    return result
