"""Filter of system calls (seccomp): a program of classic BPF, made for one worker and its links.

Source: Linux, `Documentation/userspace-api/seccomp_filter.rst` and `include/uapi/linux/{seccomp,filter}.h`.
Pointers cannot be examined, so a filter has no addresses or paths; `landlock` has these. libseccomp is not
used: its Python binding is outside a virtual environment's reach.
"""

import ctypes
import errno
import os
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gateway.worker.jail.syscalls import ALLOWED, EXAMINED, FATAL, NEWEST

MACHINES = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}
"""By uname(2): the audit architecture, and the column of the tables."""
_X32 = 0x40000000
"""First number of the x32 calls of an x86-64 kernel, which reach the same functions."""
ALLOW, KILL = 0x7FFF0000, 0x80000000
EPERM, ENOSYS = 0x00050000 | 1, 0x00050000 | 38
_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 38, 22, 2  # prctl(2)

# Instructions of classic BPF: load an absolute word, jumps, and with a constant, return.
_LOAD, _EQUAL, _GREATER_EQUAL, _ANY_BIT, _AND, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x54, 0x06
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16
"""Offsets in struct seccomp_data."""

_THREAD_FLAGS = 0x3D0F00
"""Flags with which glibc's pthread_create calls clone: any other call would make a process."""
_AF_UNIX, _AF_INET, _AF_INET6, _AF_NETLINK = 1, 2, 10, 16
_SOCK_TYPE, _SOCK_STREAM, _SOCK_DGRAM, _SOCK_RAW = 0xF, 1, 2, 3
_TCP, _NETLINK_UEVENT = 6, 15
_MSG_FASTOPEN = 0x20000000
_CREATING_FLAGS = 0o100 | 0o20000000
"""O_CREAT and the bit of O_TMPFILE: a worker writes to devices, and makes no file."""
_SIGNAL_OWNER_COMMANDS = (8, 10, 15)
"""fcntl(2): F_SETOWN, F_SETSIG, F_SETOWN_EX, which send signals by way of the kernel."""
_FORBIDDEN_IOCTLS = (0x5412, 0x541C, 0x8901, 0x8902)
"""TIOCSTI and TIOCLINUX, which type into a terminal; FIOSETOWN and SIOCSPGRP, as F_SETOWN."""
_PRCTL_OPTIONS = (3, 15, 16, 21, 23, 27, 29, 30, 38, 39, 0x53564D41)
"""PR_GET_DUMPABLE, PR_{SET,GET}_NAME, PR_GET_SECCOMP, PR_CAPBSET_READ, PR_GET_SECUREBITS,
PR_{SET,GET}_TIMERSLACK, PR_{SET,GET}_NO_NEW_PRIVS, PR_SET_VMA (names of allocations).
"""


@dataclass(frozen=True, slots=True)
class SocketRights:
    """Kinds of sockets that a worker may create."""

    listens: bool = False
    """TCP sockets, to accept connections. Those of clients come from the daemon."""
    local: bool = False
    """AF_UNIX; its paths cannot be limited."""
    kernel_events: bool = False
    """Netlink, protocol 15: libusb's start needs it."""
    testbed: bool = False
    """UNIX sockets of all types, in which umockdev's library turns netlink."""


_Instruction = tuple[int, int, int, int]


def machine() -> str | None:
    """Return the name of this machine if there are tables for it, else None."""
    name = os.uname().machine
    return name if name in MACHINES else None


def seccomp_available() -> bool:
    """Return True if this kernel filters system calls, and there are tables for the machine."""
    try:
        _prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, 0)
    except OSError as error:
        # A null filter: EFAULT from a kernel that has filters, EINVAL from one that has not.
        return machine() is not None and error.errno == errno.EFAULT
    return False


def forbid_new_privileges() -> None:
    """Set `no_new_privs` for this thread and its future threads, for ever; raises OSError."""
    _prctl(_PR_SET_NO_NEW_PRIVS, 1, 0)


def install(program: Sequence[_Instruction]) -> None:
    """Install a filter for this thread and its future threads, for ever; needs `no_new_privs`.

    Raises OSError.
    """
    code = b"".join(struct.pack("=HBBI", *one) for one in program)
    buffer = ctypes.create_string_buffer(code, len(code))
    # struct sock_fprog
    head = ctypes.create_string_buffer(struct.pack("@HP", len(program), ctypes.addressof(buffer)))
    _prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.addressof(head))


def _prctl(option: int, first: int, second: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(*map(ctypes.c_ulong, (option, first, second, 0, 0))) != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"prctl: {os.strerror(error)}")


def build_filter(machine_name: str, pid: int, sockets: SocketRights) -> list[_Instruction]:
    """Return the filter of the worker with that pid."""
    architecture, column = MACHINES[machine_name]
    program: list[_Instruction] = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_EQUAL, 1, 0, architecture),
        _result(KILL),
        (_LOAD, 0, 0, _NUMBER),
    ]
    if machine_name == "x86_64":
        program += [(_GREATER_EQUAL, 0, 1, _X32), _result(KILL)]
    # Later calls look like those of an older kernel: libraries have a way without them.
    program += [(_GREATER_EQUAL, 0, 1, NEWEST[machine_name] + 1), _result(ENOSYS)]
    rules = {name: [_result(ALLOW)] for name in ALLOWED}
    rules |= _examined(pid, sockets)
    rules |= {name: [_result(KILL)] for name in FATAL}
    for name, body in rules.items():
        number = (ALLOWED.get(name) or EXAMINED.get(name) or FATAL[name])[column]
        if number >= 0:
            assert len(body) < 256, "a jump has eight bits"
            program += [(_EQUAL, 0, len(body), number), *body]
    return [*program, _result(EPERM)]


