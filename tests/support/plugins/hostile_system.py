"""Attempts of a hostile driver on the network, on programs, and on the kernel."""

import contextlib
import ctypes
import errno
import fcntl
import os
import re
import socket
import stat
import struct
import termios
import time
from pathlib import Path
from typing import Any

from hostile_calls import Targets, attempt, call, check, libc

PLANTED = re.compile(rb"planted-[a-z0-9]{4,}")
"""Secrets that a test plants; the pattern itself does not fit it."""
CHUNK_BYTES = 1 << 20


# Network


def connect(family: int, kind: int, protocol: int, address: Any) -> None:
    with socket.socket(family, kind, protocol) as one:
        one.settimeout(2)
        one.connect(address)


@attempt
def connect_local_socket(targets: Targets) -> None:
    connect(socket.AF_UNIX, socket.SOCK_STREAM, 0, targets["local_socket"])


@attempt
def manage_gateway(targets: Targets) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        one.settimeout(20)
        one.connect(targets["local_socket"])
        with contextlib.suppress(BrokenPipeError):  # the console may have closed it before the request
            one.sendall(b"GET /api/v1/post HTTP/1.1\r\nHost: localhost\r\n\r\n")
        if not one.recv(4096).startswith(b"HTTP/1.1 200"):
            raise ConnectionResetError(errno.ECONNRESET, "no answer")


@attempt
def connect_abstract_socket(targets: Targets) -> None:
    connect(socket.AF_UNIX, socket.SOCK_STREAM, 0, "\0" + targets["abstract_socket"])


@attempt
def connect_other_port(targets: Targets) -> None:
    connect(socket.AF_INET, socket.SOCK_STREAM, 0, ("127.0.0.1", int(targets["port"])))


@attempt
def connect_other_port_v6(targets: Targets) -> None:
    connect(socket.AF_INET6, socket.SOCK_STREAM, 0, ("::ffff:127.0.0.1", int(targets["port"])))


@attempt
def connect_other_port_mptcp(targets: Targets) -> None:
    connect(socket.AF_INET, socket.SOCK_STREAM, 262, ("127.0.0.1", int(targets["port"])))


@attempt
def fast_open_other_port(targets: Targets) -> None:
    with socket.socket() as one:
        one.settimeout(2)
        one.sendto(b"x", socket.MSG_FASTOPEN, ("127.0.0.1", int(targets["port"])))


@attempt
def fast_open_other_port_by_message(targets: Targets) -> None:
    with socket.socket() as one:
        one.settimeout(2)
        one.sendmsg([b"x"], [], socket.MSG_FASTOPEN, ("127.0.0.1", int(targets["port"])))


@attempt
def listen(_targets: Targets) -> None:
    with socket.create_server(("127.0.0.1", 0)):
        pass


@attempt
def listen_without_address(_targets: Targets) -> None:
    with socket.socket() as one:  # the kernel chooses a port
        one.listen()


@attempt
def send_datagram(targets: Targets) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.sendto(b"x", ("127.0.0.1", int(targets["port"])))


@attempt
def open_netlink(_targets: Targets) -> None:
    socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0).close()


@attempt
def open_raw_socket(_targets: Targets) -> None:
    socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP).close()


@attempt
def open_packet_socket(_targets: Targets) -> None:
    socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0).close()


@attempt
def open_vsock(_targets: Targets) -> None:
    socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM, 0).close()


@attempt
def open_kernel_crypto(_targets: Targets) -> None:
    socket.socket(socket.AF_ALG, socket.SOCK_SEQPACKET, 0).close()


@attempt
def send_by_pair(targets: Targets) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with ours, theirs:
        ours.sendto(b"x", "\0" + targets["abstract_datagrams"])


# Programs and the kernel


@attempt
def fork(_targets: Targets) -> None:
    if (pid := os.fork()) == 0:
        os._exit(0)
    os.waitpid(pid, 0)


@attempt
def vfork(_targets: Targets) -> None:
    os.waitpid(os.posix_spawn("/bin/true", ["true"], {}), 0)


