"""Link to a running demo, by which `borderpost` finds it without CONFIG."""

import os
import tempfile
from pathlib import Path

import pytest

from gateway.cli import demo as demo_command
from gateway.cli._demo.brokers import free_port, loopback_broker
from gateway.cli._demo.running_demo import find, link, published
from gateway.cli._lib import arguments as positions
from gateway.cli._lib.arguments import default_post_file


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.delenv("BORDERPOST_CONFIG", raising=False)
    monkeypatch.setattr(positions, "DEFAULT_CONFIG", tmp_path / "installed.toml")
    return tmp_path


@pytest.fixture
def config(folder: Path) -> Path:
    file = folder / "post.toml"
    file.write_text("")
    return file


def test_found_while_it_runs(config: Path) -> None:
    assert find() is None
    with published(config) as mine:
        assert mine
        assert find() == default_post_file() == config
    assert find() is None
    assert not link().is_symlink()


def test_second_demo(config: Path) -> None:
    with published(config) as first, published(config.with_name("other.toml")) as second:
        assert (first, second) == (True, False)
        assert find() == config


def test_killed_demo(config: Path) -> None:
    """The link of a killed demo remains; the next demo replaces it."""
    link().symlink_to(config)
    assert find() is None
    with published(config) as mine:
        assert mine
        assert find() == config


def test_link_of_another(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = link()
    with published(config):
        monkeypatch.setattr(os, "geteuid", lambda: 4242)
        monkeypatch.setattr("gateway.cli._demo.running_demo.link", lambda: path)
        assert find() is None


def test_installed_post_first(config: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with published(config):
        (folder / "installed.toml").write_text("")
        assert default_post_file() == folder / "installed.toml"
        monkeypatch.setenv("BORDERPOST_CONFIG", "/named.toml")
        assert default_post_file() == Path("/named.toml")


def test_resolved_copy(folder: Path) -> None:
    """The demo's variables are filled in, others remain; relative files are linked beside the copy."""
    (folder / "post").mkdir()
    (folder / "post/roles.toml").write_text('authority = "KE"')
    original = folder / "post/demo.toml"
    original.write_text(
        'a = "${BORDERPOST_RUN}/state"\nb = "${BORDERPOST_PORT:-1883}"\n'
        'c = "${OTHER:-x}"\nroles = "roles.toml"\n'
    )
    (folder / "run").mkdir()
    copy = folder / "run/post.toml"
    demo_command._write_resolved(original, copy, {"BORDERPOST_RUN": "/run/x", "BORDERPOST_PORT": "18"})
    assert copy.read_text() == 'a = "/run/x/state"\nb = "18"\nc = "${OTHER:-x}"\nroles = "roles.toml"\n'
    assert (folder / "run/roles.toml").read_text() == 'authority = "KE"'


def test_wanted_port(folder: Path) -> None:
    wanted = free_port()
    with loopback_broker(folder, wanted) as (_, first):
        assert first == wanted
        with loopback_broker(folder, wanted) as (_, second):
            assert second != wanted
