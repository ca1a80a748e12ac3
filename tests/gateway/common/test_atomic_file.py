"""Atomic files: through to the disk, whole or not at all."""

import errno
import os
import subprocess
from pathlib import Path

import pytest
from support.brokers.deployments import two_state_deployment
from support.process.power_cuts import Flushed, flushed
from typer.testing import CliRunner

from gateway.cli import app

__all__ = ["flushed"]

RUNNER = CliRunner()
POST = """
[gateway]
site = "ke-busia"
name = "gw-1"
profile = "test"
state_dir = "state"
[broker]
host = "127.0.0.1"
[device."lane-1/reader"]
driver = "mrz-serial"
framing = "text"
port = "usb:0DB5:0137"
"""


def borderpost(*arguments: str | Path) -> None:
    result = RUNNER.invoke(app, list(map(str, arguments)))
    assert result.exit_code == os.EX_OK, result.output


def trust(place: Path, *arguments: str | Path) -> None:
    borderpost("trust", *arguments, "-f", place / "new/authority", "-d", place / "trust.toml")


def test_trust_outlives_power_cut(tmp_path: Path, flushed: Flushed) -> None:
    two_state_deployment(tmp_path)
    before = set(tmp_path.iterdir())
    for order in ("init --no-passphrase", "renew", "revoke ke-lane-1"):
        trust(tmp_path, *order.split(), "--broker", tmp_path / "etc/mosquitto")
        assert set(flushed.lost(tmp_path)) == before, order


def test_udev_rules_outlive_power_cut(
    tmp_path: Path, flushed: Flushed, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "rules.d").mkdir()
    (tmp_path / "post.toml").write_text(POST)
    asked: list[list[str]] = []

    def run(command: list[str], **_: object) -> None:
        asked.append(command)
        assert not list(flushed.lost(tmp_path / "rules.d")), "flushed before they are applied"

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr("gateway.cli.udev.POST_RULES_FILE", tmp_path / "rules.d/61-post.rules")
    monkeypatch.setattr("gateway.cli.udev.LATE_RULES_FILE", tmp_path / "rules.d/95-post.rules")
    borderpost("udev", "--install", tmp_path / "post.toml")

    assert "borderpost/lane-1/reader" in (tmp_path / "rules.d/61-post.rules").read_text()
    assert (tmp_path / "rules.d/61-post.rules").stat().st_mode & 0o777 == 0o644
    assert [command[0] for command in asked] == ["udevadm", "udevadm"]


def test_full_disk_keeps_old_trust(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    two_state_deployment(tmp_path)
    trust(tmp_path, "init", "--no-passphrase")
    index = tmp_path / "new/authority/authority.json"
    before = index.read_bytes()

    def refuse(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", refuse)
    result = RUNNER.invoke(
        app, ["trust", "renew", "ke-lane-1", "-f", str(index.parent), "-d", str(tmp_path / "trust.toml")]
    )

    assert result.exit_code == os.EX_CANTCREAT, result.output
    assert index.read_bytes() == before
    assert not list(index.parent.glob(".*"))
