"""The technician's commands on a terminal: output and exit codes."""

import asyncio
import json
import os
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from support.console.consoles import PASSWORD, console_of, empty_outbox
from support.console.fake_daemon import FakeDaemon
from support.gateway.staged_hosts import StagedHost
from typer.testing import CliRunner

from gateway.api.operations import RpcError, UserRole
from gateway.audit.hash_chain import AUDIT_FILE
from gateway.cli import app
from gateway.console.auth.users import read
from gateway.console.web.server import serve
from gateway.diagnostics.usb_port import UsbPort

Borderpost = Callable[..., Coroutine[Any, Any, Result]]
READER = "lane-1/reader"


@pytest.fixture
def daemon() -> FakeDaemon:
    return FakeDaemon()


@pytest.fixture
def post(tmp_path: Path) -> Path:
    (tmp_path / "state").mkdir()
    empty_outbox(tmp_path / "state")
    file = tmp_path / "post.toml"
    file.write_text('[gateway]\nstate_dir = "state"\n[device."lane-1/reader"]\n[device."lane-2/reader"]\n')
    return file


@pytest.fixture
async def borderpost(post: Path, daemon: FakeDaemon) -> AsyncIterator[Borderpost]:
    """Command line beside a console on its socket."""
    folder = post.parent / "state"
    ended = asyncio.Event()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(folder / "console.sock"))
        serving = asyncio.create_task(
            serve(console_of(daemon, folder), listening, None, None, idle_s=60, until=ended.wait())
        )

        async def run(*arguments: object, **more: Any) -> Result:
            words = [str(word) for word in arguments]
            environment = {"BORDERPOST_CONFIG": str(post), "COLUMNS": "80"}
            return await asyncio.to_thread(CliRunner().invoke, app, words, env=environment, **more)

        yield run
        ended.set()
        await serving


async def test_devices_shows_line_and_remedy(borderpost: Borderpost, post: Path) -> None:
    shown = await borderpost("devices", post)
    assert shown.exit_code == 1
    first, second, why, remedy = shown.stdout.splitlines()
    assert first.startswith(f"● {READER} online")
    assert "A0012345 fw 2.14 read" in first
    assert "claimed by lane-2" in second
    assert why.strip() == "ModemManager (pid 712) holds the port. [port_held]"
    assert remedy.strip() == "restart: sudo systemctl mask --now ModemManager"
    assert max(map(len, shown.stdout.splitlines())) <= 80
    plain = json.loads((await borderpost("devices", post, "--json")).stdout)
    assert [device["state"]["state"] for device in plain] == ["online", "offline"]


async def test_device_shows_all_facts(borderpost: Borderpost, post: Path) -> None:
    shown = await borderpost("device", READER, "--events")
    assert shown.exit_code == 0, shown.output
    for fact in (
        "serial number: A0012345",
        "driver: mrz-serial",
        "1200 good, 7 bad (0.6 % bad)",
        "document.read",
    ):
        assert fact in shown.stdout
    assert (await borderpost("device", post, READER)).stdout == (await borderpost("device", READER)).stdout
    unknown = await borderpost("device", "lane-9/reader")
    assert unknown.exit_code == os.EX_USAGE
    assert "There is no lane-9/reader" in unknown.stderr
    assert (await borderpost("device", "lane-2/reader")).exit_code == 1


