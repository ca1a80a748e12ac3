"""Source archive and wheel, built without a network: their contents, and the demo from an installed wheel.

The wheel is built from the unpacked source archive, as an installation from that archive does it.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import venv
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("drivers", "gateway", "simulators")
MADE = (
    ".git", ".cache", ".fuzz", ".hypothesis", ".import_linter_cache", ".mypy_cache", ".oracles",
    ".pytest_cache", ".ruff_cache", ".venv*", ".coverage*", "__pycache__", "*.egg-info", "build", "dist",
)  # fmt: skip
"""Names of files that tools create in a working tree: see .gitignore."""
DEMO_S = (5, 30)
"""Duration of the demo after every device is online, and of another try on a busy machine, in seconds."""


@dataclass(frozen=True)
class Distribution:
    """A copy of the source tree, and both archives built from it."""

    source: Path
    sdist: Path
    wheel: Path

    def files(self, *folders: str) -> set[str]:
        """Return the files of the source tree, or of some of its folders, relative to its top."""
        tops = [self.source / folder for folder in folders] or [self.source]
        return {
            str(file.relative_to(self.source)) for top in tops for file in top.rglob("*") if file.is_file()
        }


@pytest.fixture(scope="module")
def distribution(tmp_path_factory: pytest.TempPathFactory) -> Distribution:
    """Build in a copy: setuptools writes into the tree that it builds from."""
    folder = tmp_path_factory.mktemp("distribution")
    source = folder / "source"
    shutil.copytree(ROOT, source, symlinks=True, ignore=shutil.ignore_patterns(*MADE))
    pristine = folder / "pristine"
    shutil.copytree(source, pristine, symlinks=True)
    built = subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", folder / "dist", source],
        check=False,
        capture_output=True,
        text=True,
    )
    assert built.returncode == 0, built.stdout + built.stderr
    (sdist,) = (folder / "dist").glob("*.tar.gz")
    (wheel,) = (folder / "dist").glob("*.whl")
    return Distribution(pristine, sdist, wheel)


@pytest.mark.thorough
@pytest.mark.long(35)
def test_sdist_is_complete(distribution: Distribution) -> None:
    """Every file under version control, the tests included."""
    with tarfile.open(distribution.sdist) as archive:
        members = archive.getmembers()
    top = distribution.sdist.name.removesuffix(".tar.gz")
    packed = {member.name.removeprefix(f"{top}/") for member in members if not member.isdir()}

    assert sorted(distribution.files() - packed) == []
    made = {name for name in packed if ".egg-info/" in name} | {"PKG-INFO", "setup.cfg"}
    assert sorted(packed - distribution.files() - made) == []
    assert [member.name for member in members if member.islnk() or member.name.startswith("/")] == []


@pytest.mark.thorough
@pytest.mark.long(35)
def test_wheel_is_complete(distribution: Distribution) -> None:
    with zipfile.ZipFile(distribution.wheel) as archive:
        packed = set(archive.namelist())
        metadata = next(name for name in packed if name.endswith("/METADATA"))
        described = archive.read(metadata).decode()
        demo = archive.read("gateway/cli/demo_files/demo.toml")
    in_repository = {
        file
        for file in distribution.files(*PACKAGES)
        if file.endswith(("/README.md", "/COMPATIBILITY.md"))
        or "/screenshots/" in file
        or "/compatibility/" in file
    }

    assert sorted(distribution.files(*PACKAGES) - in_repository - packed) == []
    assert sorted(in_repository & packed) == []
    info = metadata.removesuffix("METADATA")
    assert f"{info}licenses/LICENSE" in packed
    assert {name for name in packed if not name.startswith(PACKAGES)} == {
        f"{info}{name}"
        for name in ("METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE", "top_level.txt")
    }
    assert {f"{package}/py.typed" for package in PACKAGES} <= packed
    assert (ROOT / "README.md").read_text().splitlines()[0] in described
    assert demo == (ROOT / "config/demo.toml").read_bytes()


@pytest.mark.thorough
@pytest.mark.long(35)
@pytest.mark.timeout(600)
def test_demo_from_wheel(distribution: Distribution, tmp_path: Path) -> None:
    """The libraries come from the environment of the tests, the gateway from the wheel alone."""
    environment = tmp_path / "environment"
    venv.create(environment, symlinks=True)
    python = environment / "bin/python"
    subprocess.run(
        [Path(sys.executable).with_name("uv"), "--quiet", "pip", "install", "--offline", "--no-deps",
         "--python", python, distribution.wheel],
        check=True,
    )  # fmt: skip
    (site,) = environment.glob("lib/python*/site-packages")
    (site / "libraries.pth").write_text(f"{sysconfig.get_path('purelib')}\n{sysconfig.get_path('platlib')}\n")
    variables = {name: text for name, text in os.environ.items() if not name.startswith(("PYTHON", "COV_"))}
    variables |= {"COLUMNS": "160", "BORDERPOST_DEMO_BROKER": "iotcore"}

    where = subprocess.run(
        [python, "-c", "import drivers, gateway, simulators; print(drivers, gateway, simulators)"],
        cwd=tmp_path, env=variables, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert where.stdout.count(str(site)) == 3
    for duration_s in DEMO_S:
        shown = subprocess.run(
            [environment / "bin/borderpost", "demo", "--duration", str(duration_s)],
            cwd=tmp_path, env=variables, capture_output=True, text=True, check=False, timeout=200,
        )  # fmt: skip
        if shown.returncode == 0:
            break

    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert "iotcore" in shown.stdout
    assert shown.stdout.count("simulated TD") >= 3
    assert "median latency" in shown.stdout


def test_exact_pins_have_reasons() -> None:
    """An exact pin has its reason in a comment on its line or directly above."""
    lines = (ROOT / "pyproject.toml").read_text().splitlines()
    pinned = [
        number for number, line in enumerate(lines) if "==" in line.split(";")[0] and "#" not in line[:2]
    ]

    assert len(pinned) >= 6
    silent = [
        lines[number]
        for number in pinned
        if "#" not in lines[number] and not lines[number - 1].lstrip().startswith("#")
    ]
    assert silent == []


def test_project_metadata() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    assert project["keywords"]
    assert {"Typing :: Typed", "Operating System :: POSIX :: Linux"} <= set(project["classifiers"])
    assert not any(each.startswith("License ::") for each in project["classifiers"]), (
        "PEP 639: `license` says it"
    )
    assert project["maintainers"]
