"""Ports of tests: chosen once among all test processes, and left alone by the kernel."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from support import ports
from support.ports import free_port

TESTS = Path(__file__).parents[1]
CHOOSE = "from support.ports import free_port; print(*(free_port() for _ in range(60)))"


def test_two_processes_choose_different_ports() -> None:
    command = [sys.executable, "-c", CHOOSE]
    environment = os.environ | {"PYTHONPATH": str(TESTS)}
    both = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    chosen = [free_port() for _ in range(60)]
    chosen += [int(port) for each in both for port in each.communicate()[0].split()]
    assert len(chosen) == len(set(chosen)) == 180


def test_kernel_gives_chosen_port_to_no_other_program() -> None:
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert free_port() < lowest


def test_port_in_use_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", free_port()))
        listening.listen()
        taken = listening.getsockname()[1]
        monkeypatch.setattr(ports, "COUNTER", tmp_path / "counter")
        ports.COUNTER.write_text(str(taken - 1))
        assert free_port() != taken