async def test_replug_is_recorded_before_it_happens(
    borderpost: Borderpost, post: Path, daemon: FakeDaemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    post.write_text(
        '[gateway]\nsite = "uto-test"\nname = "gw-1"\nprofile = "test"\nstate_dir = "state"\n'
        '[broker]\nhost = "127.0.0.1"\n[device."lane-1/reader"]\ndriver = "mrz-serial"\n'
        'port = "usb:0DB5:0137"\nframing = "rte"\n'
    )
    host = StagedHost(tmp_path / "host")
    host.plug("1-2", "0db5:0137", 4, product="OCR315e")
    switch = host.write("sys/bus/usb/devices/1-0:1.0/usb1-port2/disable", "untouched")
    monkeypatch.setattr("gateway.cli.replug.HostView", lambda: host.host_view)
    monkeypatch.setattr(UsbPort.cycle, "__defaults__", (0.0, 1.0))
    daemon.refuses = RpcError("conflict", "The disk is full.", "Free it.")
    assert (await borderpost("replug", READER)).exit_code == os.EX_TEMPFAIL
    assert switch.read_text() == "untouched\n"
    daemon.refuses = None
    done = await borderpost("replug", READER, "--reason", "no answer")
    assert done.exit_code == 0, done.output
    assert "OCR315e at 1-2 is back" in done.stdout
    assert switch.read_text() == "0"
    position, operation, _ = daemon.operations[-1]
    assert (position, operation.operation, operation.reason) == (READER, "replug", "no answer")


async def test_operations_are_confirmed(borderpost: Borderpost, daemon: FakeDaemon) -> None:
    for words, said in (
        (("restart", READER), "is restarting"),
        (("maintenance", READER, "on", "--minutes", 5, "--reason", "cleaning"), "for at most 5 min"),
        (("maintenance", READER, "off"), "maintenance ended"),
        (("accept", READER, "B7"), "B7 is accepted at this position"),
        (("counters", READER, "--reset"), "counters reset"),
        (("claims", "revoke", READER, "--reason", "workstation is dead"), "the claim is revoked"),
    ):
        ended = await borderpost(*words)
        assert (ended.exit_code, said in ended.stdout) == (0, True), ended.output
    assert [operation.operation for _, operation, _ in daemon.operations] == [
        "restart", "maintenance", "maintenance", "accept", "reset_counters", "revoke_claim",
    ]  # fmt: skip
    assert daemon.operations[1][1].reason == "cleaning"
    counted = await borderpost("counters")
    assert f"{READER} A0012345" in counted.stdout
    assert "900 chips read, 1.07 attempts and 3.1 s each" in counted.stdout
    daemon.refuses = RpcError("conflict", "B7 is not there.", "Plug it in.")
    refused = await borderpost("accept", READER, "B7")
    assert refused.exit_code == os.EX_TEMPFAIL
    assert refused.stderr == "B7 is not there.\n    Plug it in.\n"


async def test_check_shows_steps(borderpost: Borderpost, daemon: FakeDaemon) -> None:
    tried = await borderpost("check", READER, "--level", "interactive")
    assert tried.exit_code == 0
    assert "link.answers: 12 It answered." in tried.stdout
    assert "present the specimen" in tried.stderr
    assert daemon.checks[0][1] == "interactive"


async def test_trace_shows_bytes_only_with_reason(borderpost: Borderpost, daemon: FakeDaemon) -> None:
    plain = await borderpost("trace", READER)
    assert plain.stdout.split() == ["1.250", "<", "3", "MRZ", "frame"]
    daemon.traces_go_on = True
    revealed = await borderpost("trace", READER, "--reveal", "vendor asks", "--duration", 0.3)
    assert (revealed.exit_code, "1c 02 50" in revealed.stdout) == (0, True), revealed.output
    assert daemon.traces[1][2].reason == "vendor asks"


async def test_audit_shows_newest_last(borderpost: Borderpost, post: Path) -> None:
    line = '{"at":"2026-11-28T08:15:30Z","position":"lane-1/gate","type":"%s","data":{"holder":"lane-1"}}\n'
    (post.parent / "state" / AUDIT_FILE).write_text(line % "claim.changed" + line % "command.ended")
    shown = (await borderpost("audit")).stdout.splitlines()
    assert [words.split()[-2:] for words in shown] == [
        ["claim.changed", "holder=lane-1"],
        ["command.ended", "holder=lane-1"],
    ]


def run(*arguments: object, **more: Any) -> Result:
    return CliRunner().invoke(app, [str(word) for word in arguments], **more)


def test_missing_gateway_is_reported_with_remedy(post: Path) -> None:
    for words in (("device", post, READER), ("trace", post, READER), ("audit", post)):
        ended = run(*words)
        assert ended.exit_code == os.EX_UNAVAILABLE
        assert "No response from a gateway" in ended.stderr
        assert "systemctl status" in ended.stderr


async def test_failed_console_is_told_from_stopped_gateway(post: Path) -> None:
    at = post.parent / "state" / "console.sock"
    turned_away = await asyncio.start_unix_server(lambda _, writer: writer.close(), at)
    async with turned_away:
        ended = await asyncio.to_thread(run, "device", post, READER)
    assert ended.exit_code == os.EX_UNAVAILABLE
    assert "its console does not respond" in ended.stderr


def test_passwd_adds_and_removes_user(tmp_path: Path) -> None:
    file = tmp_path / "post.toml"
    file.write_text(
        '[gateway]\nsite = "uto-test"\nname = "gw-1"\nprofile = "test"\nstate_dir = "state"\n'
        '[broker]\nhost = "127.0.0.1"\n[console]\nusers_file = "users.toml"\n'
        '[device."lane-1/reader"]\ndriver = "mrz-serial"\nport = "/dev/null"\nframing = "text"\n'
    )
    typed = {"input": f"{PASSWORD}\n{PASSWORD}\n"}

    def passwd(*words: str, **more: Any) -> Result:
        return run("console", "passwd", "amina", *words, "--config", file, **more)

    assert passwd(**typed).exit_code == os.EX_USAGE, "which role?"
    assert passwd("--role", "technician", input="short\nshort\n").exit_code == os.EX_DATAERR
    done = passwd("--role", "technician", **typed)
    assert done.exit_code == 0, done.output
    assert PASSWORD not in done.output
    assert read(tmp_path / "users.toml")["amina"].role is UserRole.TECHNICIAN
    assert passwd(**typed).exit_code == 0
    assert passwd("--remove").exit_code == 0
    assert passwd("--remove").exit_code == os.EX_NOUSER


def test_shell_completes_commands_and_positions(post: Path) -> None:
    def completed(*words: str) -> list[str]:
        typed = " ".join(("borderpost", *words))
        environment = {
            "_BORDERPOST_COMPLETE": "complete_bash",
            "COMP_WORDS": typed,
            "COMP_CWORD": str(len(words)),
            "BORDERPOST_CONFIG": str(post),
        }
        return run(env=environment, prog_name="borderpost").stdout.splitlines()

    assert "maintenance" in completed("ma")
    assert completed("check", "lane-1") == [READER]
    assert completed("check", str(post), "lane-2") == ["lane-2/reader"]
