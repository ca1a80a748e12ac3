"""The page about realism names every kind of simulator, with a source."""

import re
from pathlib import Path

from simulators.registry import KINDS

PAGE = Path(__file__).parents[2] / "simulators/REALISM.md"


def test_every_kind_is_on_the_page() -> None:
    rows = [line for line in PAGE.read_text().splitlines() if re.match(r"\| [^-|]", line)]
    named = {name for row in rows for name in re.findall(r"`([^`]+)`", row.split("|")[1])}
    assert KINDS.keys() <= named
    assert all(len(row.split("|")) == 6 and row.split("|")[3].strip() for row in rows)
