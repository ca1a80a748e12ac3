"""The command that installs an extra: for Debian packages, a clone, and an environment with a wheel."""

import json
import re
import sys
import tomllib
from pathlib import Path

import pytest

from drivers import installation
from drivers.installation import Installation, how_to_install, how_to_mend

TEXTS = {".py", ".md"}
ROOT = Path(__file__).parents[2]
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Create a virtual environment with two distributions; return its site-packages, first on the path."""
    site = tmp_path / "venv" / "site-packages"
    for name in ("borderpost_gateway", "kivu_drivers"):
        folder = site / f"{name}-0.1.0.dist-info"
        folder.mkdir(parents=True)
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.1.0\n")
    python = tmp_path / "venv" / "bin" / "python3"
    python.parent.mkdir()
    python.with_name("pip").touch()
    monkeypatch.setattr(sys, "executable", str(python))
    monkeypatch.syspath_prepend(site)
    return site


def origin(site: Path, **direct_url: object) -> None:
    (site / "borderpost_gateway-0.1.0.dist-info" / "direct_url.json").write_text(json.dumps(direct_url))


def test_clone(installed: Path, tmp_path: Path) -> None:
    clone = tmp_path / "my clone"
    clone.mkdir()
    origin(installed, url=clone.as_uri(), dir_info={"editable": True})
    pip = tmp_path / "venv/bin/pip"

    assert installation.installation() is Installation.CLONE
    assert how_to_install("http") == f"cd '{clone}' && {pip} install -e '.[http]'"
    assert how_to_mend("http") == f"cd '{clone}' && {pip} install -e '.[http]'; then restart the gateway"


def test_venv_inside_clone(installed: Path, tmp_path: Path) -> None:
    origin(installed, url=tmp_path.as_uri(), dir_info={"editable": True})

    assert how_to_install("http") == f"cd {tmp_path} && venv/bin/pip install -e '.[http]'"


def test_metadata_in_clone(installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process started in the clone finds setuptools' own metadata, which does not name its origin."""
    clone = tmp_path / "clone"
    (clone / "borderpost_gateway.egg-info").mkdir(parents=True)
    (clone / "borderpost_gateway.egg-info" / "PKG-INFO").write_text(
        "Name: borderpost-gateway\nVersion: 0.1.0\n"
    )
    (clone / "pyproject.toml").touch()
    monkeypatch.syspath_prepend(clone)

    assert installation.installation() is Installation.CLONE
    assert how_to_install("http").startswith(f"cd {clone} && ")


def test_wheel(installed: Path, tmp_path: Path) -> None:
    pip = tmp_path / "venv/bin/pip"
    wheel = tmp_path / "borderpost_gateway-0.1.0-py3-none-any.whl"
    wheel.touch()
    origin(installed, url=wheel.as_uri(), archive_info={})

    assert installation.installation() is Installation.ENVIRONMENT
    assert how_to_install("http") == f"{pip} install '{wheel}[http]'"


def test_missing_wheel(installed: Path, tmp_path: Path) -> None:
    """The command must name a file: a bare name would be looked up in a package index."""
    pip = tmp_path / "venv/bin/pip"
    for direct_url in ({"url": "file:///nowhere/old.whl", "archive_info": {}}, {}):
        origin(installed, **direct_url)
        file = "./borderpost_gateway-0.1.0-py3-none-any.whl"
        assert how_to_install("http") == f"{pip} install '{file}[http]'"
    assert how_to_install("cam", "kivu-drivers") == (
        f"{pip} install './kivu_drivers-0.1.0-py3-none-any.whl[cam]'"
    )


def test_uv_without_pip(installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "venv/bin/pip").unlink()
    monkeypatch.setattr(installation, "find_spec", lambda _: None)

    assert how_to_install("http").startswith(f"uv pip install --python {tmp_path}/venv/bin/python3 ")


@pytest.mark.parametrize("extra", [extra for extra in EXTRAS if extra != "dev"])
def test_packages(extra: str, installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Debian's packages include what they can; pip must not change their environment."""
    monkeypatch.setattr(sys, "prefix", "/opt/borderpost")
    how = how_to_mend(extra)

    assert installation.installation() is Installation.PACKAGES
    assert how.endswith("; then: sudo systemctl restart borderpost")
    assert "pip" not in how
    if extra in installation.WHEELS:
        assert f"the wheel of {installation.WHEELS[extra]}: " in how
        assert any(line.startswith(installation.WHEELS[extra]) for line in EXTRAS[extra])
    else:
        package = how.partition("./")[2].partition("_")[0]
        control = ROOT / "systemd" / "deb" / package.removeprefix("borderpost-") / "control"
        assert f"Package: {package}\n" in control.read_text()


def test_third_party_drivers_in_package(installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "prefix", "/opt/borderpost")

    assert how_to_install("cam", "kivu-drivers") == (
        "with each wheel that kivu-drivers[cam] requires: "
        "sudo python3 -m zipfile -e FILE.whl /usr/local/lib/borderpost"
    )


def test_texts_use_no_package_index() -> None:
    """No text makes pip look up a distribution of this project in an index, or run as root."""
    forbidden = re.compile(r"sudo [^ ]*pip|pip install ['\"]?borderpost-gateway")
    folders = (
        ROOT / name for name in (".github", "config", "drivers", "gateway", "simulators", "systemd", "tests")
    )
    files = [
        *ROOT.glob("*.md"),
        *(file for folder in folders for file in folder.rglob("*") if file.suffix in TEXTS),
    ]
    hits = [str(file) for file in files if file != Path(__file__) and forbidden.search(file.read_text())]
    assert len(files) > 1000
    assert hits == []
