"""`borderpost driver new`: a package of each family, its names, and what it shows at once."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from support.vendors.installs import TOOLS, program, vendor_environment
from typer.testing import CliRunner

from drivers.packages.vocabulary_faults import vocabulary_faults
from gateway.cli import app
from gateway.cli._driver.template import EXTRAS, FAMILIES, OWN_LINK, TEXT_WORDS

EACH = (*FAMILIES, "acme")
INVENTED = "kivu-k20"


def new(*arguments: str | Path) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["driver", "new", *map(str, arguments)])
    return done.exit_code, done.output


@pytest.mark.parametrize("family", EACH)
def test_made_package_is_whole(family: str, tmp_path: Path) -> None:
    folder = tmp_path / "made"
    assert new(INVENTED, "--family", family, "--into", folder)[0] == 0
    files = {path.relative_to(folder): path.read_text() for path in folder.rglob("*") if path.is_file()}

    assert [str(path) for path, text in files.items() if TEXT_WORDS.search(f"{path} {text}")] == []
    assert {"README.md", ".gitignore", "SHEET.md"} <= {str(path) for path in files}
    for path, text in files.items():
        if path.suffix == ".py":
            compile(text, str(path), "exec")
            own = re.findall(r"^from (kivu_k20\S*)", text, re.MULTILINE)
            assert all(Path(f"{name.replace('.', '/')}.py") in files for name in own), path
    project = tomllib.loads(files[Path("pyproject.toml")])["project"]
    groups = {name.removeprefix("borderpost."): points for name, points in project["entry-points"].items()}
    assert groups.keys() == {"drivers", "simulators"} | ({"vocabularies"} if family == "acme" else set())
    for points in groups.values():
        for name, point in points.items():
            module, _, found = point.partition(":")
            assert name in (INVENTED, "acme")
            text = files[Path(f"{module.replace('.', '/')}.py")]
            assert re.search(rf"^(class )?{found}\b", text, re.MULTILINE)
    assert project["dependencies"] == [f"borderpost-gateway[{EXTRAS.get(family, 'post')}]>=0.1"]
    steps = yaml.safe_load(files[Path(".github/workflows/test.yaml")])["jobs"]["test"]["steps"]
    assert f"borderpost accept-driver {INVENTED}" in [step.get("run") for step in steps]
    for post in ("post.toml", "simulated.toml", "roles.toml"):
        tomllib.loads(files[Path(post)])


@pytest.mark.parametrize("name", [INVENTED, "x", "an-extraordinarily-long-name-of-a-device"])
@pytest.mark.parametrize("family", EACH)
def test_made_package_passes_its_linter(family: str, name: str, tmp_path: Path) -> None:
    """Its CI runs `ruff check` with the settings of its own."""
    assert new(name, "--family", family, "--into", tmp_path / "made")[0] == 0
    line = [Path(sys.executable).with_name("ruff"), "check", "--no-cache"]
    linted = subprocess.run(line, cwd=tmp_path / "made", capture_output=True, text=True, check=False)
    assert linted.returncode == 0, linted.stdout


TO_CHOOSE = sorted(set(EACH) - OWN_LINK.keys())


@pytest.mark.parametrize("family", TO_CHOOSE)
def test_package_over_tcp_says_nothing_of_serial_lines(family: str, tmp_path: Path) -> None:
    made = tmp_path / "made"
    assert new(INVENTED, "--family", family, "--link", "tcp", "--into", made)[0] == 0
    said = [
        f"{path.name}: {line}"
        for path in made.rglob("*")
        if path.is_file()
        for line in path.read_text().splitlines()
        if re.search(
            r"serial(?!.number)|by-id|\bpty\b|\bbaud\b|_path\b",
            re.sub(r"mrz_serial|serial\"", "", line),
            re.I,
        )
    ]
    assert said == []
    assert 'port = "tcp://' in (made / "post.toml").read_text()
    linted = subprocess.run(
        [Path(sys.executable).with_name("ruff"), "check", "--no-cache"],
        cwd=made, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert linted.returncode == 0, linted.stdout


@pytest.mark.parametrize("family", sorted(OWN_LINK))
def test_family_without_choice_of_link_says_so(family: str, tmp_path: Path) -> None:
    code, output = new(INVENTED, "--family", family, "--link", "tcp", "--into", tmp_path / "made")
    assert (code, f"made for {OWN_LINK[family]}: leave out --link" in output) == (os.EX_USAGE, True), output
    assert list(tmp_path.iterdir()) == []


def test_simulator_imports_nothing_of_driver(tmp_path: Path) -> None:
    for family in EACH:
        assert new(INVENTED, "--family", family, "--into", tmp_path / family)[0] == 0
        for path in (tmp_path / family / "kivu_k20").glob("simulat*.py"):
            assert (
                set(re.findall(r"^from (\w+)\.?(\w*)", path.read_text(), re.MULTILINE))
                & {
                    ("drivers", ""),
                    ("gateway", ""),
                    ("kivu_k20", "driver"),
                    ("kivu_k20", "exchange"),
                    ("kivu_k20", "frames"),
                }
                == set()
            )
            assert not re.search(r"^(from|import) (drivers|gateway)", path.read_text(), re.MULTILINE)


def test_own_vocabulary_has_no_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert new("rufiji-x1", "--family", "rufiji", "--into", tmp_path / "made")[0] == 0
    monkeypatch.syspath_prepend(tmp_path / "made")
    from rufiji_x1.vocabulary import VOCABULARY  # type: ignore[import-not-found]

    assert list(vocabulary_faults(VOCABULARY, "rufiji")) == []
    for name in [name for name in sys.modules if name.startswith("rufiji_x1")]:
        del sys.modules[name]


@pytest.mark.parametrize(
    ("name", "family", "said"),
    [
        ("Kivu", "camera", "is no name of a driver"),
        ("kivu_k20", "camera", "is no name of a driver"),
        ("../kivu", "camera", "is no name of a driver"),
        ("class", "camera", "is a word of Python"),
        ("gateway", "camera", "is the name of a package of this project"),
        ("json", "camera", "is the name of a module of Python"),
        ("mrz-serial", "camera", "is installed already"),
        ("kivu-k20", "Camera", "is no family"),
        ("kivu-k20", "document", "belongs to the gateway"),
        ("kivu-k20", "unknown", "belongs to the gateway"),
    ],
)
def test_unusable_names_are_refused(
    name: str, family: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, output = new(name, "--family", family)
    assert (code, said in output) == (os.EX_USAGE, True), output
    assert list(tmp_path.iterdir()) == []


def test_existing_folder_is_left_alone(tmp_path: Path) -> None:
    kept = tmp_path / "mine"
    kept.mkdir()
    (kept / "driver.py").write_text("mine")
    code, output = new(INVENTED, "--family", "camera", "--into", kept)
    assert (code, "name another folder" in output) == (os.EX_CANTCREAT, True), output
    assert [path.read_text() for path in kept.iterdir()] == ["mine"]


@pytest.mark.long(8)
def test_made_barrier_passes_its_own_tests(tmp_path: Path) -> None:
    """A barrier can hurt, so its tests run each time, against the drivers of this tree."""
    made = tmp_path / INVENTED
    assert new(INVENTED, "--family", "barrier", "--into", made)[0] == 0
    paths = {"PYTHONPATH": os.pathsep.join((str(made), str(Path(__file__).parents[2])))}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"]
    done = subprocess.run(
        command, cwd=made, env=os.environ | paths, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]


@pytest.mark.thorough
@pytest.mark.long(120)
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("family", "link"), [*((family, "serial") for family in EACH), ("acme", "tcp")])
def test_made_package_passes_at_once(family: str, link: str, tmp_path: Path) -> None:
    """Its own tests, strict types, and the acceptance of drivers, in an environment of its own."""
    made = tmp_path / INVENTED
    chosen = () if link == "serial" else ("--link", link)
    assert new(INVENTED, "--family", family, "--into", made, *chosen)[0] == 0
    extra = {"camera": "camera", "fingerprint_scanner": "fingerprint"}.get(family, "post")
    python = vendor_environment(tmp_path / "venv", ("simulators", extra), [made], TOOLS)

    for command in (("pytest", "-q"), ("mypy",), ("borderpost", "accept-driver", INVENTED, "--opens", "100")):
        done = program(python, *command, cwd=made)
        assert done.returncode == 0, (command, done.stdout[-4000:], done.stderr[-2000:])
    checked = program(python, "borderpost", "drivers", "--json", cwd=made)
    assert not [
        fault for fault in re.findall(r'"faults": \[[^\]]+\]', checked.stdout) if INVENTED in fault
    ], checked.stdout
