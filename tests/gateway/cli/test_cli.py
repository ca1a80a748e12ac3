"""The command line in real processes: output and exit codes."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from subprocess import CompletedProcess
from typing import cast

import pytest
import typer
from support.brokers.mosquitto import Mosquitto
from support.devices.serial_readers import FRAMES
from support.gateway.gateways import GatewayFixture, gateway, until
from support.patience import PATIENCE_S
from support.ports import free_port
from support.process.command_lines import Borderpost
from support.process.demos import one_reader
from typer.testing import CliRunner

from gateway.cli import COMMANDS, app
from gateway.cli._lib.api_client import ApiUnavailable, ask
from simulators.specimens import ERIKSSON_LINES

__all__ = ["gateway"]

ROOT = Path(__file__).parents[3]
BORDERPOST = Path(sys.executable).with_name("borderpost")


@pytest.fixture
def mosquitto() -> Iterator[Mosquitto]:
    with Mosquitto() as broker:
        yield broker


def borderpost(
    *arguments: object, timeout_s: float = PATIENCE_S, **environment: str
) -> CompletedProcess[str]:
    return Borderpost(*arguments, COLUMNS="160", **environment).ended(timeout_s)


def test_help_and_version() -> None:
    version = subprocess.run([BORDERPOST, "--version"], capture_output=True, text=True, check=True)
    assert version.stdout.startswith("borderpost 0.")
    assert "watch" in borderpost("--help").stdout


LISTING = """
import sys
sys.argv = ["borderpost", "--help"]
try:
    from gateway.borderpost import main
    main()
finally:
    heavy = {"asyncio", "markdown_it", "pydantic", "structlog"}
    print(sorted(heavy & sys.modules.keys()), file=sys.stderr)
