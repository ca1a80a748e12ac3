"""Rules of nftables for the hall, in a network of their own: nobody takes all of the connections."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

RULES = Path(__file__).parents[3] / "config/mosquitto/borderpost.nft"
PATH = "/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin"
NETWORK = 'ip link set lo up && nft -f "$1" && nft -f "$1" && exec "$2" -c "$3"'
CONNECT = """
import contextlib, socket

servers = [socket.create_server(("0.0.0.0", port), backlog=400) for port in (8883, 8884, 1883)]
kept = contextlib.ExitStack()


def connected(address, port):
    took = 0
    for _ in range(40):
        one = kept.enter_context(socket.socket())
        one.bind((address, 0))
        with contextlib.suppress(ConnectionRefusedError):
            one.connect(("127.0.0.9", port))
            took += 1
    return took


print(*(connected(*each) for each in (
    ("127.0.0.2", 8883), ("127.0.0.2", 8884), ("127.0.0.3", 8883), ("127.0.0.1", 8883), ("127.0.0.2", 1883),
)))
"""


def _fault() -> str:
    """Return why no rules can be loaded here, or ""."""
    if shutil.which("nft", path=PATH) is None:
        return "nftables is not installed"
    tried = subprocess.run(["unshare", "-rn", "true"], capture_output=True, check=False)
    return "" if tried.returncode == 0 else f"no network of its own: {tried.stderr.decode().strip()}"


@pytest.mark.skipif(_fault() != "", reason=_fault())
def test_address_has_32_connections() -> None:
    done = subprocess.run(
        ["unshare", "-rn", "sh", "-c", NETWORK, "sh", str(RULES), sys.executable, CONNECT],
        capture_output=True,
        check=False,
        env={"PATH": PATH},
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["32", "0", "32", "40", "40"], "both ports together; not this machine's own"
