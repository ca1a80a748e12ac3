"""Link to a running demo, by which `borderpost` finds it without CONFIG."""

import contextlib
import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway.cli import app
from gateway.cli import demo as demo_command
from gateway.cli._demo.running_demo import find, link, published
from gateway.cli._lib import arguments as positions
from gateway.cli._lib.arguments import default_post_file
from gateway.cli._lib.interrupts import Interrupts
from gateway.testing.post import devices
from gateway.testing.post.brokers import free_port, loopback_broker
from gateway.testing.post.devices import SERVICES, write_resolved
from gateway.testing.post.errors import BrokerError, PostError


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
    write_resolved(original, copy, {"BORDERPOST_RUN": "/run/x", "BORDERPOST_PORT": "18"})
    assert copy.read_text() == 'a = "/run/x/state"\nb = "18"\nc = "${OTHER:-x}"\nroles = "roles.toml"\n'
    assert (folder / "run/roles.toml").read_text() == 'authority = "KE"'


def test_ports_of_devices_are_held(monkeypatch: pytest.MonkeyPatch) -> None:
    """Simulators load for seconds before they listen: another program could take the port."""
    taken: list[str] = []

    @contextlib.contextmanager
    def simulators(*_: object) -> Iterator[None]:
        for service in SERVICES:
            port = int(os.environ[f"BORDERPOST_{service}_PORT"])
            with contextlib.suppress(OSError), socket.socket() as other:
                other.bind(("127.0.0.1", port))
                taken.append(service)
            with socket.create_server(("127.0.0.1", port)):
                pass
        raise BrokerError("far enough")
        yield

    monkeypatch.setattr(demo_command, "simulated_devices", simulators)
    monkeypatch.setattr(os, "environ", dict(os.environ))
    with tempfile.TemporaryDirectory(dir="/tmp") as short, Interrupts() as interrupts:
        monkeypatch.setattr(tempfile, "tempdir", short)
        with pytest.raises(BrokerError, match="far enough"):
            demo_command._run(interrupts, 1, Path("post.toml"), Path("simulators.toml"), 0)
    assert taken == []


def test_long_folder_names_its_remedy(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long = folder / ("x" * 100)
    long.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    ended = CliRunner().invoke(app, ["demo"])
    assert ended.exit_code == os.EX_CANTCREAT
    assert "too long" in ended.output
    assert "TMPDIR" in ended.output


def test_devices_that_are_never_ready_are_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """The demo used to wait for the end of their program, which does not end."""
    monkeypatch.setattr(devices, "READY_S", 0.2)
    ready, waiting = os.pipe()
    try:
        with pytest.raises(PostError, match=r"not ready after 0\.2 s"):
            devices.wait_for_devices(ready)
    finally:
        os.close(ready)
        os.close(waiting)


def test_wanted_port(folder: Path) -> None:
    wanted = free_port()
    with loopback_broker(folder, wanted) as (_, first):
        assert first == wanted
        with loopback_broker(folder, wanted) as (_, second):
            assert second != wanted
