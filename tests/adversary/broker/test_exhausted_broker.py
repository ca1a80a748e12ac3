"""A station, or somebody without a certificate, uses up the memory or the connections of the broker."""

import contextlib
import resource
import socket
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.brokers.deployments import two_state_deployment
from support.brokers.mosquitto import Mosquitto
from support.brokers.principals import Broker, DeploymentFixture
from support.brokers.shipped import Shipped
from support.patience import PATIENCE_S
from support.process.wall_clock import WallClock, clock_fault

from gateway.pki.inventory import load_deployment
from gateway.pki.store import init

CONNECT = b"\x10\x19\x00\x04MQTT\x05\x00\x00\x00\x05\x11\xff\xff\xff\xff\x00\x07station"
"""MQTT 5, section 3.1: no keepalive, and a session that never ends."""
PING, PONG = b"\xc0\x00", b"\xd0\x00"
SLOTS = 1000
"""Connections of one listener."""
FILES = 4096
"""LimitNOFILE of the broker's service."""


@dataclass
class Hall:
    """A broker, and the TLS context of a lane's station."""

    broker: Mosquitto
    station: ssl.SSLContext

    def open(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.broker.port), PATIENCE_S)

    @contextlib.contextmanager
    def connected(self) -> Iterator[tuple[ssl.SSLSocket, bool]]:
        """Connect the station; yields its socket, and whether the broker had kept its session."""
        with (
            self.open() as plain,
            self.station.wrap_socket(plain, server_hostname="127.0.0.1") as secure,
        ):
            secure.sendall(CONNECT)
            answer = secure.recv(100)
            assert answer[0] == 0x20, "accepted"
            yield secure, bool(answer[2] & 1)


@pytest.fixture(params=["shipped", "made"])
def hall(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hall]:
    """The broker of `config/mosquitto`, or of `borderpost trust`, with a clock that a test may set."""
    clock = WallClock(tmp_path / "clock")
    with monkeypatch.context() as environment, contextlib.ExitStack() as stack:
        for name, value in clock.environment().items():
            environment.setenv(name, value)
        if request.param == "shipped":
            shipped = stack.enter_context(Shipped(tmp_path / "broker", tls=True))
            yield Hall(shipped, shipped.authority.context("lane-1"))
            return
        described = load_deployment(two_state_deployment(tmp_path))
        folder = init(tmp_path / "authority", described, days=365, passphrase=None)
        broker = stack.enter_context(Broker(folder))
        made = DeploymentFixture(described, folder, folder.load_ca(None), broker)
        yield Hall(broker, made.context("ke-lane-1"))


@pytest.mark.skipif(clock_fault() != "", reason=clock_fault())
def test_kept_sessions_end_after_an_hour(hall: Hall, tmp_path: Path) -> None:
    clock = WallClock(tmp_path / "clock")
    with hall.connected() as (_, is_kept):
        assert not is_kept
    clock.set("+50m")
    with hall.connected() as (_, is_kept):
        assert is_kept
    clock.set("+115m")
    ends_s = time.monotonic() + PATIENCE_S
    while "Expiring client" not in hall.broker.log:  # it reads the clock, and looks at sessions, in seconds
        assert time.monotonic() < ends_s
        time.sleep(0.05)
    with hall.connected() as (_, is_kept):
        assert not is_kept


def test_flood_of_connections_ends_no_other(hall: Hall) -> None:
    resource.prlimit(hall.broker.pid, resource.RLIMIT_NOFILE, (FILES, FILES))
    with hall.connected() as (station, _), contextlib.ExitStack() as stack:
        taken = [stack.enter_context(hall.open()) for _ in range(SLOTS + 100)]
        for each in taken:
            each.setblocking(False)
        closed = 0
        ends_s = time.monotonic() + PATIENCE_S
        while closed < 101 and time.monotonic() < ends_s:
            station.sendall(PING)
            assert station.recv(2) == PONG, "an earlier connection is served"
            closed = sum(is_closed(each) for each in taken)
        assert closed == 101, "the station has one of the slots"


def is_closed(connection: socket.socket) -> bool:
    try:
        return connection.recv(1) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True
