"""TypeScript client as a package: unit tests, types for a strict consumer, and what is packed for npm."""

import json
import os
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest
from support.clients.web_desks import NODE, WEB, require_built

CONSUMER = """
import { COMMANDS, CommandRejected, StationKey, Workstation, type DocumentRead } from 'borderpost-client'

async function counter(): Promise<DocumentRead | undefined> {
  const workstation = await Workstation.start('wss://broker.example:8884', {
    site: 'ke-busia',
    positions: ['lane-1/reader'],
    signingKey: await StationKey.kept('lane-1'),
  })
  try {
    const { result } = await workstation.command('lane-1/barrier', COMMANDS.barrierOpen)
    const arrived: number = result.duration_s
    // @ts-expect-error a barrier has no such argument
    await workstation.command('lane-1/barrier', COMMANDS.barrierOpen, { colour: arrived })
  } catch (error) {
    if (error instanceof CommandRejected) console.log(error.reason, error.how)
  }
  for await (const event of workstation) {
    if (event.is('document.read')) return event.data
    // @ts-expect-error data of an unknown type have no fields
    event.data.mrz
  }
  return undefined
}
void counter()
"""
SETTINGS = {"strict": True, "noEmit": True, "target": "es2022", "module": "nodenext", "types": []}
LIBRARIES = ["es2022", "dom"]
"""What browsers of the last years have, and no more."""


def run(*command: str | Path, folder: Path = WEB) -> str:
    require_built()
    path = f"{NODE.parent}{os.pathsep}{os.environ['PATH']}"
    ended = subprocess.run(
        command, cwd=folder, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stdout[-8000:] + ended.stderr[-4000:]
    return ended.stdout


@pytest.mark.thorough
def test_unit_tests_pass() -> None:
    run("npm", "run", "check")
    run("npm", "test")


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the directory of the package as npm unpacks it."""
    folder = tmp_path_factory.mktemp("packed")
    run("npm", "pack", "--ignore-scripts", "--pack-destination", folder)
    (archive,) = folder.glob("*.tgz")
    with tarfile.open(archive) as content:
        content.extractall(folder, filter="data")
    return folder / "package"


@pytest.mark.thorough
def test_package_has_modules_types_and_bundle_only(packed: Path) -> None:
    files = {str(file.relative_to(packed)) for file in packed.rglob("*") if file.is_file()}
    assert {"dist/index.js", "dist/index.d.ts", "dist/bundle.js", "README.md", "package.json"} <= files
    assert not [name for name in files if "test" in name.split("/") or name.endswith(".mjs")]
    about: dict[str, Any] = json.loads((packed / "package.json").read_text())
    assert list(about["dependencies"]) == ["mqtt"]


@pytest.mark.thorough
def test_strict_consumer_compiles(packed: Path, tmp_path: Path) -> None:
    modules = tmp_path / "node_modules"
    modules.mkdir()
    (modules / "borderpost-client").symlink_to(packed)
    (packed / "node_modules").symlink_to(WEB / "node_modules")
    (tmp_path / "package.json").write_text('{"type": "module"}')
    (tmp_path / "counter.ts").write_text(CONSUMER)
    settings = {"compilerOptions": {**SETTINGS, "lib": LIBRARIES}, "include": ["counter.ts"]}
    (tmp_path / "tsconfig.json").write_text(json.dumps(settings))
    run(WEB / "node_modules/.bin/tsc", "-p", tmp_path, folder=tmp_path)


@pytest.mark.thorough
def test_bundle_needs_nothing_else(packed: Path) -> None:
    """A page without build tools loads one file."""
    bundle = (packed / "dist/bundle.js").read_text()
    assert 'from"' not in bundle.replace(" ", "")
    assert "Workstation" in bundle
