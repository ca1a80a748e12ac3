"""Probe in the guest, with the gateway's unit settings or (`control`) none: tries forbidden actions.

Prints a JSON object: each action, and the error with which it failed; null for success.
"""

import ctypes
import glob
import json
import mmap
import os
import signal
import socket
import stat
import sys
import tempfile
from collections.abc import Callable

LIBC = ctypes.CDLL(None, use_errno=True)
SYS_IO_URING_SETUP, SYS_KEYCTL, SYS_USERFAULTFD, SYS_KCMP = 425, 250, 323, 312
CLONE_NEWUSER, PTRACE_SEIZE, SYS_FINIT_MODULE, SYS_REBOOT, SYS_BPF = 0x10000000, 0x4206, 313, 169, 321


def call(result: int) -> None:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def read(path: str) -> Callable[[], object]:
    def act() -> None:
        with open(path, "rb") as file:  # noqa: PTH123
            file.read(1)

    return act


def write(path: str, what: bytes = b"") -> Callable[[], object]:
    def act() -> None:
        with open(path, "ab") as file:  # noqa: PTH123
            file.write(what)

    return act


def suid() -> None:
    path = tempfile.mktemp(dir=os.environ.get("STATE_DIRECTORY", "/tmp"))
    write(path)()
    try:
        os.chmod(path, 0o4755)  # noqa: PTH101
        if not os.stat(path).st_mode & stat.S_ISUID:  # noqa: PTH116
            raise PermissionError(1, "silently not set")
    finally:
        os.unlink(path)  # noqa: PTH108


def node() -> None:
    path = f"{os.environ.get('STATE_DIRECTORY', '/tmp')}/node"
    os.mknod(path, stat.S_IFBLK | 0o600, os.makedev(254, 0))
    os.unlink(path)  # noqa: PTH108


def writable_code() -> None:
    mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC).close()


def fifo() -> None:
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))


def outside() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.sendto(b"", ("192.0.2.1", 9))


def memory_by_call() -> None:
    buffer = ctypes.create_string_buffer(8)
    part = (ctypes.c_size_t * 2)(ctypes.addressof(buffer), 8)
    call(LIBC.process_vm_readv(os.getpid(), part, 1, part, 1, 0))


def a_socket(family: int, kind: int, protocol: int = 0) -> Callable[[], object]:
    return lambda: socket.socket(family, kind, protocol).close()


def mosquitto() -> int:
    with open("/run/broker.pid") as file:  # noqa: PTH123 - the test tells; the service sees no others' processes
        return int(file.read())


