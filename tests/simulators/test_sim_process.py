"""The process of a simulator, from inside and outside, and that it never outlives its post."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import psutil
import pytest
from sim_host import Host
from support.patience import PATIENCE_S

from simulators import process
from simulators import subprocesses as members
from simulators.errors import SimulatorError
from simulators.mrz import Format
from simulators.passport.elyctis import inquire_answer
from simulators.registry import parse_settings
from simulators.specimens import ERIKSSON_LINES

PASSPORT = ERIKSSON_LINES[Format.TD3]

# One simulator's process, with its socket held by the test.


class Parent:
    """The parent's end of a simulator that runs in this process."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection

    async def receive(self, expected: str) -> dict[str, Any]:
        while True:
            line = await self.reader.readline()
            assert line, f"hung up before {expected}"
            message: dict[str, Any] = json.loads(line)
            if message.get("event", "answer") == expected:
                return message

    async def open(self, settings: Mapping[str, Any]) -> None:
        self.reader, self.writer = await asyncio.open_connection(sock=self.connection)
        self.send(settings)

    def send(self, message: Mapping[str, Any]) -> None:
        self.writer.write(json.dumps(message).encode() + b"\n")


@pytest.fixture
def sockets() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    yield ours, theirs
    ours.close()
    theirs.close()


SETTINGS = {"name": "lane-2/reader", "kind": "serial-mrz", "framing": "elyctis", "seed": 8}


async def keep_armed(host: Host) -> None:
    """Keep continuous mode on, which switches itself off with every document and every fault."""
    while True:
        host.write(b"\x43\x00\x01\x01")
        await asyncio.sleep(0.002)


async def test_process_from_ready_to_hang_up(
    sockets: tuple[socket.socket, socket.socket], tmp_path: Path, plug_host: Callable[[Path], Host]
) -> None:
    parent = Parent(sockets[0])
    running = asyncio.create_task(process.serve(sockets[1]))
    faults = [{"at_s": 0.01, "every_s": 0.01, "fault": "no-document"}]
    times = {"every_s": 0.04, "jitter_s": 0.01, "first_s": 0, "dwell_s": 0.01}
    await parent.open(SETTINGS | times | {"path": str(tmp_path / "r"), "faults": faults})
    await parent.receive("ready")
    host = plug_host(tmp_path / "r")
    assert (await parent.receive("host"))["details"] == {"connected": True}
    arming = asyncio.create_task(keep_armed(host))
    while not (await parent.receive("document"))["details"]["heard"]:
        pass
    arming.cancel()
    await parent.receive("fault")
    parent.send({"id": 1, "verb": "insert", "lines": list(PASSPORT)})
    assert (await parent.receive("answer"))["lines"] == list(PASSPORT)
    parent.send({"id": 2, "verb": "fault", "fault": "slow"})
    assert await parent.receive("answer") == {"ok": True, "id": 2}
    parent.send({"id": 3, "verb": "status"})
    assert (await parent.receive("answer"))["plugged"] is True
    parent.send({"id": 4, "verb": "juggle"})
    assert "does not support 'juggle'" in (await parent.receive("answer"))["error"]
    parent.send({"id": 5, "verb": "fault", "fault": "cut", "args": {"at": -1}})
    assert "fault cut: at: " in (await parent.receive("answer"))["error"]
    parent.send({"id": 6, "verb": "status", "colour": "red"})
    assert (await parent.receive("answer"))["ok"] is True
    parent.send({"id": 7, "verb": "insert", "colour": "red"})
    assert "'colour'" in (await parent.receive("answer"))["error"]
    host.close()
    await parent.receive("host")

    parent.writer.close()
    assert await running == 0
    assert not (tmp_path / "r").is_symlink()


async def test_invalid_simulator_reports_why(
    sockets: tuple[socket.socket, socket.socket], tmp_path: Path
) -> None:
    (tmp_path / "r").write_text("precious")
    parent = Parent(sockets[0])
    running = asyncio.create_task(process.serve(sockets[1]))
    await parent.open(SETTINGS | {"path": str(tmp_path / "r")})

    assert "does not belong to a simulator" in (await parent.receive("failed"))["details"]["text"]
    assert await running == 1
    parent.writer.close()