@attempt
def execute(targets: Targets) -> None:
    # It succeeded if the program's exit status comes from our process.
    os.execv("/bin/sh", ["sh", "-c", f"exit {targets['exit_status']}"])


@attempt
def run_memory_file(targets: Targets) -> None:
    descriptor = os.memfd_create("program", 0)
    os.write(descriptor, Path("/bin/sh").read_bytes())
    os.execve(descriptor, ["sh", "-c", f"exit {targets['exit_status']}"], {})


@attempt
def set_up_io_uring(_targets: Targets) -> None:
    call(425, 425, 1, ctypes.create_string_buffer(120))


@attempt
def create_userfaultfd(_targets: Targets) -> None:
    call(323, 282, 1)  # UFFD_USER_MODE_ONLY


@attempt
def read_session_keyring(_targets: Targets) -> None:
    call(250, 219, 0, -3, 1)  # KEYCTL_GET_KEYRING_ID


@attempt
def load_bpf(_targets: Targets) -> None:
    call(321, 280, 0, ctypes.create_string_buffer(struct.pack("<IIII", 2, 4, 4, 1) + bytes(112)), 72)


@attempt
def count_events(_targets: Targets) -> None:
    call(298, 241, ctypes.create_string_buffer(struct.pack("<II", 1, 128) + bytes(120)), 0, -1, -1, 0)


@attempt
def create_user_namespace(_targets: Targets) -> None:
    check(libc.unshare(0x10000000))


@attempt
def change_root(_targets: Targets) -> None:
    os.chroot("/usr")


@attempt
def set_clock(_targets: Targets) -> None:
    time.clock_settime(time.CLOCK_REALTIME, time.time())


@attempt
def open_by_handle(_targets: Targets) -> None:
    call(304, 265, -100, ctypes.create_string_buffer(struct.pack("<Ii", 8, 1) + bytes(8)), 0)


@attempt
def become_dumpable(_targets: Targets) -> None:
    check(libc.prctl(4, 1, 0, 0, 0))


@attempt
def permit_tracer(_targets: Targets) -> None:
    check(libc.prctl(0x59616D61, -1, 0, 0, 0))


@attempt
def call_by_x32(_targets: Targets) -> None:
    call(0x40000000 + 39, 0)


@attempt
def type_into_terminal(_targets: Targets) -> None:
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSTI, b"x")
    os.close(ours)


@attempt
def open_kernel_memory(_targets: Targets) -> None:
    for node in (
        "/dev/mem",
        "/dev/kmsg",
        "/dev/sda",
        "/dev/vda",
        "/dev/tty",
        "/dev/ptmx",
        "/dev/shm",
        "/dev/tpm0",
    ):
        if not Path(node).exists() or stat.S_ISDIR(Path(node).stat().st_mode):
            continue
        try:
            os.close(os.open(node, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK))
        except OSError:
            continue
        return
    raise PermissionError(errno.EACCES, "none")


@attempt
def use_shared_memory(_targets: Targets) -> None:
    check(libc.shmget(0x70737431, 4096, 0o1600))


@attempt
def find_secrets(targets: Targets) -> str | None:
    """Search the own memory for secrets of others."""
    found: set[bytes] = set()
    with Path("/proc/self/maps").open() as maps:
        areas = [line.split() for line in maps]
    for area in areas:
        if "r" not in area[1] or area[-1] in ("[vvar]", "[vsyscall]", "[vvar_vclock]"):
            continue
        if len(area) > 5 and area[5].startswith("/") and "w" not in area[1]:
            continue  # a file's own content
        start, end = (int(edge, 16) for edge in area[0].split("-"))
        for at in range(start, end, CHUNK_BYTES):
            # No copy stays behind: what is found must not be our own finding.
            with memoryview((ctypes.c_char * min(CHUNK_BYTES + 64, end - at)).from_address(at)) as view:
                found |= {match.group()[8:] for match in PLANTED.finditer(view)}
    others = sorted(word.decode() for word in found - {targets["own"].encode()})
    if not others:
        raise PermissionError(errno.ENOENT, "none")
    return ", ".join(others)
