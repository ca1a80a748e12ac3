"""Source archive and wheel, built without a network: their contents, and installations of the wheel.

The wheel is built from the unpacked source archive, as an installation from that archive does it.
"""

import re
import shutil
import signal
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import pytest
from support.patience import PATIENCE_S
from support.process.installs import environment, variables

ROOT = Path(__file__).parents[2]
PACKAGES = ("drivers", "gateway", "simulators")
MADE = (
    ".git", ".cache", ".fuzz", ".hypothesis", ".import_linter_cache", ".mypy_cache", ".oracles",
    ".pytest_cache", ".ruff_cache", ".venv*", ".coverage*", "__pycache__", "*.egg-info", "build", "dist",
    ".node", "node_modules", "generated",
)  # fmt: skip
"""Names of files that tools create in a working tree: see .gitignore."""
DESK = """
import asyncio, sys
from drivers.passport.observations import DocumentRead
from gateway.client import Workstation

async def counter():
    async with Workstation("127.0.0.1", int(sys.argv[1]), site="ke-busia", training=True) as desk:
        async for event in desk:
            match event.data:
                case DocumentRead(mrz=mrz) if mrz is not None:
                    return print(event.position, mrz.document_number)

asyncio.run(counter())
"""
"""Workstation that prints the number of the next document."""


@dataclass(frozen=True)
class Distribution:
    """A copy of the source tree, and both archives built from it."""

    source: Path
    sdist: Path
    wheel: Path
    said: str
    """Output of the build."""

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
    return Distribution(pristine, sdist, wheel, built.stdout + built.stderr)


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
def test_wheel_without_counter_page_says_so(distribution: Distribution) -> None:
    assert "This wheel has no counter page" in distribution.said


@pytest.mark.thorough
@pytest.mark.long(35)
def test_wheel_has_the_built_counter_page(distribution: Distribution, tmp_path: Path) -> None:
    """So has a wheel that is built from the source archive, without Node."""
    source = tmp_path / "source"
    shutil.copytree(distribution.source, source, symlinks=True)
    page = source / "gateway/counter/dist"
    page.mkdir()
    for name in ("index.html", "counter.js", ".built"):
        (page / name).write_text(name)
    built = subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", tmp_path / "dist", source],
        check=False,
        capture_output=True,
        text=True,
    )
    assert built.returncode == 0, built.stdout + built.stderr
    assert "no counter page" not in built.stdout + built.stderr
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        files = {name for name in archive.namelist() if name.startswith("gateway/counter/")}
    assert files == {
        f"gateway/counter/{name}" for name in ("__init__.py", "dist/index.html", "dist/counter.js")
    }


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
        if file.endswith(("/README.md", "/REFERENCE.md", "/COMPATIBILITY.md", "/REALISM.md"))
        or "/screenshots/" in file
        or "/compatibility/" in file
        or "/client/web/" in file  # a package of its own, for npm
        or re.match("gateway/counter/(?!__init__)", file)  # source of what `make counter` builds
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
def test_demo_and_workstation_from_wheel(distribution: Distribution, tmp_path: Path) -> None:
    """The demo has the libraries of its extra, the workstation those of the client; neither has the clone."""
    demo = environment(tmp_path / "demo", "demo", distribution.wheel)
    desk = environment(tmp_path / "desk", "", distribution.wheel)
    (site,) = (tmp_path / "demo").glob("lib/python*/site-packages")
    where = _printed(
        demo, "import drivers, gateway, simulators; print(drivers, gateway, simulators)", tmp_path, site
    )
    assert where.count(str(site)) == 3
    with subprocess.Popen(
        [demo.with_name("borderpost"), "demo", "--port", "0"],
        cwd=tmp_path,
        env=variables() | {"COLUMNS": "160", "BORDERPOST_DEMO_BROKER": "iotcore", "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            shown = [*_lines_until(process.stdout, r"iotcore, 127\.0\.0\.1:(\d+)")]
            port = re.search(r"127\.0\.0\.1:(\d+)", shown[-1])
            assert port is not None
            read = _printed(desk, DESK, tmp_path, port[1])
            shown += _lines_until(process.stdout, "simulated TD")
        finally:
            process.send_signal(signal.SIGINT)
            try:
                rest, _ = process.communicate(timeout=PATIENCE_S)
            finally:
                process.kill()  # nothing, once it has ended
    assert process.returncode == 0, "".join(shown) + rest
    assert "median latency" in rest
    assert re.fullmatch(r"lane-\d/reader [A-Z0-9<]+\n", read)


@pytest.mark.thorough
@pytest.mark.long(35)
def test_types_in_package_of_a_vendor(distribution: Distribution, tmp_path: Path) -> None:
    """Strict mypy passes without pydantic's plugin, and without ours.

    The lines of the package with `type: ignore` are mistakes: mypy reports each that it does not notice.
    """
    python = environment(tmp_path / "environment", "post", distribution.wheel)
    checked = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--cache-dir", tmp_path / "cache",
         "--python-executable", python, "-p", "acme_scale"],
        cwd=ROOT / "tests/packaging/typed_package", env=variables(), capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert checked.returncode == 0, checked.stdout + checked.stderr


def _printed(python: Path, code: str, folder: Path, *arguments: object) -> str:
    """Return what Python prints that runs the code in a folder with these arguments."""
    command = [str(each) for each in (python, "-c", code, *arguments)]
    ended = subprocess.run(
        command, cwd=folder, env=variables(), capture_output=True, text=True, check=False, timeout=PATIENCE_S
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def _lines_until(output: IO[str], pattern: str) -> Iterator[str]:
    """Yield the lines of a program up to the first that has the pattern."""
    for line in output:
        yield line
        if re.search(pattern, line):
            return
    pytest.fail(f"the program ended without a line of {pattern!r}")


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
