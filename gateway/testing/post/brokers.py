"""Broker of a simulated post, on loopback: Mosquitto if it is installed, else the embedded one."""

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from drivers.installation import how_to_install
from gateway.testing.post.errors import BrokerError

READY_S = 10.0
STOP_S = 2.0
MAX_PACKET_BYTES = 16 * 1024 * 1024


def free_port(wanted: int = 0) -> int:
    """Return `wanted` if no program listens on that port of the loopback address, else a free port."""
    with socket.socket() as probe:
        # Connections of an earlier broker keep its port for a minute, unless the next one reuses it.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted))
        except OSError:
            probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def held_ports(count: int) -> Iterator[list[int]]:
    """Yield free ports that the kernel gives to no other program until the end.

    A socket that is bound and does not listen holds each of them. A server that sets SO_REUSEADDR, as those
    of asyncio do, can still listen there (socket(7)).
    """
    with contextlib.ExitStack() as stack:
        holders = [stack.enter_context(socket.socket()) for _ in range(count)]
        for holder in holders:
            holder.bind(("127.0.0.1", 0))
            holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        yield [holder.getsockname()[1] for holder in holders]


@contextlib.contextmanager
def loopback_broker(run_dir: Path, wanted: int = 0) -> Iterator[tuple[str, int]]:
    """Run a broker on the port `wanted`, else on a free one; yields its name and port; raises BrokerError."""
    mosquitto = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
    if os.environ.get("BORDERPOST_DEMO_BROKER") == "iotcore":
        mosquitto = None
    with contextlib.ExitStack() as held:
        yield from _started(mosquitto, run_dir, _held(wanted, held) if wanted else 0)


def _held(wanted: int, held: contextlib.ExitStack) -> int:
    """Return the port, or 0 while another demo has it: two starting at once would both find it free.

    A name among the abstract sockets is the lock; the kernel frees it with the process.
    """
    lock = held.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
    try:
        lock.bind(f"\0borderpost-demo-port-{wanted}")
    except OSError:
        return 0
    return wanted


def _started(mosquitto: str | None, run_dir: Path, wanted: int) -> Iterator[tuple[str, int]]:
    for attempt in range(5):  # Another program may take the port between this test and the broker's start.
        port = free_port(0 if attempt else wanted)
        name = "mosquitto" if mosquitto else "iotcore"
        command = _mosquitto(mosquitto, run_dir, port) if mosquitto else _iotcore(run_dir, port)
        with (run_dir / "broker.log").open("ab") as log:
            # In a session of its own: Ctrl-C at the terminal would end it before the gateway that needs it.
            process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=log, stderr=log, start_new_session=True
            )
        try:
            if _wait_until_listening(process, port):
                yield name, port
                return
        finally:
            _stop(process)
    raise BrokerError(f"no broker could be started; see {run_dir / 'broker.log'}")


def _mosquitto(program: str, run_dir: Path, port: int) -> list[str]:
    file = run_dir / "mosquitto.conf"
    file.write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\n"
        f"max_packet_size {MAX_PACKET_BYTES}\nset_tcp_nodelay true\nlog_type error\nlog_type warning\n"
    )
    return [program, "-c", str(file)]


def _iotcore(run_dir: Path, port: int) -> list[str]:
    """Return the command of the embedded broker, which ends when its standard input is closed."""
    import sys

    try:
        import iotcore  # noqa: F401
    except ImportError:
        raise BrokerError(
            "no broker is installed: neither mosquitto on PATH nor the embedded broker\
"
            f"    sudo apt install mosquitto, or without root: {how_to_install('demo')}"
        ) from None
    file = run_dir / "rumqttd.toml"
    file.write_text(
        "id = 0\n"
        "[router]\nid = 0\nmax_connections = 100\nmax_outgoing_packet_count = 1000\n"
        "max_segment_size = 104857600\nmax_segment_count = 10\n"
        f'[v5.1]\nname = "v5"\nlisten = "127.0.0.1:{port}"\nnext_connection_delay_ms = 1\n'
        f"[v5.1.connections]\nconnection_timeout_ms = 5000\nmax_payload_size = {MAX_PACKET_BYTES}\n"
        "max_inflight_count = 100\ndynamic_filters = true\n"
    )
    program = (
        "import json, sys; sys.path[:] = [p for p in sys.path if p not in ('', '.')]; "
        "from iotcore._serve import main; main()"
    )
    options = f'{{"config_path": "{file}"}}'
    return [sys.executable, "-c", program, options]


def _stop(process: "subprocess.Popen[bytes]") -> None:
    """End a broker: Mosquitto ignores a SIGTERM between its listening and its main loop."""
    process.terminate()
    try:
        process.communicate(timeout=STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()


def _wait_until_listening(process: "subprocess.Popen[bytes]", port: int) -> bool:
    """Wait until the broker listens; False if it ended instead."""
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.2):
            return process.poll() is None
        time.sleep(0.02)
    return False
