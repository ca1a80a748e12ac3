"""Commands of technicians, who may open the console's socket and read no file of the gateway."""

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from gateway import state_dir as folders
from gateway.cli import app
from gateway.cli._lib import api_client

FINDING = {
    "code": "clock", "severity": "warning", "subject": "machine", "text": "The clock is not synchronized.",
    "action": "configure", "how": "timedatectl",
}  # fmt: skip


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[Path, str]]:
    """Requests to the socket; the post's file is readable for the service alone."""
    requests: list[tuple[Path, str]] = []

    def ask(folder: Path, path: str, **_: Any) -> Any:
        requests.append((folder, path))
        return [FINDING] if path.endswith(("doctor", "/why")) else []

    monkeypatch.setattr(api_client, "ask", ask)
    monkeypatch.setattr(folders.os, "access", lambda *_: False)
    (tmp_path / "post.toml").write_text("[gateway]\n")
    monkeypatch.setenv("BORDERPOST_CONFIG", str(tmp_path / "post.toml"))
    return requests


@pytest.mark.parametrize(
    ("command", "path"),
    [("doctor", "doctor"), ("why lane-1/reader", "devices/lane-1/reader/why"), ("audit show", "audit?")],
)
def test_command_uses_the_socket_alone(asked: list[tuple[Path, str]], command: str, path: str) -> None:
    result = CliRunner().invoke(app, command.split())
    assert [(folder, what.startswith(path)) for folder, what in asked] == [(folders.SERVICE_SOCKET_DIR, True)]
    assert "Traceback" not in result.output


def test_units_give_technicians_the_socket() -> None:
    socket = Path("systemd/borderpost.socket").read_text()
    assert "SocketGroup=borderpost-technicians\n" in socket
    accounts = Path("systemd/borderpost.sysusers").read_text().splitlines()
    assert "g borderpost-technicians -" in accounts
    assert not [line for line in accounts if line.startswith("m ")]
    for file in ("README.md", "OPERATIONS.md", "deb/gateway/postinst"):
        assert "adduser NAME borderpost\n" not in (Path("systemd") / file).read_text()
    for line in Path("systemd/60-borderpost.rules").read_text().splitlines():
        assert 'GROUP="borderpost-technicians"' not in line
