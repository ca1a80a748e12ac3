"""Installations of a post, and with each extra alone: each command runs or names what is missing."""

import json
import os
import re
import shlex
import subprocess
import typing
from pathlib import Path

import pytest
import typer
from support.gateway.gateways import GatewayFixture, until
from support.process.installs import EXTRAS, ROOT, environment

from drivers.driver import StateCode
from drivers.links.link import Action, Cause
from gateway.cli import COMMANDS, app
from gateway.client import Workstation

LACKING = {
    "desko": ("http", 'driver = "desko"\nurl = "http://127.0.0.1:1"'),
    "bridge": ("http", 'driver = "document-bridge"\nurl = "http://127.0.0.1:2"'),
    "osdp": ("osdp", 'driver = "osdp"\nport = "/dev/ttyS0"\nsecurity = "clear"'),
    "gpio": (
        "gpio",
        """driver = "gpio-barrier"
no_emergency_input = true
doors = [{open = 0, open_limit = {input = 0, contact = "no"}, closed_limit = {input = 1, contact = "no"}}]
board.model = "gpio"
board.chip = "/dev/gpiochip0"
board.outputs = [17]
board.inputs = [5, 6]
board.bias = "pull-up"
board.released_on_kill = true""",
    ),
    "finger": ("fingerprint", 'driver = "uru4000"\nport = "usb:05ba:000a"'),
}
"""Devices of a post: the extra that each needs, and its table."""
PROBE = ROOT / "tests" / "support" / "process" / "command_probe.py"
RECORDINGS = ROOT / "tests" / "recordings"
PLAYED = {
    "passport/text": "",
    "passport/wedge": "",
    "passport/hid-pos": "",
    "fingerprint/zfm": "fingerprint",
    "camera/hikvision": "camera",
    "access/osdp": "osdp",
}
"""Recordings, and the extra without which they cannot be replayed."""
SIMULATED = {"osdp-reader": "osdp", "uru4000": "simulators"}
POST = """
[gateway]
site = "uto-test"
name = "gw-1"
profile = "test"
state_dir = "state"
[broker]
host = "127.0.0.1"
[console]
users_file = "users.toml"
"""
CHECK = ["config", "check", "config/example.toml"]
EXAMPLE = {"camera", "chip", "fingerprint", "gpio", "http", "osdp", "uvc", "wedge"}
"""Extras of the devices of config/example.toml."""
QUICK = {"camera", "console"}
"""Extras whose installations are tried daily: one of devices, and one of a service."""
IMPLIED = {"camera": {"http"}, "demo": {"http"}, "fingerprint": {"http"}}
"""Extras whose libraries include those of other extras."""
NAMED = {"demo": {"camera", "fingerprint", "http"}}
"""What an installation of a post names instead of an extra that serves several families."""


pytestmark = pytest.mark.timeout(1200)
"""Their process computes all the time: 8 s alone, and many times that on a busy machine."""


def helps() -> list[list[str]]:
    """Return every command line that prints help."""
    group = typing.cast("typer.core.TyperGroup", typer.main.get_command(app))
    lines = [["--help"], ["--version"], *([name, "--help"] for name in COMMANDS)]
    for name in COMMANDS:
        inner = group.get_command(None, name)
        lines += [[name, verb, "--help"] for verb in getattr(inner, "commands", ())]
    return lines


def work(folder: Path) -> list[tuple[list[str], str]]:
    """Return command lines that need neither device nor broker, each with the extra that it needs."""
    (folder / "post.toml").write_text(POST)
    passwd = ["console", "passwd", "amina", "--remove", "--config", str(folder / "post.toml")]
    lines = [
        (["config", "check", "config/demo.toml"], "demo"),
        (["udev", "config/example.toml"], ""),
        (["udev", "--drivers"], ""),
        (["contract", str(folder / "contract")], ""),
        (passwd, "console"),
    ]
    for kind, extra in SIMULATED.items():
        post = folder / f"{kind}.toml"
        post.write_text(f'[[simulator]]\nkind = "{kind}"\nname = "one"\n')
        lines.append((["simulate", str(post), "--run-dir", str(folder)], extra))
    for name, extra in PLAYED.items():
        recording, out = RECORDINGS / f"{name}.rec", folder / Path(name).name
        lines.append((["replay", str(recording), "--pause", "0.2"], extra))
        lines.append((["anonymize", str(recording), f"{out}.rec"], "" if extra == "osdp" else extra))
        lines.append((["pcapng", str(recording), f"{out}.pcapng"], ""))
    return lines


