"""A whole post: one process per simulator, a control socket, and nothing left behind."""

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import psutil
import pytest
import structlog
from sim_host import Host
from support.patience import PATIENCE_S

from simulators import post
from simulators import subprocesses as members
from simulators.__main__ import main
from simulators.control import ControlSocket, client, send_command, send_command_blocking
from simulators.errors import SimulatorError
from simulators.mrz import Format
from simulators.passport.accessis import ocr_frame
from simulators.post import Post, PostFileError, run_post, socket_path
from simulators.specimens import ERIKSSON_LINES
from simulators.travellers import TravellerGenerator

PASSPORT = ERIKSSON_LINES[Format.TD3]
pytestmark = pytest.mark.usefixtures("forked_simulators")


class Events:
    """Events of a post."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str, Mapping[str, Any]]] = []

    def __call__(self, name: str, event: str, details: Mapping[str, Any]) -> None:
        self.seen.append((name, event, details))

    def has(self, name: str, event: str, **details: Any) -> bool:
        return any(seen[:2] == (name, event) and details.items() <= seen[2].items() for seen in self.seen)

    async def wait_for(self, name: str, event: str, **details: Any) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not self.has(name, event, **details):
                await asyncio.sleep(0.005)


@pytest.fixture
def events() -> Events:
    return Events()


@pytest.fixture
async def running(post_file: Path, tmp_path: Path, events: Events) -> AsyncIterator[Post]:
    async with Post.start(post_file, run_dir=tmp_path / "run", on_event=events) as post:
        yield post


async def test_each_simulator_has_its_own_process(running: Post) -> None:
    pids = [member.pid for member in running.members.values()]
    assert len({*pids, os.getpid()}) == 3


async def test_control_socket_is_private_to_owner(running: Post, tmp_path: Path) -> None:
    assert running.socket_path == socket_path(tmp_path / "run")
    assert running.socket_path.stat().st_mode & 0o777 == 0o600


async def test_documents_inserted_by_command(
    running: Post, events: Events, tmp_path: Path, plug_host: Callable[[Path], Host]
) -> None:
    def insert(**what: Any) -> Any:
        return send_command(running.socket_path, {"do": "insert", "name": "lane-1/reader", **what})

    assert (await insert())["heard"] is False
    host = plug_host(tmp_path / "run" / "one")
    await events.wait_for("lane-1/reader", "host", connected=True)

    answer = await insert(format="TD1", fields={"surname": "Zzmarker", "number": "ZZ1"})
    people = TravellerGenerator(7)
    next(people)
    marked = people.document(Format.TD1, surname="Zzmarker", number="ZZ1")
    assert answer == {"ok": True, "heard": True, "lines": list(marked.lines)}
    frame = ocr_frame(marked.lines)
    assert await host.read(len(frame)) == frame

    raw = await insert(lines=["IDFRA", "ANYTHING"])
    assert raw["lines"] == ["IDFRA", "ANYTHING"]
    assert await host.read(19) == b"\x1c\x02IDFRA\rANYTHING\r\x03\x1d"
    assert [e[2]["format"] for e in events.seen if e[1] == "document"][1:] == ["TD1", "other"]

    status = await send_command(running.socket_path, {"do": "status", "name": "lane-1/reader"})
    lane = status["simulators"]["lane-1/reader"]
    assert (lane["documents_presented"], lane["documents_sent"]) == (3, 2)
    assert (lane["host_connected"], lane["plugged"], lane["running"]) == (True, True, True)


async def test_travellers_come_while_host_listens(
    running: Post, events: Events, tmp_path: Path, plug_host: Callable[[Path], Host]
) -> None:
    assert not [event for event in events.seen if event[1] == "document"]
    host = plug_host(tmp_path / "run" / "two")
    async with asyncio.timeout(PATIENCE_S):
        while not events.has("lane-2/reader", "document", heard=True):
            host.write(b"\x43\x00\x01\x01")  # continuous mode, which switches itself off with every document
            await asyncio.sleep(0.005)
    await events.wait_for("lane-2/reader", "fault", fault="no-document")
    host.close()
    await events.wait_for("lane-2/reader", "host", connected=False)


async def test_faults_by_command(
    running: Post, events: Events, tmp_path: Path, plug_host: Callable[[Path], Host]
) -> None:
    def fault(name: str, **args: Any) -> Any:
        request = {"do": "fault", "name": "lane-1/reader", "fault": name, "args": args}
        return send_command(running.socket_path, request)

    path = tmp_path / "run" / "one"
    assert await fault("unplug") == {"ok": True}
    assert not path.is_symlink()
    assert await fault("unplug", for_s=0.05) == {"ok": True}
    while not path.exists():
        await asyncio.sleep(0.005)
    host = plug_host(path)
    await events.wait_for("lane-1/reader", "host", connected=True)
    assert await fault("cut", at=5) == {"ok": True}
    await send_command(
        running.socket_path, {"do": "insert", "name": "lane-1/reader", "lines": list(PASSPORT)}
    )
    assert await host.read(5) == ocr_frame(PASSPORT)[:5]


ACTIONS = "list, status, insert, remove, fault, faults, cast, truth, clear, reset, wait"
IMPOSSIBLE: list[tuple[dict[str, Any], str]] = [
    (
        {},
        f"do: None is not one of {ACTIONS}",
    ),
    (
        {"do": "dance"},
        f"do: 'dance' is not one of {ACTIONS}",
    ),
    ({"do": "reset", "name": "lane-9/reader"}, "name: 'lane-9/reader' is not one of"),
    ({"do": "reset", "colour": "red"}, "colour: Extra inputs are not permitted"),
    ({"do": "clear", "within_s": 0}, "within_s: Input should be greater than 0"),
    ({"do": "wait", "name": "lane-1/reader", "until": {}}, "until: Dictionary should have at least 1"),
    (
        {"do": "wait", "name": "lane-1/reader", "until": {"mood": "good"}},
        "until: lane-1/reader has no mood in its status",
    ),
    (
        {"do": "wait", "name": "lane-1/reader", "until": {"host_connected": True}, "within_s": 0.01},
        "wait: after 0.01 s ",
    ),
    ({"do": "insert"}, "name: None is not one of lane-1/reader, lane-2/reader"),
    ({"do": "status", "name": "lane-9/reader"}, "name: 'lane-9/reader' is not one of"),
    ({"do": "insert", "name": "lane-1/reader", "format": "TD4"}, "insert: 'TD4' is not a valid Format"),
    ({"do": "insert", "name": "lane-1/reader", "colour": "red"}, "unexpected keyword argument 'colour'"),
    ({"do": "insert", "name": "lane-1/reader", "lines": ["A"], "format": "TD3"}, "omit format"),
    ({"do": "insert", "name": "lane-1/reader", "lines": ["Ä"]}, "ascii"),
    ({"do": "insert", "name": "lane-1/reader", "fields": {"number": "!"}}, "insert: number '!' does not"),
    ({"do": "fault", "name": "lane-1/reader"}, "missing 1 required positional argument: 'fault'"),
    ({"do": "fault", "name": "lane-1/reader", "fault": "gremlins"}, "fault gremlins: "),
    (
        {"do": "fault", "name": "lane-1/reader", "fault": "cut", "args": {"at": -1}},
        "fault cut: at: Input",
    ),
    ({"do": "fault", "name": "lane-1/reader", "fault": "wrong-frame-check"}, "have no check byte"),
]


async def test_invalid_commands_are_explained(running: Post) -> None:
    for request, error in IMPOSSIBLE:
        answer = await send_command(running.socket_path, request)
        assert answer["ok"] is False
        assert error in answer["error"]


async def test_list_names_the_simulators(running: Post, tmp_path: Path) -> None:
    answer = await asyncio.to_thread(send_command_blocking, running.socket_path, {"do": "list"})
    assert [one["path"] for one in answer["simulators"]] == [
        str(tmp_path / "run" / n) for n in ("one", "two")
    ]
    await asyncio.get_running_loop().shutdown_default_executor()


async def test_dead_simulator_is_reported_others_go_on(running: Post, events: Events) -> None:
    victim = running.members["lane-1/reader"]
    assert victim.pid
    os.kill(victim.pid, signal.SIGKILL)
    await events.wait_for("lane-1/reader", "exited", code=-signal.SIGKILL)

    states = (await send_command(running.socket_path, {"do": "status"}))["simulators"]
    assert [state["running"] for state in states.values()] == [False, True]
    answer = await send_command(running.socket_path, {"do": "insert", "name": "lane-1/reader"})
    assert answer == {"ok": False, "error": "lane-1/reader is not running"}


async def test_request_to_dying_simulator_is_answered(running: Post) -> None:
    victim = running.members["lane-1/reader"]
    assert victim.pid
    os.kill(victim.pid, signal.SIGSTOP)
    asking = asyncio.create_task(victim.request("status", {}))
    await asyncio.sleep(0)
    os.kill(victim.pid, signal.SIGKILL)
    with pytest.raises(SimulatorError, match="has ended"):
        await asking


async def test_unresponsive_simulator_is_killed(
    post_file: Path, tmp_path: Path, events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(members, "STOP_WITHIN_S", 0.1)
    async with Post.start(post_file, run_dir=tmp_path / "run", on_event=events) as post:
        deaf = post.members["lane-2/reader"].pid
        assert deaf
        os.kill(deaf, signal.SIGSTOP)
    assert not psutil.pid_exists(deaf)
    assert ("lane-2/reader", "exited", {"code": -signal.SIGKILL}) in events.seen


async def test_post_leaves_nothing(post_file: Path, tmp_path: Path, events: Events) -> None:
    async with Post.start(post_file, run_dir=tmp_path / "run", on_event=events) as post:
        pids = [member.pid for member in post.members.values()]
    assert not any(psutil.pid_exists(pid) for pid in pids if pid)
    assert list((tmp_path / "run").iterdir()) == []
    assert [e[2] for e in events.seen if e[1] == "exited"] == [{"code": 0}] * 2
    await post.members["lane-1/reader"].stop()  # a second stop is harmless


async def test_failed_start_leaves_nothing_running(post_file: Path, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "two").write_text("precious")
    with pytest.raises(SimulatorError, match=r"lane-2/reader: .*two exists and does not belong to"):
        await run_post(post_file, run_dir=tmp_path / "run", stop=asyncio.Event())
    assert [entry.name for entry in (tmp_path / "run").iterdir()] == ["two"]


async def test_second_post_in_directory_is_refused(running: Post, post_file: Path, tmp_path: Path) -> None:
    with pytest.raises(SimulatorError, match="running here already"):
        await run_post(post_file, run_dir=tmp_path / "run", stop=asyncio.Event())
    assert (await send_command(running.socket_path, {"do": "list"}))["ok"]


async def test_run_post_until_stopped(post_file: Path, tmp_path: Path) -> None:
    stop = asyncio.Event()
    ready: list[Post] = []

    def on_ready(post: Post) -> None:
        ready.append(post)
        stop.set()

    with structlog.testing.capture_logs() as logs:
        assert await run_post(post_file, run_dir=tmp_path / "run", stop=stop, on_ready=on_ready) == 0
    assert ready
    assert {log["simulator"] for log in logs if log["event"] == "ready"} == {"lane-1/reader", "lane-2/reader"}


async def test_stop_during_start(post_file: Path, tmp_path: Path, events: Events) -> None:
    stop = asyncio.Event()
    stop.set()
    assert await run_post(post_file, run_dir=tmp_path / "run", stop=stop, on_event=events) == 0
    assert list((tmp_path / "run").iterdir()) == []


async def test_signals_stop_it(post_file: Path, tmp_path: Path, events: Events) -> None:
    def on_ready(_: Post) -> None:
        os.kill(os.getpid(), signal.SIGINT)

    assert await run_post(post_file, run_dir=tmp_path / "run", on_ready=on_ready, on_event=events) == 0


async def test_second_cancel_while_stopping(post_file: Path, tmp_path: Path, events: Events) -> None:
    running = asyncio.create_task(
        run_post(post_file, run_dir=tmp_path / "run", stop=asyncio.Event(), on_event=events)
    )
    await events.wait_for("lane-1/reader", "ready")
    await events.wait_for("lane-2/reader", "ready")
    for _ in range(3):
        running.cancel()
        await asyncio.sleep(0.001)
    with pytest.raises(asyncio.CancelledError):
        await running
    async with asyncio.timeout(PATIENCE_S):
        while [event for _, event, _ in events.seen].count("exited") < 2:
            await asyncio.sleep(0.005)
    assert list((tmp_path / "run").iterdir()) == []


async def test_errors_of_run_directory(post_file: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SimulatorError, match="file"):
        await run_post(post_file, run_dir=tmp_path / "file", stop=asyncio.Event())
    with pytest.raises(SimulatorError, match="too long for a socket"):
        await run_post(post_file, run_dir=tmp_path / ("x" * 100), stop=asyncio.Event())
    with pytest.raises(PostFileError):
        await run_post(tmp_path / "absent.toml", run_dir=tmp_path / "run", stop=asyncio.Event())


async def test_stale_socket_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))

    async def handle(request: dict[str, Any]) -> dict[str, Any]:
        return {"ok": True, "echo": request}

    async with ControlSocket(path, handle):
        assert await send_command(path, {"a": 1}) == {"ok": True, "echo": {"a": 1}}
    assert not path.exists()


async def test_conversations_on_control_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def handle(_: dict[str, Any]) -> dict[str, Any]:
        return {"ok": True}

    async with ControlSocket(tmp_path / "sock", handle):
        reader, writer = await asyncio.open_unix_connection(tmp_path / "sock")
        for line, error in ((b"nonsense\n", "not JSON"), (b"[]\n", "a request is a JSON object")):
            writer.write(line)
            answer = json.loads(await reader.readline())
            assert answer["ok"] is False
            assert error in answer["error"]
        writer.write(b"{}\n{}\n")
        assert await reader.readline() == await reader.readline() == b'{"ok": true}\n'
        writer.write(b"x" * 200_000 + b"\n")
        with pytest.raises((AssertionError, ConnectionError)):
            assert await reader.readline()
        writer.close()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)
        reader, idle = await asyncio.open_unix_connection(tmp_path / "sock")
        idle.write(b"{}\n")
        assert await reader.readline()
    assert await reader.readline() == b""
    idle.close()
    await idle.wait_closed()


async def test_no_post_is_reported(tmp_path: Path) -> None:
    with pytest.raises(SimulatorError, match="no simulated post responds here"):
        await send_command(tmp_path / "sock", {})
    with pytest.raises(SimulatorError, match="no simulated post responds here"):
        send_command_blocking(tmp_path / "sock", {})
    with pytest.raises(SimulatorError, match="no simulated post responds here"):
        client._decoded(b'{"ok"', str(tmp_path))


def test_command_line_explains_errors(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "absent.toml"), "--run-dir", str(tmp_path / "run")]) == 2
    assert "absent.toml: No such file or directory" in capsys.readouterr().err
    structlog.reset_defaults()


async def test_ready_fd(post_file: Path, tmp_path: Path) -> None:
    """Report to a starting program that every device can be opened."""
    ours, theirs = os.pipe()
    command_line = ("-m", "simulators", post_file, "--run-dir", tmp_path / "run", "--ready-fd", str(theirs))
    running = await asyncio.create_subprocess_exec(
        sys.executable, *command_line, pass_fds=[theirs], stderr=asyncio.subprocess.DEVNULL
    )
    os.close(theirs)
    try:
        assert await asyncio.to_thread(os.read, ours, 100) == b"ready\n"
        answer = await send_command(socket_path(tmp_path / "run"), {"do": "status"})
        assert all(one["running"] for one in answer["simulators"].values())
        assert await asyncio.to_thread(os.read, ours, 100) == b"", "it is closed"
    finally:
        os.close(ours)
        running.terminate()
        assert await running.wait() == 0


def test_public_names_exist() -> None:
    assert all(hasattr(post, name) for name in post.__all__)
