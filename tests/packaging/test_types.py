"""Types for packages of others, which use neither pydantic's plugin nor our settings of mypy."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PUBLIC = ("drivers", "gateway/contract", "simulators")
POSITIONAL = re.compile(r"\bField\(\s*+(?!\w+\s*=|\.\.\.|\))")
"""Field of a model with a positional default, which only the plugin sees: others find an argument missing."""


def test_defaults_of_models_are_keywords() -> None:
    sources = {file: file.read_text() for folder in PUBLIC for file in (ROOT / folder).rglob("*.py")}
    models = {file: text for file, text in sources.items() if "from pydantic import" in text}
    assert len(models) > 100
    found = [
        f"{file.relative_to(ROOT)}:{text.count(chr(10), 0, match.start()) + 1}"
        for file, text in models.items()
        for match in POSITIONAL.finditer(text)
    ]
    assert found == []