def ended(python: Path, lines: list[list[str]]) -> list[tuple[int, str]]:
    """Run command lines in an environment: the exit code of each, and its output."""
    variables = {"RUN": "/nowhere", "MQTT_PORT": "1883", "CONSOLE_PORT": "8443"}
    done = subprocess.run(
        [python, "-P", PROBE],
        input=json.dumps(lines),
        cwd=ROOT,
        env={**os.environ, **{f"BORDERPOST_{name}": value for name, value in variables.items()}},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [(each["code"], each["said"]) for each in json.loads(done.stdout)]


def asked_for(said: str, python: Path) -> set[str]:
    """Return the extras that the output says to install, by commands that can be pasted."""
    install = re.escape(f"cd {shlex.quote(str(ROOT))} && uv pip install --python {python} -e ")
    return set(re.findall(rf"^    {install}'\.\[([a-z0-9]+)\]'$", said, re.MULTILINE))


@pytest.mark.long(8)
def test_post_runs_each_command(tmp_path: Path) -> None:
    """A command that needs another extra than `post` names it, and the command that installs it."""
    python = environment(tmp_path / "venv", "post")
    lines = [*((line, "") for line in helps()), *work(tmp_path)]
    (checked, *others) = ended(python, [CHECK, *(line for line, _ in lines)])
    assert checked[0] == os.EX_UNAVAILABLE, checked[1]
    assert asked_for(checked[1], python) == EXAMPLE, checked[1]
    for (line, extra), (code, said) in zip(lines, others, strict=True):
        assert "Traceback" not in said, (line, said)
        assert code == (os.EX_UNAVAILABLE if extra else 0), (line, said)
        assert asked_for(said, python) == NAMED.get(extra, {extra} - {""}), (line, said)


@pytest.mark.long(4)
@pytest.mark.parametrize(
    "extra",
    [
        pytest.param(extra, marks=() if extra in QUICK else pytest.mark.thorough)
        for extra in EXTRAS
        if extra != "post"
    ],
)
def test_each_extra_alone(extra: str, tmp_path: Path) -> None:
    """The helps import every command; the check of the example every driver."""
    python = environment(tmp_path / "venv", extra)
    lines = [
        *([name, "--help"] for name in COMMANDS),
        *(line for line, needed in work(tmp_path) if needed == extra),
    ]
    (checked, *others) = ended(python, [CHECK, *lines])
    assert "Traceback" not in checked[1], checked[1]
    assert asked_for(checked[1], python) == EXAMPLE - {extra} - IMPLIED.get(extra, set())
    for line, (code, said) in zip(lines, others, strict=True):
        assert "Traceback" not in said, (line, said)
        assert code != os.EX_UNAVAILABLE, (line, said)


async def test_devices_lack_extras(gateway: GatewayFixture) -> None:
    """The reader works; the fault of each other device names the command that installs its extra."""
    wire = await gateway.wire("lane-1/reader")
    gateway.describe("lane-1/reader", "mrz-serial", 'framing = "text"')
    for name, (_, table) in LACKING.items():
        gateway.devices[f"{name}/device"] = f'[device."{name}/device"]\n{table}\n'
    gateway.write()
    gateway.python = environment(gateway.folder / "venv", "post")
    await gateway.start()
    async with gateway.workstation("lane-1/reader", *(f"{name}/device" for name in LACKING)) as desk:
        await until(lambda: desk.status("lane-1/reader").is_usable)
        await wire.wait_for_host()
        for name, (extra, _) in LACKING.items():
            await until(lambda name=name: _state(desk, name) is StateCode.FAULT)
            state = desk.status(f"{name}/device").state
            assert state is not None
            assert (state.cause, state.action) == (Cause.DRIVER_ERROR, Action.CONFIGURE), state
            assert state.how.endswith(f"-e '.[{extra}]'; then restart the gateway"), state
    assert await gateway.stop() == 0


def _state(desk: Workstation, name: str) -> StateCode | None:
    state = desk.status(f"{name}/device").state
    return None if state is None else state.state
