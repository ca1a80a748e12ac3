"""Control of a simulated post over TCP: the API of the socket, for those who have the token."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from simulators.__main__ import main
from simulators.control import ControlPort, read_or_make_token, send_command, send_command_blocking
from simulators.control.requests import schema
from simulators.errors import SimulatorError
from simulators.post import Listen, Post

pytestmark = pytest.mark.usefixtures("forked_simulators")
TOKEN = "a token of more than sixteen letters"
READER = """
[[simulator]]
name = "lane-1/swipe"
kind = "serial-mrz"
framing = "accessis"
path = "${BORDERPOST_RUN}/swipe"

[[simulator]]
name = "lane-1/page"
kind = "document-bridge"
port = 0
"""


@pytest.fixture
async def post(tmp_path: Path) -> AsyncIterator[Post]:
    (tmp_path / "post.toml").write_text(READER)
    listen = Listen("127.0.0.1", 0, TOKEN)
    async with Post.start(
        tmp_path / "post.toml", run_dir=tmp_path / "run", on_event=lambda *_: None, listen=listen
    ) as running:
        yield running


async def test_same_requests_have_the_same_answers(post: Post) -> None:
    assert post.control_address is not None
    for request in ({"do": "list"}, {"do": "cast"}, {"do": "faults"}, {"do": "dance"}, {"do": "reset"}):
        over_tcp = await send_command(post.control_address, request, token=TOKEN)
        assert over_tcp == await send_command(post.socket_path, request)
    named = {"do": "insert", "name": "lane-1/swipe", "member": "child"}
    answer = await asyncio.to_thread(send_command_blocking, post.control_address, named, token=TOKEN)
    assert answer["truth"]["member"] == "child"
    await asyncio.get_running_loop().shutdown_default_executor()


@pytest.mark.parametrize("token", ["", TOKEN[:-1], TOKEN + "x", "\u00fc" * 20, [TOKEN], None])
async def test_wrong_token_ends_the_connection(post: Post, token: object) -> None:
    assert post.control_address is not None
    host, _, port = post.control_address.removeprefix("tcp://").rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    insert = {"do": "insert", "name": "lane-1/page", "member": "child"}
    for given in (token, TOKEN):
        writer.write(json.dumps(insert | {"token": given}).encode() + b"\n")
    answer = json.loads(await reader.readline())
    assert answer["ok"] is False
    assert answer["error"].startswith("token: missing or wrong")
    assert await reader.read() == b""
    writer.close()
    await asyncio.gather(writer.wait_closed(), return_exceptions=True)
    assert (await send_command(post.socket_path, {"do": "truth"}))["presented"] == []


async def test_faults_are_listed_with_their_arguments(post: Post) -> None:
    answer = await send_command(post.socket_path, {"do": "faults"})
    definitions = schema()["$defs"]
    jsonschema.validate(answer, definitions["FaultsAnswer"] | {"$defs": definitions})
    assert answer["faults"].keys() == {"lane-1/swipe", "lane-1/page"}
    swipe = {one["fault"]: one for one in answer["faults"]["lane-1/swipe"]}
    assert swipe["cut"]["required"] == ["at"]
    checks = ["number", "birth", "expiry", "optional", "composite"]
    assert swipe["wrong-digit"]["args"]["check"]["enum"] == checks
    assert "unplug" in swipe
    of_one = await send_command(post.socket_path, {"do": "faults", "name": "lane-1/page"})
    assert of_one["faults"] == {"lane-1/page": answer["faults"]["lane-1/page"]}


async def test_cast_is_listed(post: Post) -> None:
    answer = await send_command(post.socket_path, {"do": "cast"})
    definitions = schema()["$defs"]
    jsonschema.validate(answer, definitions["CastAnswer"] | {"$defs": definitions})
    numbers = [one["number"] for one in answer["cast"]]
    assert numbers == sorted(numbers)


async def test_occupied_port_is_reported() -> None:
    async def handle(_: dict[str, Any]) -> dict[str, Any]:
        return {"ok": True}

    async with ControlPort("127.0.0.1", 0, TOKEN, handle) as first:
        port = int(first.address.rpartition(":")[2])
        with pytest.raises(SimulatorError, match=f"127.0.0.1:{port}: "):
            async with ControlPort("127.0.0.1", port, TOKEN, handle):
                pass


async def test_absent_port_is_reported() -> None:
    with pytest.raises(SimulatorError, match="no simulated post responds here"):
        await send_command("tcp://127.0.0.1:9", {"do": "list"}, token=TOKEN)
    with pytest.raises(SimulatorError, match="no simulated post responds here"):
        send_command_blocking("tcp://127.0.0.1:9", {"do": "list"}, token=TOKEN)
    with pytest.raises(SimulatorError, match="write HOST:PORT"):
        send_command_blocking("tcp://somewhere", {"do": "list"}, token=TOKEN)


def test_token_file(tmp_path: Path) -> None:
    made = read_or_make_token(tmp_path / "token")
    assert len(made) >= 32
    assert (tmp_path / "token").stat().st_mode & 0o777 == 0o600
    assert read_or_make_token(tmp_path / "token") == made
    (tmp_path / "short").write_text("secret\n")
    with pytest.raises(SimulatorError, match="shorter than 16"):
        read_or_make_token(tmp_path / "short")
    with pytest.raises(SimulatorError, match="No such file"):
        read_or_make_token(tmp_path / "absent/token")


@pytest.mark.parametrize("options", [["--listen", "127.0.0.1:0"], ["--token-file", "token"]])
def test_address_and_token_are_given_together(
    options: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["post.toml", "--run-dir", str(tmp_path), *options])
    assert ended.value.code == 2
    assert "together" in capsys.readouterr().err
