"""Connection problems of a workstation: address, reason, remedy."""

import asyncio
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from support.brokers.mosquitto import Mosquitto
from support.gateway.post_files import gateway_section
from support.patience import PATIENCE_S
from support.ports import free_port
from support.process.command_lines import Borderpost

from gateway.client import CommandNotSent, ConnectionProblem, Workstation

POST = (
    gateway_section("uto-test", state_dir="state")
    + """
[broker]
host = "127.0.0.1"
port = {port}
[device."lane-1/reader"]
driver = "mrz-serial"
port = "/dev/ttyS9"
framing = "text"
"""
)


@pytest.fixture
def mosquitto() -> Iterator[Mosquitto]:
    with Mosquitto() as broker:
        yield broker


async def problem_of(host: str, port: int, **more: str) -> ConnectionProblem:
    met: asyncio.Queue[ConnectionProblem] = asyncio.Queue()
    async with Workstation(host, port, site="uto-test", on_problem=met.put_nowait, **more) as workstation:  # type: ignore[arg-type]
        async with asyncio.timeout(PATIENCE_S):
            problem = await met.get()
        assert workstation.problem == problem
    return problem


async def test_no_broker() -> None:
    port = free_port()
    problem = await problem_of("127.0.0.1", port)
    assert problem.address == f"127.0.0.1:{port}"
    assert problem.text == f"No connection to the MQTT broker at 127.0.0.1:{port}: connection refused."
    assert "Start the broker" in problem.how


async def test_wrong_password() -> None:
    with Mosquitto(users={"lane-1": "right"}) as broker:
        problem = await problem_of("127.0.0.1", broker.port, username="lane-1", password="wrong")
    assert "refuses this user name" in problem.text


async def test_unknown_host() -> None:
    problem = await problem_of("broker.invalid", 1883)
    assert "broker.invalid:1883" in problem.text
    assert "host name" in problem.text


async def test_no_gateway(mosquitto: Mosquitto) -> None:
    """A broker of another post, or a training post addressed as a real one."""
    problem = await problem_of("127.0.0.1", mosquitto.port)
    assert f"127.0.0.1:{mosquitto.port} knows no gateway of site uto-test" in problem.text
    assert "training=True" in problem.how


async def test_command_says_why() -> None:
    port = free_port()
    async with Workstation(
        "127.0.0.1", port, site="uto-test", station="lane-1", on_problem=lambda _: None
    ) as desk:
        with pytest.raises(CommandNotSent) as caught:
            await desk.command("lane-1/barrier", "open", expires_s=1)
    assert f"127.0.0.1:{port}" in caught.value.text
    assert caught.value.how


async def test_command_without_gateway(mosquitto: Mosquitto) -> None:
    async with Workstation("127.0.0.1", mosquitto.port, site="uto-test", station="lane-1") as desk:
        await desk.connected_event.wait()
        with pytest.raises(CommandNotSent) as caught:
            await desk.command("lane-1/barrier", "open", expires_s=1)
    assert "knows no gateway of site uto-test" in caught.value.text
    assert "training=True" in caught.value.how


async def test_logged_once() -> None:
    """Without `on_problem` it is one warning, however many attempts follow."""
    port = free_port()
    with capture_logs() as logged:
        async with Workstation("127.0.0.1", port, site="uto-test"), asyncio.timeout(PATIENCE_S):
            while not logged:
                await asyncio.sleep(0.01)
            await asyncio.sleep(1.5)  # two further tries, 0.5 s and 1 s later
    assert [entry["log_level"] for entry in logged] == ["warning"]
    assert f"127.0.0.1:{port}: connection refused. Start the broker" in logged[0]["event"]


async def test_problem_ends(mosquitto: Mosquitto) -> None:
    mosquitto.stop()
    async with Workstation(
        "127.0.0.1", mosquitto.port, site="uto-test", on_problem=lambda _: None
    ) as workstation:
        async with asyncio.timeout(PATIENCE_S):
            while workstation.problem is None:
                await asyncio.sleep(0.01)
            mosquitto.start()
            await workstation.connected_event.wait()
        assert workstation.problem is None


async def test_hangup_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    """No traceback when the other end closes an abandoned connection."""
    loop, met = asyncio.get_running_loop(), []
    loop.set_exception_handler(lambda _, context: met.append(context))
    writers: list[asyncio.StreamWriter] = []
    accepted = asyncio.Event()

    def accept(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        accepted.set()

    async with await asyncio.start_server(accept, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with Workstation("127.0.0.1", port, site="uto-test"), asyncio.timeout(PATIENCE_S):
            await accepted.wait()
        for writer in writers:
            writer.transport.abort()
        await asyncio.sleep(0.2)
    assert not met
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize(
    "command",
    [["devices"], ["command", "lane-1/barrier", "open", "--station", "lane-1"], ["claims", "list"]],
    ids=lambda command: command[0],
)
def test_commands_say_why(command: list[str], tmp_path: Path) -> None:
    port = free_port()
    config = tmp_path / "post.toml"
    config.write_text(POST.format(port=port))
    at = 2 if command[0] == "claims" else 1
    ended = Borderpost(*command[:at], config, *command[at:]).ended()
    assert ended.returncode == os.EX_UNAVAILABLE
    assert f"127.0.0.1:{port}: connection refused" in ended.stderr
    assert "Start the broker" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert ended.stdout == ""


async def test_watch_says_why(tmp_path: Path) -> None:
    port = free_port()
    config = tmp_path / "post.toml"
    config.write_text(POST.format(port=port))
    watching = await asyncio.create_subprocess_exec(
        Path(sys.executable).with_name("borderpost"),
        *("watch", str(config), "--json"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert watching.stderr is not None
    try:
        async with asyncio.timeout(PATIENCE_S):
            said = (await watching.stderr.readline()) + (await watching.stderr.readline())
    finally:
        watching.send_signal(2)
        shown, _ = await watching.communicate()
    assert f"127.0.0.1:{port}: connection refused" in said.decode()
    assert "Start the broker" in said.decode()
    assert shown == b""