"""


def test_help_loads_no_command() -> None:
    """It takes a fifth of a second instead of one."""
    ended = subprocess.run([sys.executable, "-c", LISTING], capture_output=True, text=True, check=True)
    assert ended.stderr == "[]\n"


def test_summaries_are_those_of_commands() -> None:
    group = cast("typer.core.TyperGroup", typer.main.get_command(app))
    for name, summary in COMMANDS.items():
        command = group.get_command(typer.Context(group), name)
        assert command is not None
        assert " ".join(str(command.help).split("\n\n")[0].split()) == summary


@pytest.mark.parametrize("arguments", [["nonsense"], ["watch", "--nonsense"], ["demo", "--duration", "soon"]])
def test_usage_error_exit_code(arguments: list[str]) -> None:
    assert borderpost(*arguments).returncode == os.EX_USAGE


def test_config_check_accepts_valid_file() -> None:
    """The environment of developers has every extra."""
    checked = borderpost("config", "check", ROOT / "config/example.toml")
    assert checked.returncode == 0
    assert "no errors" in checked.stdout


@pytest.mark.parametrize("command", [["config", "check"], ["run"], ["watch"], ["devices"]])
def test_invalid_file_ends_each_command_with_remedy(command: list[str], tmp_path: Path) -> None:
    file = tmp_path / "post.toml"
    one_reader(tmp_path)
    file.write_text((tmp_path / "demo.toml").read_text().replace('profile = "training"', "profile = 7"))
    ended = borderpost(*command, file)
    assert ended.returncode == 78
    assert f"{file}:" in ended.stderr
    assert "production" in ended.stderr, "the remedy names the accepted values"
    assert not (tmp_path / "state").exists(), "nothing was started"


def test_committed_contract_matches_models() -> None:
    checked = borderpost("contract", "config/contract", "--check")
    assert checked.returncode == 0, checked.stderr


def test_changed_contract_is_reported(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "config/contract", tmp_path / "contract")
    (tmp_path / "contract" / "asyncapi.yaml").write_text("{}")
    checked = borderpost("contract", tmp_path / "contract", "--check")
    assert checked.returncode == 1
    assert "asyncapi.yaml" in checked.stderr
    assert borderpost("contract", tmp_path / "contract").returncode == 0
    written = (tmp_path / "contract" / "asyncapi.yaml").read_text()
    assert written == (ROOT / "config/contract/asyncapi.yaml").read_text()


@pytest.mark.thorough
@pytest.mark.long(15)
def test_two_demos_run_at_once(tmp_path: Path) -> None:
    """One uses Mosquitto, the other the broker from the wheel."""
    files = one_reader(tmp_path)
    running = {
        broker: Borderpost(
            "demo", "--port", 0, "--duration", 8, *files, COLUMNS="160", BORDERPOST_DEMO_BROKER=broker
        )
        for broker in ("mosquitto", "iotcore")
    }
    ends = {broker: demo.ended(100) for broker, demo in running.items()}
    for broker, ended in ends.items():
        shown = ended.stdout
        assert ended.returncode == 0, shown + ended.stderr
        assert f"broker  {broker}, 127.0.0.1:" in shown
        assert "console http://127.0.0.1:" in shown
        assert "lane-1/reader    simulated TD" in shown
        assert "lane-1/reader    simulated chip" in shown
        assert "median latency" in shown


@pytest.mark.long(25)
def test_demo_fails_without_reads(tmp_path: Path) -> None:
    files = one_reader(tmp_path)
    post = tmp_path / "demo-post.toml"
    post.write_text(post.read_text().replace("${BORDERPOST_READER_PORT:-32504}", str(free_port())))
    ended = borderpost("demo", "--port", "0", "--duration", "1", *files, timeout_s=100)
    assert ended.returncode == 1, ended.stdout + ended.stderr
    assert "nothing" in ended.stdout


async def test_devices_and_watch_show_workstation_view(gateway: GatewayFixture, tmp_path: Path) -> None:
    wire = await gateway.wire("lane-1/reader")
    gateway.describe("lane-1/reader", "mrz-serial", 'framing = "text"')
    gateway.describe("lane-2/reader", "mrz-serial", 'framing = "text"')
    await gateway.start()
    async with gateway.workstation() as workstation:
        await until(lambda: workstation.status("lane-1/reader").is_usable)
        await until(lambda: workstation.status("lane-2/reader").state is not None)
        await until(lambda: workstation.status("lane-2/reader").state.cause is not None)
    shown = await asyncio.to_thread(borderpost, "devices", gateway.config)
    assert shown.returncode == 1, "one is not online"
    assert "lane-1/reader" in shown.stdout
    assert "no_device" in shown.stdout
    assert "replug" in shown.stdout
    plain = await asyncio.to_thread(borderpost, "devices", gateway.config, "--mqtt", "--json")
    assert [device["usable"] for device in json.loads(plain.stdout)] == [True, False]
    watching = await asyncio.create_subprocess_exec(
        BORDERPOST,
        *("watch", str(gateway.config), "-p", "lane-1/reader"),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "COLUMNS": "160"},
    )
    seen = ""
    try:
        await wire.wait_for_host()
        async with asyncio.timeout(PATIENCE_S):
            while "ERIKSSON" not in seen:
                assert watching.stdout is not None
                seen += (await watching.stdout.readline()).decode()
                if "online" in seen and "ERIKSSON" not in seen:
                    await wire.send(FRAMES["text"](ERIKSSON_LINES["TD3"]))
    finally:
        watching.terminate()
        await watching.wait()
    assert "simulated" in seen


async def test_devices_reports_missing_broker(gateway: GatewayFixture) -> None:
    gateway.describe("lane-1/reader", "mrz-serial", 'framing = "text"')
    gateway.broker.stop()
    ended = await asyncio.to_thread(borderpost, "devices", gateway.config)
    assert ended.returncode == os.EX_UNAVAILABLE
    assert f"127.0.0.1:{gateway.broker.port}: connection refused" in ended.stderr


async def test_outbox_commands(gateway: GatewayFixture) -> None:
    wire = await gateway.wire("lane-1/reader")
    gateway.describe("lane-1/reader", "mrz-serial", 'framing = "text"')
    await gateway.start()
    await wire.wait_for_host()
    async with gateway.workstation() as workstation:
        await until(lambda: workstation.status("lane-1/reader").is_usable)
    gateway.broker.stop()
    for _ in range(3):
        await wire.send(FRAMES["text"](ERIKSSON_LINES["TD3"]))

    async def outbox(*arguments: object) -> CompletedProcess[str]:
        return await asyncio.to_thread(borderpost, "outbox", *arguments)

    async with asyncio.timeout(PATIENCE_S):
        while len((await outbox("export", gateway.config)).stdout.splitlines()) < 3:
            await asyncio.sleep(0.1)
    exported = (await outbox("export", gateway.config)).stdout
    assert [json.loads(line)["seq"] for line in exported.splitlines()] == [1, 2, 3]
    assert "ERIKSSON" not in exported
    assert "lane-1/reader/traveller" in (await outbox("list", gateway.config)).stdout
    assert " 3 " in (await outbox("count", gateway.config)).stdout
    assert (await outbox("parked", gateway.config)).returncode == 0
    for command in (("purge", gateway.config, "--yes"), ("retry", gateway.config)):
        assert (await outbox(*command)).returncode == os.EX_TEMPFAIL, "the gateway runs"
    assert await gateway.stop() == 0
    assert "0 events will be sent again" in (await outbox("retry", gateway.config)).stdout
    assert (
        "3 events deleted" in (await outbox("purge", gateway.config, "--yes", "--class", "traveller")).stdout
    )
    assert (await outbox("export", gateway.config)).stdout == ""


async def test_missing_outbox_is_reported(gateway: GatewayFixture) -> None:
    gateway.describe("lane-1/reader", "mrz-serial", 'framing = "text"')
    ended = await asyncio.to_thread(borderpost, "outbox", "count", gateway.config)
    assert ended.returncode == os.EX_NOINPUT
    assert "has never run" in ended.stderr


async def test_run_starts_daemon_and_simulate_starts_post(gateway: GatewayFixture) -> None:
    """The two programs are connected only through the addresses of the devices."""
    gateway.describe("lane-1/reader", "mrz-serial", 'framing = "accessis"')
    post = gateway.folder / "devices.toml"
    post.write_text(
        '[[simulator]]\nname = "lane-1/reader"\nkind = "serial-mrz"\nframing = "accessis"\n'
        f'path = "{gateway.port("lane-1/reader")}"\nseed = 1\nevery_s = 0.2\n'
    )
    simulating = await asyncio.create_subprocess_exec(
        BORDERPOST, *("simulate", post, "--run-dir", gateway.folder / "run"), stdout=asyncio.subprocess.PIPE
    )
    running = await asyncio.create_subprocess_exec(
        BORDERPOST, *("run", gateway.config), stderr=asyncio.subprocess.DEVNULL
    )
    try:
        async with gateway.workstation("lane-1/reader") as workstation, asyncio.timeout(PATIENCE_S):
            async for received in workstation:
                assert received.is_simulated
                break
    finally:
        for process in (running, simulating):
            process.terminate()
        said, _ = await simulating.communicate()
        assert await running.wait() == 0
    assert simulating.returncode == 0
    assert b"document" in said


async def test_simulate_refuses_invalid_post(tmp_path: Path) -> None:
    post = tmp_path / "devices.toml"
    post.write_text('[[simulator]]\nname = "lane-1/reader"\nkind = "teapot"\n')
    ended = await asyncio.to_thread(borderpost, "simulate", post, "--run-dir", tmp_path / "run")
    assert ended.returncode == 78
    assert "teapot" in ended.stderr


@pytest.mark.parametrize("position", ["nope", "Lane 9/reader", "lane-1/", "lane-1/reader/x", "_/reader"])
@pytest.mark.parametrize(
    "command",
    ["accept", "barrier case", "certify", "check", "device", "record", "replug", "restart", "trace", "why"],
)
def test_wrong_position_is_told(position: str, command: str, tmp_path: Path) -> None:
    more = [str(tmp_path / "out.rec"), "--reveal", "why"] if command == "record" else []
    words = [*command.split(), str(ROOT / "config/demo.toml"), position, *more]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == os.EX_USAGE
    assert f"{position!r} is no position: write lane/device" in done.output


def test_socket_that_is_absent_has_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ApiUnavailable) as absent:
        ask(tmp_path / "none", "post")
    assert absent.value.text.endswith("console.sock: No such file or directory.")
