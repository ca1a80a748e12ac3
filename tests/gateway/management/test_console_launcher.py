"""Console launcher: a console process while a client is connected, none otherwise."""

import asyncio
import contextlib
import os
import socket
import stat
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pytest_mock import MockerFixture
from support.patience import PATIENCE_S

from gateway.management.console_launcher import SOCKET, ConsoleLauncher

CONSOLE = """
import socket, sys
given = dict(zip(sys.argv[1::2], sys.argv[2::2]))
intercom = socket.socket(fileno=int(given["--rpc-fd"]))
doors = [socket.socket(fileno=int(given[name])) for name in ("--socket", "--tcp") if name in given]
for door in doors:
    door.setblocking(False)
while True:
    for door in doors:
        try:
            guest, _ = door.accept()
        except BlockingIOError:
            continue
        guest.setblocking(True)
        word = guest.recv(100).decode()
        guest.sendall(f"{word} {given['--config']}".encode())
        guest.close()
        if word == "crash":
            sys.exit(3)
        if word == "stay":
            intercom.recv(1)
        sys.exit(0)
"""
"""Console that serves one client and ends. It polls: only its presence matters, not its cost."""


class FakeApi:
    """API that is never called."""

    serve_request = None


@contextlib.asynccontextmanager
async def reception(folder: Path, listen: str | None = None) -> AsyncIterator[ConsoleLauncher]:
    script = folder / "console.py"
    script.write_text(CONSOLE)
    config = folder / "post.toml"
    opened = ConsoleLauncher(folder, config, FakeApi, (sys.executable, "-S", str(script)))  # type: ignore[arg-type]
    try:
        opened.open(listen)
        yield opened
    finally:
        await opened.close()


async def say(word: str, *, path: Path | None = None, port: int = 0) -> str:
    """Connect, send a word and return the answer."""
    if path is not None:
        folder = os.open(path.parent, os.O_PATH)
        reader, writer = await asyncio.open_unix_connection(f"/proc/self/fd/{folder}/{path.name}")
        os.close(folder)
    else:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(word.encode())
    async with asyncio.timeout(PATIENCE_S):
        answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer.decode()


def children() -> set[str]:
    return set(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())


async def test_client_starts_console_that_ends_again(tmp_path: Path) -> None:
    deep = tmp_path / ("long" * 20) / ("longer" * 10)
    deep.mkdir(parents=True)
    before = children()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    async with reception(deep, f"127.0.0.1:{port}"):
        assert stat.S_IMODE((deep / SOCKET).stat().st_mode) == 0o660
        assert children() == before
        assert await say("hello", path=deep / SOCKET) == f"hello {deep / 'post.toml'}"
        assert await say("again", port=port) == f"again {deep / 'post.toml'}"
        async with asyncio.timeout(PATIENCE_S):
            while children() != before:
                await asyncio.sleep(0.01)
        staying = asyncio.create_task(say("stay", path=deep / SOCKET))
        await staying
        assert children() != before
    assert children() == before, "the console ends with the gateway"
    assert not (deep / SOCKET).exists()


async def test_socket_that_exists_accepts(tmp_path: Path, mocker: MockerFixture) -> None:
    named: list[bool] = []
    listen = socket.socket.listen

    def noted(self: socket.socket, backlog: int) -> None:
        named.append((tmp_path / SOCKET).exists())
        listen(self, backlog)

    mocker.patch.object(socket.socket, "listen", noted)
    async with reception(tmp_path):
        assert named == [False], "a client that finds the socket before it listens is refused"
        assert await say("hello", path=tmp_path / SOCKET)
        assert [file.name for file in tmp_path.iterdir() if file.is_socket()] == [SOCKET]


async def test_crashed_console_restarts_for_next_client(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.management.console_launcher.RESTART_DELAY_S", 0.05)
    async with reception(tmp_path):
        assert (await say("crash", path=tmp_path / SOCKET)).startswith("crash")
        for _ in range(2):
            with contextlib.suppress(ConnectionError):
                if (await say("hello", path=tmp_path / SOCKET)).startswith("hello"):
                    break
        else:
            pytest.fail("no console came back")


async def test_port_in_use_leaves_local_socket(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        opened = ConsoleLauncher(tmp_path, tmp_path / "post.toml", FakeApi)  # type: ignore[arg-type]
        with pytest.raises(OSError, match="in use"):
            opened.open(f"127.0.0.1:{taken.getsockname()[1]}")
        assert (tmp_path / SOCKET).exists()
        await opened.close()
