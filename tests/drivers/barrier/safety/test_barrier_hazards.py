"""The document of hazards: its tests, invariants and files exist, and its table has no gaps."""

import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[4]
DOCUMENT = ROOT / "drivers" / "barrier" / "SAFETY.md"
COLUMNS = 6


@cache
def section(name: str) -> list[list[str]]:
    """Return the rows of the table below a heading, as cells."""
    text = DOCUMENT.read_text("utf-8").partition(f"\n## {name}\n")[2].partition("\n## ")[0]
    rows = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in rows[2:]]


@cache
def existing_tests() -> set[str]:
    found = (
        re.findall(r"^\s*(?:async )?def (test_\w+)", file.read_text("utf-8"), re.MULTILINE)
        for file in (ROOT / "tests").rglob("test_*.py")
    )
    return {name for names in found for name in names}


def test_named_tests_exist() -> None:
    named = set(re.findall(r"`(test_\w+)`", DOCUMENT.read_text("utf-8")))
    assert len(named) > 30
    assert named <= existing_tests(), sorted(named - existing_tests())


def test_named_files_exist() -> None:
    named = {name for row in section("Hazards") for name in re.findall(r"`([\w./]+/|[\w./]+\.py)`", row[2])}
    folder = DOCUMENT.parent
    missing = [name for name in named if not (folder / name).exists() and not (folder.parent / name).exists()]
    assert len(named) > 8
    assert not missing


def test_every_invariant_prevents_a_hazard() -> None:
    defined = [int(row[0]) for row in section("Invariants")]
    assert defined == list(range(1, len(defined) + 1))
    used = {int(number) for row in section("Hazards") for number in row[3].split(",")}
    text = DOCUMENT.read_text("utf-8").partition("\n## Not prevented yet\n")[2].partition("\n## ")[0]
    open_ones = {int(number) for number in re.findall(r"\b\d+\b", text)}
    assert used | open_ones == set(defined)
    assert not used & open_ones


@pytest.mark.parametrize("row", section("Hazards"), ids=lambda row: row[1][:30])
def test_hazard_is_complete(row: list[str]) -> None:
    assert len(row) == COLUMNS
    assert all(row[1:])
    assert "test_" in row[4]
