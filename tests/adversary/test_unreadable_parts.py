"""Files of optional parts that the gateway cannot use: it starts without the part and reports it."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.brokers.mosquitto import Mosquitto
from support.gateway.gateways import GatewayFixture, gateway, until

from gateway.api.operations import UserRole
from gateway.config import ConfigError, load
from gateway.console.auth.users import set_password
from gateway.contract.topics import Position

__all__ = ["gateway"]

POST = """
[gateway]
site = "uto-test"
name = "gw-1"
profile = "test"
state_dir = "state"
[broker]
host = "127.0.0.1"
{part}
[device."lane-1/reader"]
driver = "mrz-serial"
port = "/dev/null"
framing = "text"
"""
PARTS = {
    "users_file": '[console]\nusers_file = "bad"\nlisten = "127.0.0.1:8440"',
    "cert_file": '[console]\ntls = { cert_file = "bad", key_file = "good" }',
    "key_file": '[console]\ntls = { cert_file = "good", key_file = "bad" }',
    "roles_file": '[commands]\nroles_file = "bad"',
}


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("damage", ["empty", "folder", "open to all"])
def test_bad_file_of_a_part_is_tolerated(tmp_path: Path, part: str, damage: str) -> None:
    (tmp_path / "good").write_text("x")
    (tmp_path / "good").chmod(0o600)
    bad = tmp_path / "bad"
    if damage == "folder":
        bad.mkdir()
    else:
        bad.write_text("" if damage == "empty" else "no TOML [")
        bad.chmod(0o666 if damage == "open to all" else 0o600)
    file = tmp_path / "post.toml"
    file.write_text(POST.format(part=PARTS[part]))

    with pytest.raises(ConfigError, match=part):
        load(file)
    post = load(file, to_run=True)
    assert [issue for issue in post.tolerated if part in issue.subject or issue.file.endswith("bad")]
    assert not post.roles.grant("lane-1", Position.parse("lane-1/reader")).is_known


@pytest.fixture
def mosquitto() -> Iterator[Mosquitto]:
    with Mosquitto() as broker:
        yield broker


async def test_gateway_runs_without_its_users_file(gateway: GatewayFixture) -> None:
    """A power cut emptied the file: devices work, and the gateway reports the file."""
    users = gateway.folder / "users.toml"
    users.touch(mode=0o600)
    gateway.extra = f'[console]\nusers_file = "{users}"\n'
    await gateway.wire("lane-1/reader")
    gateway.describe("lane-1/reader")
    async with gateway.workstation() as desk:
        await gateway.start()
        await until(lambda: desk.status("lane-1/reader").is_usable)

        def causes() -> list[str]:
            state = desk.gateways.get("gw-1")
            return [problem.cause for problem in state.report.problems] if state and state.report else []

        await until(lambda: "config_part_unusable" in causes())
    assert await gateway.stop() == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can write a file for another account")
def test_root_writes_users_for_the_service(tmp_path: Path) -> None:
    os.chown(tmp_path, 0, 65534)
    users = tmp_path / "users.toml"
    set_password(users, "amina", "a-long-password", UserRole.TECHNICIAN)
    assert (users.stat().st_gid, users.stat().st_mode & 0o777) == (65534, 0o640)
    users.chmod(0o600)
    os.chown(users, 0, 0)
    set_password(users, "amina", "another-password", UserRole.TECHNICIAN)
    assert (users.stat().st_gid, users.stat().st_mode & 0o777) == (65534, 0o640)