FORBIDDEN: dict[str, Callable[[], object]] = {
    "read the passwords of accounts": read("/etc/shadow"),
    "read the sealed key": read("/etc/credstore.encrypted/borderpost.outbox.key"),
    "read the machine's secret": read("/var/lib/systemd/credential.secret"),
    "look into root's home": lambda: os.listdir("/root"),  # noqa: PTH208
    "read the broker's key": read("/etc/mosquitto/borderpost/broker.key"),
    "change its own configuration": write("/etc/borderpost/post.toml"),
    "put a program into /usr": write("/usr/local/bin/probe"),
    "leave something in /var/tmp": write("/var/probe"),
    "read the disk": read("/dev/vda"),
    "write to the console": write("/dev/ttyS0"),
    "read the memory of the kernel's log": read("/dev/kmsg"),
    "make a device node": node,
    "see another's process": read("/proc/1/environ"),
    "stop the broker": lambda: os.kill(mosquitto(), signal.SIGCONT),
    # PTRACE_ATTACH would leave the broker stopped.
    "trace another process": lambda: call(LIBC.ptrace(PTRACE_SEIZE, mosquitto(), 0, 0)),
    "mount something": lambda: call(LIBC.mount(b"none", b"/media", b"tmpfs", 0, None)),
    "have a user namespace": lambda: call(LIBC.unshare(CLONE_NEWUSER)),
    "become root": lambda: os.setuid(0),
    "set the clock": lambda: call(LIBC.settimeofday(ctypes.byref((ctypes.c_long * 2)(0, 0)), None)),
    "name the machine": lambda: socket.sethostname("probe"),
    "load a module": lambda: call(LIBC.syscall(SYS_FINIT_MODULE, -1, b"", 0)),
    "change the kernel's settings": write("/proc/sys/kernel/panic", b"10\n"),
    "change a device's power": write("/sys/power/pm_freeze_timeout", b"20000\n"),
    "change its own limits": write("/sys/fs/cgroup/system.slice/borderpost.service/memory.max", b"max\n"),
    "listen to the network": a_socket(socket.AF_PACKET, socket.SOCK_RAW, 0x0300),
    "forge packets": a_socket(socket.AF_INET, socket.SOCK_RAW, 1),
    "speak to the internet": outside,
    "write code and run it": writable_code,
    "leave a program that runs as its owner": suid,
    "push others off the processor": fifo,
    "load a program into the kernel": lambda: call(LIBC.syscall(SYS_BPF, 0, None, 0)),
    "read a process's memory by call": memory_by_call,
    "set up io_uring": lambda: call(LIBC.syscall(SYS_IO_URING_SETUP, 1, ctypes.create_string_buffer(120))),
    "read its keyring": lambda: call(LIBC.syscall(SYS_KEYCTL, 0, -3, 1)),
    "handle its own page faults": lambda: call(LIBC.syscall(SYS_USERFAULTFD, 1)),
    "compare processes": lambda: call(LIBC.syscall(SYS_KCMP, os.getpid(), os.getpid(), 0, 1, 1)),
    "stop the machine": lambda: call(LIBC.syscall(SYS_REBOOT, 0, 0, 0, 0)),
}
NOT_UNCONFINED = {"set the clock", "stop the machine", "load a module", "load a program into the kernel"}
"""Actions that would do harm, or fail for their arguments: those errors differ from a refusal."""


def connect() -> None:
    socket.create_connection(("127.0.0.1", 8883), 5).close()


def scanner() -> None:
    for path in glob.glob("/sys/bus/usb/devices/*/idVendor"):  # noqa: PTH207
        with open(path) as file:  # noqa: PTH123
            if file.read().strip() != "05ba":
                continue
        folder = os.path.dirname(path)  # noqa: PTH120
        bus, device = (int(open(f"{folder}/{name}").read()) for name in ("busnum", "devnum"))  # noqa: PTH123, SIM115
        os.close(os.open(f"/dev/bus/usb/{bus:03}/{device:03}", os.O_RDWR))
        return
    raise FileNotFoundError(2, "no scanner")


def keep() -> None:
    path = f"{os.environ['STATE_DIRECTORY']}/probe"
    write(path, b"x")()
    os.unlink(path)  # noqa: PTH108


def camera() -> None:
    os.close(os.open("/dev/video0", os.O_RDWR))


ALLOWED: dict[str, Callable[[], object]] = {
    "connect to the broker": connect,
    "open the scanner": scanner,
    "open the camera": camera,
    "keep something": keep,
}


def outcome(act: Callable[[], object]) -> str | None:
    """Run the action in a process of its own, as some change later permissions; return its error."""
    read_end, write_end = os.pipe()
    if not (child := os.fork()):
        try:
            act()
        except OSError as error:
            os.write(write_end, f"{type(error).__name__}: {error.strerror or error}".encode())
        os._exit(0)
    os.close(write_end)
    with os.fdopen(read_end) as pipe:
        failure = pipe.read()
    os.waitpid(child, 0)
    return failure or None


def main() -> None:
    control = "control" in sys.argv
    tried = {
        name: outcome(act) for name, act in FORBIDDEN.items() if not (control and name in NOT_UNCONFINED)
    }
    allowed = {} if control else {name: outcome(act) for name, act in ALLOWED.items()}
    print(json.dumps({"forbidden": tried, "allowed": allowed, "user": os.getuid()}), flush=True)


main()
