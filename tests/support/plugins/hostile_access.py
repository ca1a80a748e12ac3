"""Attempts of a hostile driver on files, on the daemon, and on another worker."""

import ctypes
import errno
import fcntl
import os
import resource
import signal
import socket
import struct
from pathlib import Path

from hostile_calls import Targets, attempt, call, check, libc

# Files


@attempt
def read_key(targets: Targets) -> None:
    Path(targets["key"]).read_bytes()


@attempt
def read_configuration(targets: Targets) -> None:
    Path(targets["config"]).read_bytes()


@attempt
def list_state_folder(targets: Targets) -> None:
    list(Path(targets["state"]).iterdir())


@attempt
def write_key(targets: Targets) -> None:
    os.close(os.open(targets["key"], os.O_WRONLY))


@attempt
def truncate_key(targets: Targets) -> None:
    os.truncate(targets["key"], 4096)


@attempt
def rename_key(targets: Targets) -> None:
    Path(targets["key"]).rename(targets["key"] + ".old")
    Path(targets["key"] + ".old").rename(targets["key"])


@attempt
def link_key(targets: Targets) -> None:
    os.link(targets["key"], targets["key"] + ".link")
    Path(targets["key"] + ".link").unlink()


@attempt
def chmod_key(targets: Targets) -> None:
    Path(targets["key"]).chmod(0o644)


@attempt
def age_key(targets: Targets) -> None:
    os.utime(targets["key"], (1, 1))


@attempt
def watch_state_folder(targets: Targets) -> None:
    descriptor = check(libc.inotify_init1(os.O_CLOEXEC))
    check(libc.inotify_add_watch(descriptor, targets["state"].encode(), 0xFFF))


@attempt
def create_file(targets: Targets) -> None:
    created = Path(targets["state"]) / "created"
    created.write_bytes(b"x")
    created.unlink()


@attempt
def create_program(targets: Targets) -> None:
    created = Path(targets["folder"]) / "created"
    os.close(os.open(created, os.O_WRONLY | os.O_CREAT, 0o700))
    created.unlink()


# The daemon and another worker


def open_memory(pid: str) -> None:
    with Path(f"/proc/{pid}/mem").open("rb"):
        pass


def trace_process(pid: int) -> None:
    call(101, 117, 0x4206, pid, 0, 0)  # PTRACE_SEIZE
    call(101, 117, 17, pid, 0, 0)  # PTRACE_DETACH, or the process ends with us


def read_memory_of(pid: int) -> None:
    buffer = ctypes.create_string_buffer(8)
    local = (ctypes.c_size_t * 2)(ctypes.addressof(buffer), 8)
    # Any answer but EFAULT and success is a refusal; the address is not mapped everywhere.
    remote = (ctypes.c_size_t * 2)(id(None), 8)
    try:
        call(310, 270, pid, local, 1, remote, 1, 0)
    except OSError as error:
        if error.errno != errno.EFAULT:
            raise


@attempt
def open_daemon_memory(targets: Targets) -> None:
    open_memory(targets["daemon"])


@attempt
def read_daemon_environment(targets: Targets) -> None:
    Path(f"/proc/{targets['daemon']}/environ").read_bytes()


@attempt
def list_daemon_descriptors(targets: Targets) -> None:
    list(Path(f"/proc/{targets['daemon']}/fd").iterdir())


@attempt
def trace_daemon(targets: Targets) -> None:
    trace_process(int(targets["daemon"]))


@attempt
def read_daemon_memory(targets: Targets) -> None:
    read_memory_of(int(targets["daemon"]))


@attempt
def take_daemon_descriptor(targets: Targets) -> None:
    call(438, 438, os.pidfd_open(int(targets["daemon"])), 0, 0)


@attempt
def signal_daemon(targets: Targets) -> None:
    os.kill(int(targets["daemon"]), signal.SIGCONT)


@attempt
def signal_daemon_by_descriptor(targets: Targets) -> None:
    signal.pidfd_send_signal(os.pidfd_open(int(targets["daemon"])), signal.SIGCONT)


@attempt
def signal_daemon_by_owner(targets: Targets) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        fcntl.fcntl(ours, fcntl.F_SETOWN, int(targets["daemon"]))


@attempt
def signal_daemon_by_ioctl(targets: Targets) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        fcntl.ioctl(ours, 0x8901, struct.pack("i", int(targets["daemon"])))  # FIOSETOWN


@attempt
def limit_daemon(targets: Targets) -> None:
    pid = int(targets["daemon"])
    resource.prlimit(pid, resource.RLIMIT_CORE, resource.prlimit(pid, resource.RLIMIT_CORE))


@attempt
def renice_daemon(targets: Targets) -> None:
    pid = int(targets["daemon"])
    os.setpriority(os.PRIO_PROCESS, pid, os.getpriority(os.PRIO_PROCESS, pid) + 1)


@attempt
def pin_daemon(targets: Targets) -> None:
    pid = int(targets["daemon"])
    os.sched_setaffinity(pid, os.sched_getaffinity(pid))


@attempt
def compare_with_daemon(targets: Targets) -> None:
    call(312, 272, int(targets["daemon"]), os.getpid(), 0, 0, 0)


@attempt
def open_neighbour_memory(targets: Targets) -> None:
    open_memory(targets["neighbour"])


@attempt
def trace_neighbour(targets: Targets) -> None:
    trace_process(int(targets["neighbour"]))


@attempt
def read_neighbour_memory(targets: Targets) -> None:
    read_memory_of(int(targets["neighbour"]))


@attempt
def signal_neighbour(targets: Targets) -> None:
    os.kill(int(targets["neighbour"]), signal.SIGCONT)


@attempt
def open_neighbour_device(targets: Targets) -> None:
    os.close(os.open(targets["neighbour_device"], os.O_RDWR | os.O_NOCTTY))