def _examined(pid: int, sockets: SocketRights) -> dict[str, list[_Instruction]]:
    """Return the rules of calls whose arguments matter, or that only some links need."""
    local = sockets.local or sockets.testbed
    return {
        "clone": _allow_if(0, (_THREAD_FLAGS,)),
        "clone3": [_result(ENOSYS)],  # its flags are behind a pointer; libraries use clone then
        "socket": _socket_rule(sockets),
        "setsockopt": [_result(ALLOW)],
        "socketpair": _pair_rule(),
        # Also for connected sockets: a second connect(2) could lead one elsewhere.
        "connect": _result_if(local),
        "bind": _result_if(sockets.listens or local or sockets.kernel_events),
        "listen": _result_if(sockets.listens),
        "accept": _result_if(sockets.listens),
        "accept4": _result_if(sockets.listens),
        "sendto": _deny_bits(3, _MSG_FASTOPEN),
        "sendmsg": _deny_bits(2, _MSG_FASTOPEN),
        "sendmmsg": _deny_bits(3, _MSG_FASTOPEN),
        "fcntl": _deny_values(1, _SIGNAL_OWNER_COMMANDS),
        "ioctl": _deny_values(1, _FORBIDDEN_IOCTLS),
        "prctl": _allow_if(0, _PRCTL_OPTIONS),
        "kill": _allow_if(0, (pid,)),
        "tgkill": _allow_if(0, (pid,)),
        "prlimit64": _allow_if(0, (0, pid)),
        "open": _deny_bits(1, _CREATING_FLAGS),
        "openat": _deny_bits(2, _CREATING_FLAGS),
        "openat2": [_result(ENOSYS)],
    }


def _socket_rule(sockets: SocketRights) -> list[_Instruction]:
    """Allow triples of family, type and protocol."""
    internet = (_AF_INET, _AF_INET6)
    triples: list[tuple[int, int, int]] = []
    if sockets.listens:
        triples += [(family, _SOCK_STREAM, protocol) for family in internet for protocol in (0, _TCP)]
    if sockets.local:
        triples.append((_AF_UNIX, _SOCK_STREAM, 0))
    if sockets.testbed:
        triples += [(_AF_UNIX, kind, 0) for kind in (_SOCK_STREAM, _SOCK_DGRAM, _SOCK_RAW)]
    if sockets.kernel_events:
        triples += [(_AF_NETLINK, kind, _NETLINK_UEVENT) for kind in (_SOCK_RAW, _SOCK_DGRAM)]
    body: list[_Instruction] = []
    for family, kind, protocol in triples:
        body += [
            (_LOAD, 0, 0, _argument(0)), (_EQUAL, 0, 6, family),
            (_LOAD, 0, 0, _argument(1)), (_AND, 0, 0, _SOCK_TYPE), (_EQUAL, 0, 3, kind),
            (_LOAD, 0, 0, _argument(2)), (_EQUAL, 0, 1, protocol),
            _result(ALLOW),
        ]  # fmt: skip
    return [*body, _result(EPERM)]


def _pair_rule() -> list[_Instruction]:
    """Allow connected streams: one of datagrams could send to any path."""
    return [
        (_LOAD, 0, 0, _argument(0)), (_EQUAL, 0, 4, _AF_UNIX),
        (_LOAD, 0, 0, _argument(1)), (_AND, 0, 0, _SOCK_TYPE), (_EQUAL, 0, 1, _SOCK_STREAM),
        _result(ALLOW),
        _result(EPERM),
    ]  # fmt: skip


def _argument(index: int) -> int:
    """Return the offset of the lower half of an argument: both machines are little-endian."""
    return _ARGUMENTS + 8 * index


def _result(action: int) -> _Instruction:
    return (_RETURN, 0, 0, action)


def _result_if(allowed: bool) -> list[_Instruction]:
    return [_result(ALLOW if allowed else EPERM)]


def _allow_if(index: int, values: Iterable[int]) -> list[_Instruction]:
    """Allow these values of an argument."""
    body: list[_Instruction] = [(_LOAD, 0, 0, _argument(index))]
    for value in values:
        body += [(_EQUAL, 0, 1, value), _result(ALLOW)]
    return [*body, _result(EPERM)]


def _deny_values(index: int, values: Iterable[int]) -> list[_Instruction]:
    """Deny these values of an argument."""
    body: list[_Instruction] = [(_LOAD, 0, 0, _argument(index))]
    for value in values:
        body += [(_EQUAL, 0, 1, value), _result(EPERM)]
    return [*body, _result(ALLOW)]


def _deny_bits(index: int, bits: int) -> list[_Instruction]:
    """Deny an argument with any of these bits."""
    return [
        (_LOAD, 0, 0, _argument(index)),
        (_ANY_BIT, 0, 1, bits),
        _result(EPERM),
        _result(ALLOW),
    ]
