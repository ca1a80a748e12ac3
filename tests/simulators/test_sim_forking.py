"""`python -m simulators` forks the processes of its devices, which share nothing but their modules."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from support.patience import PATIENCE_S

from simulators.control import send_command_blocking
from simulators.forking import can_fork
from simulators.post import socket_path

SOCKETS = "socket:["


class Program:
    """The program, with every device ready."""

    def __init__(self, post: Path, run_dir: Path) -> None:
        ours, theirs = os.pipe()
        self.log = run_dir.with_suffix(".log")
        command = [sys.executable, "-m", "simulators", str(post), "--run-dir", str(run_dir)]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [*command, "--ready-fd", str(theirs)], pass_fds=[theirs], stderr=log
            )
        os.close(theirs)
        assert os.read(ours, 6) == b"ready\n", self.log.read_text()
        os.close(ours)
        self.socket = socket_path(run_dir)
        self.devices = psutil.Process(self.process.pid).children()

    def gone(self) -> None:
        """Wait until every device's process has ended."""
        _, alive = psutil.wait_procs(self.devices, timeout=PATIENCE_S)
        assert alive == []


@pytest.fixture
def program(post_file: Path, tmp_path: Path) -> Iterator[Program]:
    running = Program(post_file, tmp_path / "run")
    yield running
    running.process.kill()
    running.process.wait()
    running.gone()


def sockets(process: psutil.Process) -> set[str]:
    """Return the sockets that a process has open."""
    found = set()
    for entry in Path(f"/proc/{process.pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            found.add(str(entry.readlink()))
    return {name for name in found if name.startswith(SOCKETS)}


def test_devices_are_processes_without_a_python_of_their_own(program: Program) -> None:
    assert len(program.devices) == 2
    assert {tuple(one.cmdline()) for one in program.devices} == {
        tuple(psutil.Process(program.process.pid).cmdline())
    }
    assert len({os.getpgid(one.pid) for one in program.devices}) == 2


def test_device_has_only_its_own_sockets(program: Program) -> None:
    first, second = map(sockets, program.devices)
    assert first
    assert second
    assert not first & second
    assert not (first | second) & sockets(psutil.Process(program.process.pid))


def test_devices_answer_and_their_end_is_reported(program: Program) -> None:
    status = send_command_blocking(program.socket, {"do": "status"})["simulators"]
    assert {one["pid"] for one in status.values()} == {one.pid for one in program.devices}
    os.kill(status["lane-1/reader"]["pid"], signal.SIGKILL)
    request = {"do": "wait", "name": "lane-1/reader", "until": {"running": False}, "within_s": PATIENCE_S}
    assert send_command_blocking(program.socket, request, timeout_s=2 * PATIENCE_S)["ok"]
    assert "lane-1/reader exited code=-9" in program.log.read_text()
    assert send_command_blocking(program.socket, {"do": "status"})["simulators"]["lane-2/reader"]["running"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_no_device_outlives_the_program(program: Program, number: signal.Signals) -> None:
    os.kill(program.process.pid, number)
    code = program.process.wait(PATIENCE_S)
    program.gone()
    assert code == (-number if number == signal.SIGKILL else 0)


def test_process_with_another_thread_does_not_fork() -> None:
    ending = threading.Event()
    other = threading.Thread(target=ending.wait)
    other.start()
    try:
        assert not can_fork()
    finally:
        ending.set()
        other.join()
