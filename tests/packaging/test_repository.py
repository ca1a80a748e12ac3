"""Files for contributors: workflow, templates, and every path that a page names."""

import configparser
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.cli_summaries import COMMANDS

ROOT = Path(__file__).parents[2]
GITHUB = ROOT / ".github"
WORKFLOW = GITHUB / "workflows/test.yaml"
SCHEMAS = {
    "workflows/*.yaml": ("vendor.github-workflows", "custom.github-workflows-require-timeout"),
    "dependabot.yml": ("vendor.dependabot",),
    "ISSUE_TEMPLATE/config.yml": ("vendor.github-issue-config",),
    "ISSUE_TEMPLATE/[!c]*.yaml": ("vendor.github-issue-forms",),
}
"""Schemas of check-jsonschema, by the files that they are for."""
PAGES = [
    *(ROOT / name for name in ("README.md", "CHANGELOG.md")),
    *(ROOT / name for name in ("drivers/COMPATIBILITY.md", "simulators/REALISM.md")),
    *(GITHUB / name for name in ("CONTRIBUTING.md", "SECURITY.md", "pull_request_template.md")),
    *(page for top in ("config", "drivers", "gateway", "simulators", "systemd", "tests")
      for page in sorted((ROOT / top).rglob("README.md")) if "node_modules" not in page.parts),
]  # fmt: skip


def checked(schema: str, *files: Path) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("check-jsonschema")
    return subprocess.run(
        [program, "--builtin-schema", schema, *files], check=False, capture_output=True, text=True
    )


@pytest.mark.parametrize("pattern", SCHEMAS)
def test_github_files_fit_schemas(pattern: str) -> None:
    files = sorted(GITHUB.glob(pattern))
    assert files
    for schema in SCHEMAS[pattern]:
        found = checked(schema, *files)
        assert found.returncode == 0, found.stdout + found.stderr


def test_no_github_file_is_unchecked() -> None:
    known = {file for pattern in SCHEMAS for file in GITHUB.glob(pattern)}
    assert {file for file in GITHUB.rglob("*.y*ml") if file not in known} == set()


def test_wrong_workflow_is_refused(tmp_path: Path) -> None:
    wrong = tmp_path / "test.yaml"
    shutil.copy(WORKFLOW, wrong)
    wrong.write_text(wrong.read_text().replace("runs-on:", "runs_on:"))
    assert checked("vendor.github-workflows", wrong).returncode == 1


def test_workflow_runs_ci() -> None:
    """Cover the systems and Pythons that the README promises; leave the choice of tests to .ci/run."""
    workflow: dict[str, Any] = yaml.safe_load(WORKFLOW.read_text())
    jobs = workflow["jobs"].values()

    assert workflow["permissions"] == {"contents": "read"}
    assert "ubuntu-24.04" in {job["runs-on"] for job in jobs}
    assert "debian:13" in {job["container"]["image"] for job in jobs if "container" in job}
    pythons = [job["strategy"]["matrix"]["python"] for job in jobs if "strategy" in job]
    assert {"3.11", "3.13"} <= {version for versions in pythons for version in versions}
    for job in jobs:
        assert "bash .ci/run" in [step.get("run", "").strip() for step in job["steps"]]
        for step in job["steps"]:
            uses = step.get("uses", "@")
            assert re.fullmatch(r"@|actions/[\w-]+@[0-9a-f]{40}", uses), f"{uses}: name the commit, not a tag"


def test_ci_runs_every_folder_with_thorough_tests() -> None:
    """Attacks are left out, which need a machine without other load."""
    found = re.search(r"make thorough TESTS=\"([^\"]+)\"", (ROOT / ".ci/run").read_text())
    assert found is not None
    run = {name for name in found[1].replace("\\", " ").split() if name.count("/") == 1}
    thorough = {
        f"tests/{file.relative_to(ROOT / 'tests').parts[0]}"
        for file in (ROOT / "tests").rglob("test_*.py")
        if "pytest.mark.thorough" in file.read_text()
    }
    assert run == thorough - {"tests/adversary"}


def links(text: str) -> Iterator[str]:
    """Yield the targets of a page's links to files, without those to other hosts."""
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if not re.match(r"[a-z]+:", target):
            yield target


def named(text: str, folders: set[str]) -> Iterator[str]:
    """Yield names in backticks that are a path below one of the folders, or a source file or page."""
    prose = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    for token in re.findall(r"`([\w.-]+(?:/[\w.-]+)*/?)`", prose):
        if ("/" in token and token.split("/")[0] in folders) or token.endswith((".py", ".md")):
            yield token


def anchors(page: Path) -> set[str]:
    """Return the anchors that headings get: lower case, without punctuation, hyphens for spaces."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_paths_of_page_exist(page: Path) -> None:
    text = page.read_text()
    broken = []
    for target in links(text):
        file, _, anchor = target.partition("#")
        aimed = page.parent / file if file else page
        if not aimed.exists() or (anchor and anchor not in anchors(aimed)):
            broken.append(target)
    tops = {each.name for top in {ROOT, page.parent} for each in top.iterdir() if each.is_dir()}
    made = {name for name in tops if name.startswith(".") and name not in (".ci", ".github")} | {
        "build",
        "dist",
    }
    for token in named(text, tops - made):
        below = "/" not in token and page.parent != ROOT and any(page.parent.rglob(token))
        places = [top / name for top in (page.parent, ROOT) for name in (token, f"{token}.py")]
        if not (below or any(place.exists() for place in places)):
            broken.append(token)
    assert broken == []


def test_missing_paths_are_found(tmp_path: Path) -> None:
    text = (
        "[a](gone.md) [b](https://example.org) `drivers/gone.py` `gone.py` `x/y`\n```\n`drivers/no.py`\n```\n"
    )
    assert list(links(text)) == ["gone.md"]
    assert list(named(text, {"drivers"})) == ["drivers/gone.py", "gone.py"]
    (tmp_path / "page.md").write_text("# A page, of `two` words\n")
    assert anchors(tmp_path / "page.md") == {"a-page-of-two-words"}


def test_editors_and_ruff_agree() -> None:
    settings = configparser.ConfigParser()
    settings.read_string("[top]\n" + (ROOT / ".editorconfig").read_text())
    ruff = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]
    assert settings["*.py"]["max_line_length"] == str(ruff["line-length"])
    assert settings["Makefile"]["indent_style"] == "tab"


@pytest.mark.parametrize("name", [".github/CONTRIBUTING.md", ".github/SECURITY.md"])
def test_readme_names_page(name: str) -> None:
    assert f"]({name})" in (ROOT / "README.md").read_text()


def test_readme_lists_every_command() -> None:
    table = (ROOT / "README.md").read_text().split("## Command line")[1].split("\n## ")[0]
    listed = {word for cell in re.findall(r"`([a-z -]+)`", table) for word in cell.split()[:1]}
    assert set(COMMANDS) - listed == set()


def test_map_of_gateway_has_every_part() -> None:
    text = (ROOT / "gateway/README.md").read_text().split("\nLayers,")[0]
    parts = {f"{each.name}/" if each.is_dir() else each.name for each in (ROOT / "gateway").iterdir()}
    unexplained = {"README.md", "__init__.py", "__pycache__/", "py.typed"}
    assert parts - unexplained - set(re.findall(r"`([\w.]+/?)`", text)) == set()
