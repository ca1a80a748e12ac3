"""Fork server alone: its end when the daemon was killed."""

import asyncio
import ctypes
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from support.gateway.workers import PLUGINS
from support.patience import PATIENCE_S
from support.process import daemons

from gateway.ipc.frames import FrameType, encode_frame
from gateway.supervision.processes import forkserver_client
from gateway.supervision.processes.forkserver import setup_message
from gateway.supervision.processes.forkserver_client import ForkServerClient
from gateway.worker.spec import WorkerSpec

ROOT = Path(__file__).parents[3]
PR_SET_DUMPABLE = 4
"""prctl(2)"""


def test_daemon_death_ends_unread_workers(tmp_path: Path) -> None:
    """Check ECONNRESET: the kernel reports it to the server instead of end of file."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    worker_ours, worker_theirs = socket.socketpair()
    with theirs, worker_theirs:
        server = subprocess.Popen(
            [sys.executable, "-m", "gateway.supervision.processes.forkserver", str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{PLUGINS}"},
            stderr=subprocess.PIPE,
        )
        order = WorkerSpec(
            site="uto-test",
            gateway="gw-1",
            position="lane-1/reader",
            driver="faulty",
            settings={"port": str(tmp_path / "none")},
            is_production=False,
            heartbeat_interval_s=0.2,
            open_timeout_s=5,
            backoff_first_s=0.1,
            backoff_max_s=1,
        )
        ours.send(setup_message(["faulty"], "error"))
        socket.send_fds(ours, [b"fork"], [worker_theirs.fileno()])
        worker_ours.send(encode_frame(FrameType.SPEC, order.to_head()))
    worker_ours.settimeout(PATIENCE_S)
    try:
        assert worker_ours.recv(1)  # it runs; its pid is not read by us
        (worker,) = psutil.Process(server.pid).children()
        ours.close()
        _, said = server.communicate(timeout=PATIENCE_S)
    finally:
        ours.close()
        worker_ours.close()
        server.kill()
        server.communicate()
    assert server.returncode == 0, said.decode()
    assert not worker.is_running()


async def test_server_that_died_at_start_is_replaced() -> None:
    """Check the moment between its fork and the end of the daemon's configuration."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    theirs.close()
    if (pid := os.fork()) == 0:
        os._exit(0)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    worker_ours, worker_theirs = socket.socketpair()
    client = ForkServerClient([], "error", (pid, ours))
    with worker_ours, worker_theirs:
        worker = await client.fork(worker_theirs.fileno())
        assert psutil.Process(worker).ppid() != os.getpid()
    await client.close()


async def test_no_notice_of_earlier_server_awaited(monkeypatch: pytest.MonkeyPatch) -> None:
    """While a notice is awaited, no worker of another device can be forked."""
    monkeypatch.setattr(forkserver_client, "EXIT_NOTICE_TIMEOUT_S", 3600)
    client = ForkServerClient([], "error")
    worker_ours, worker_theirs = socket.socketpair()
    with worker_ours, worker_theirs:
        before = await client.fork(worker_theirs.fileno())
        assert client._process is not None
        os.kill(client._process.pid, signal.SIGKILL)
        await client._process.wait()
        after = await client.fork(worker_theirs.fileno())
        for pid in (before, after):
            os.kill(pid, signal.SIGKILL)
        async with asyncio.timeout(PATIENCE_S):
            assert await client.exit_status(after) == -signal.SIGKILL
            assert await client.exit_status(before) is None
            assert await client.exit_status(0) is None
    await client.close()


async def test_forked_server_of_undumpable_process() -> None:
    """Start the tests' own fork server: as an ordinary user it could not open the log of such a process."""
    libc = ctypes.CDLL(None)
    assert libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0
    try:
        client = daemons.forkserver_client([], "info")
        try:
            assert client._channel is not None
            client._channel.setblocking(True)
            client._channel.settimeout(0.5)
            with pytest.raises(TimeoutError):  # it has not ended
                await asyncio.to_thread(client._channel.recv, 1)
        finally:
            await client.close()
    finally:
        libc.prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)
