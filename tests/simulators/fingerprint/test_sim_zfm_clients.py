"""Independent programs use the simulated modules: `pyfingerprint` and Adafruit's library."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.patience import PATIENCE_S

from simulators.fingerprint.fingers import Finger
from simulators.fingerprint.zfm.module import ZfmModule
from simulators.links.serial_line import SerialLine

ORACLE = Path(".oracles/bin/python")
pytestmark = pytest.mark.skipif(
    not ORACLE.exists(), reason="make .oracles/.ready installs the programs of others"
)


@pytest.fixture
async def line(tmp_path: Path) -> AsyncIterator[SerialLine]:
    async with SerialLine.open_at(tmp_path / "module") as line:
        yield line


async def works(module: ZfmModule, script: str, *arguments: str) -> dict[str, Any]:
    """Run a program with the module, place fingers when it requests them, and return its results."""
    module.start()
    program = await asyncio.create_subprocess_exec(
        ORACLE, f"tests/oracles/{script}", str(module.line.path), *arguments,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=1 << 20,
    )  # fmt: skip
    assert program.stdin
    assert program.stdout
    seen: dict[str, Any] = {}
    async with asyncio.timeout(PATIENCE_S):
        while line := await program.stdout.readline():
            match json.loads(line):
                case {"lay": [finger, touch]}:
                    module.platen.place(Finger(finger).touch(touch))
                case {"seen": seen}:
                    pass
            program.stdin.write(b"\n")
        assert await program.wait() == 0
    return seen


async def test_pyfingerprint_works_zfm_20(line: SerialLine, tmp_path: Path) -> None:
    module = ZfmModule(line, "zfm-20", capture_s=0)
    seen = await works(module, "zfm_pyfingerprint.py", str(tmp_path / "image.png"))

    assert seen.pop("parameters") == [0, 9, 1000, 3, 0xFFFFFFFF, 2, 6]
    assert seen["found"][0] == 260
    assert seen.pop("found")[1] > 80
    assert seen["one finger"] > seen["two fingers"]
    del seen["one finger"], seen["two fingers"]
    assert seen == {
        "verified": True,
        "empty": 0,
        "no finger": False,
        "enrolled": [[True, 3], [True, 260]],
        "count": 2,
        "index": [3, 260],
        "size": [256, 288],
        "stranger": [-1, -1],
        "characteristics": 512,
        "uploaded": True,
        "random": True,
        "packet": 256,
        "security": 5,
        "same image": True,
        "deleted": [True, 1],
        "cleared": [True, 0],
        "password set": True,
        "address set": True,
        "as another": True,
        "wrong password": False,
        "faster": [True, 115200],
    }
    with Image.open(tmp_path / "image.png") as image:
        assert np.array_equal(np.array(image) // 17, module.platen.sense() >> 4)


@pytest.mark.parametrize(
    ("model", "library", "extras", "characters"), [("as608", 300, "echo", 512), ("r503", 200, "ring", 1536)]
)
async def test_adafruit_library_works(
    line: SerialLine, model: str, library: int, extras: str, characters: int
) -> None:
    module = ZfmModule(line, model, capture_s=0)
    source = Finger(21).touch(5)
    seen = await works(module, "zfm_adafruit.py", extras)

    module.platen.place(source)
    grey = module.platen.sense() >> 4
    assert bytes.fromhex(seen.pop("image")) == ((grey[:, 0::2] << 4) | grey[:, 1::2]).tobytes()
    assert seen.pop("compared")[0] == 0
    assert seen["found"] == seen.pop("found fast")
    assert seen.pop("found")[:2] == [0, 5]
    more = {"echo": {"echo": True}, "ring": {"ring": 0, "after reset": 0}}[extras]
    assert seen == more | {
        "library": library,
        "packet": 2,
        "baud": 6,
        "no finger": True,
        "model": 0,
        "stored": 0,
        "count": 1,
        "templates": [5],
        "stranger": 9,
        "characters": characters,
        "back": True,
        "image back": True,
        "deleted": 0,
        "not there": 0x0C,
        "emptied": 0,
    }