async def test_hang_up_ends_a_document(
    sockets: tuple[socket.socket, socket.socket], tmp_path: Path, plug_host: Callable[[Path], Host]
) -> None:
    parent = Parent(sockets[0])
    running = asyncio.create_task(process.serve(sockets[1]))
    await parent.open(SETTINGS | {"path": str(tmp_path / "r")})
    await parent.receive("ready")
    host = plug_host(tmp_path / "r")
    host.write(b"\x43\x00\x01\x01")
    await parent.receive("host")
    parent.send({"id": 1, "verb": "fault", "fault": "dribble", "args": {"every_ms": 10_000}})
    await parent.receive("answer")
    parent.send({"id": 2, "verb": "insert", "lines": list(PASSPORT)})
    assert await host.read(5) == b"\x43\x00\x01\x01" + inquire_answer(PASSPORT)[:1]

    parent.writer.close()
    async with asyncio.timeout(PATIENCE_S):
        assert await running == 0


# The whole post from outside.


def _start(post_file: Path, run_dir: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "simulators", str(post_file), "--run-dir", str(run_dir)],
        cwd=Path(__file__).parents[2],
        stderr=subprocess.PIPE,
        text=True,
    )


def _children(parent: subprocess.Popen[str], run_dir: Path) -> list[psutil.Process]:
    deadline = time.monotonic() + PATIENCE_S
    while not all((run_dir / name).exists() for name in ("one", "two")):
        assert parent.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return psutil.Process(parent.pid).children(recursive=True)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_stops_all(post_file: Path, tmp_path: Path, number: int) -> None:
    with _start(post_file, tmp_path / "run") as parent:
        children = _children(parent, tmp_path / "run")
        assert len(children) == 2
        parent.send_signal(number)
        _, output = parent.communicate(timeout=PATIENCE_S)
    assert parent.returncode == 0
    assert not any(child.is_running() for child in children)
    assert list((tmp_path / "run").iterdir()) == []
    assert "Traceback" not in output


def test_killed_parent_leaves_no_child(post_file: Path, tmp_path: Path) -> None:
    with _start(post_file, tmp_path / "run") as parent:
        children = _children(parent, tmp_path / "run")
        parent.kill()
        _, alive = psutil.wait_procs(children, timeout=PATIENCE_S)
        parent.communicate(timeout=PATIENCE_S)
    assert not alive
    # They stopped in good order: their ports are gone, only the post's own socket remains.
    assert [entry.name for entry in (tmp_path / "run").iterdir()] == ["simulators.sock"]


@pytest.mark.parametrize("left", ["the socket", "the signal"])
def test_either_end_of_parent_suffices(tmp_path: Path, left: str) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        child = members._spawn(theirs)
        theirs.close()
        ours.sendall(json.dumps(SETTINGS | {"path": str(tmp_path / "r")}).encode() + b"\n")
        assert b"ready" in ours.recv(4096)
        if left == "the socket":
            child.terminate()
        else:
            ours.close()
        assert child.wait(timeout=PATIENCE_S) == 0
    assert not (tmp_path / "r").is_symlink()


def test_parent_dead_before_child_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    killed: list[tuple[int, int]] = []
    monkeypatch.setattr(process.os, "kill", lambda *stopped_s: killed.append(stopped_s))
    monkeypatch.setattr(process.os, "getppid", lambda: 1)
    monkeypatch.setattr(process.ctypes, "CDLL", lambda *_, **__: type("C", (), {"prctl": lambda *_: 0})())
    process.die_with_parent(4711)
    assert killed == [(os.getpid(), signal.SIGTERM)]


async def test_last_event_arrives_after_process_end(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep the post busy until the process has ended: its output and its end are both pending then."""
    (tmp_path / "r").write_text("in the way")
    send = members.SimulatorProcess._send

    def send_and_wait_for_end(self: members.SimulatorProcess, message: Mapping[str, Any]) -> None:
        send(self, message)
        assert self.pid is not None
        os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)

    monkeypatch.setattr(members.SimulatorProcess, "_send", send_and_wait_for_end)
    member = members.SimulatorProcess(
        parse_settings(SETTINGS | {"path": str(tmp_path / "r")}), lambda *_: None
    )
    with pytest.raises(SimulatorError, match="does not belong to a simulator"):
        await member.start()
    await member.stop()


async def test_simulator_is_started_again(tmp_path: Path) -> None:
    """A test that unplugs a device whose simulator is a service needs this."""
    member = members.SimulatorProcess(
        parse_settings(SETTINGS | {"path": str(tmp_path / "r")}), lambda *_: None
    )
    for _ in range(2):
        await member.start()
        assert member.pid is not None
        assert "documents_presented" in await member.request("status", {})
        await member.stop()
        assert member.pid is None
        with pytest.raises(SimulatorError, match="is not running"):
            await member.request("status", {})
