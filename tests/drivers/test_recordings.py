"""Every recorded wire, played through a real pty into the real driver, gives the events beside it."""

import json
from pathlib import Path

import pytest
from support.replaying import ROOT, events_of, expected, recordings


@pytest.mark.parametrize("path", recordings(), ids=lambda path: str(path.relative_to(ROOT).with_suffix("")))
async def test_a_recording_gives_the_events_beside_it(path: Path, tmp_path: Path) -> None:
    assert await events_of(path, tmp_path / "port") == json.loads(expected(path).read_text())


def test_no_expectation_is_left_without_its_recording() -> None:
    wanted = {expected(path) for path in recordings()}
    assert wanted == set(ROOT.rglob("*.events.json"))
