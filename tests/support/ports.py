"""Ports of loopback for servers of tests, which listen some time after their port was chosen."""

import fcntl
import os
import socket
import tempfile
from pathlib import Path

FIRST, END = 20_000, 32_000
"""Below the ports that the kernel chooses (ip_local_port_range: from 32768), and those of our examples."""


def _outer_user() -> int:
    """Return this user's number outside of its user namespace (user_namespaces(7), uid_map).

    A test that runs as root of such a namespace cannot open a file that root has left.
    """
    user = os.geteuid()
    for line in Path("/proc/self/uid_map").read_text().splitlines():
        inside, outside, count = map(int, line.split())
        if inside <= user < inside + count:
            return outside + user - inside
    return user


COUNTER = Path(tempfile.gettempdir()) / f"borderpost-test-ports-{_outer_user()}"
"""File with the last port that was chosen; every test process of this user locks it."""


def free_port() -> int:
    """Choose a port that no other test gets for a long time, and that the kernel gives to no program.

    A port that the kernel has chosen can be taken before its server listens: by the next test, or as the
    near end of any connection. Raises OSError if all ports are in use.
    """
    descriptor = os.open(COUNTER, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "r+b") as counter:
        fcntl.flock(counter, fcntl.LOCK_EX)
        port = int(counter.read() or FIRST)
        for _ in range(END - FIRST):
            port = port + 1 if FIRST <= port < END - 1 else FIRST
            if _is_free(port):
                counter.seek(0)
                counter.write(b"%d" % port)
                return port
    raise OSError(f"no port of loopback between {FIRST} and {END} is free")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # Connections of an earlier server keep its port for a minute, unless the next one reuses it.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
