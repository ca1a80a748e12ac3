"""`make` on a machine with missing packages: names them, and installs or stops."""

import io
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.process import system_packages

ROOT = Path(__file__).parents[2]
APT_GET = """#!/bin/sh
case "$*" in
    update*) echo UPDATES;;
    *--assume-no*) echo "Need to get 12.3 MB of archives."
        echo "After this operation, 45.6 MB of additional disk space will be used."; exit 1;;
    *) echo "INSTALLS $*";;
esac
"""
SUDO = """#!/bin/sh
[ "$1" = -n ] && {answer}
exec "$@"
"""
NAMED = "mosquitto mosquitto-clients faketime pcscd umockdev"


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Machine of an ordinary user with apt-get, without the commands that tests need."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("sh", "env"):
        (folder / name).symlink_to(shutil.which(name) or name)
    command(folder, "apt-get", APT_GET)
    command(folder, "apt-cache", "#!/bin/sh\nexit 100\n")
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr(system_packages, "FOLDERS", ())
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setattr("sys.stdin", io.StringIO())
    return folder


def command(folder: Path, name: str, script: str = "#!/bin/sh\n") -> None:
    (folder / name).write_text(script)
    (folder / name).chmod(0o755)


def test_packages_named_before_install(commands: Path, capfd: pytest.CaptureFixture[str]) -> None:
    command(commands, "sudo", SUDO.format(answer="exit 0"))
    assert system_packages.main() == os.EX_OK
    said = capfd.readouterr().out
    named, update, install = said.index(NAMED), said.index("UPDATES"), said.index("INSTALLS")
    assert named < update < install
    assert named < said.index("12.3 MB of archives") < install
    assert said.index("45.6 MB of additional disk space") < install
    assert NAMED in said[install:]


@pytest.mark.parametrize("sudo", [None, SUDO.format(answer="exit 1")], ids=["no sudo", "sudo refuses"])
def test_no_root_stops_before_install(
    commands: Path, sudo: str | None, capfd: pytest.CaptureFixture[str]
) -> None:
    if sudo is not None:
        command(commands, "sudo", sudo)
    assert system_packages.main() == os.EX_UNAVAILABLE
    said = capfd.readouterr().out
    assert f"sudo apt-get install -y --no-install-recommends {NAMED}" in said
    assert "12.3 MB of archives" in said
    assert "UPDATES" not in said
    assert "INSTALLS" not in said


def test_nothing_missing_says_nothing(commands: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for name in system_packages.COMMANDS.values():
        command(commands, name)
    assert system_packages.main() == os.EX_OK
    assert capfd.readouterr().out == ""


def test_vm_test_fails_without_qemu(tmp_path: Path) -> None:
    make = shutil.which("make")
    if make is None:
        pytest.skip("make is not installed")
    tried = subprocess.run(
        [make, "--no-print-directory", "-C", ROOT, "vm-test", f"PYTHON={sys.executable}"],
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert tried.returncode != 0
    assert "qemu-system-x86" in tried.stderr
    assert "sudo apt-get install" in tried.stderr
