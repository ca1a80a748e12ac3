"""Each story of one lane breaks no invariant."""

from pathlib import Path

import pytest
from adversary.barrier.judge.verdict import judge
from adversary.barrier.rig.lane import play
from adversary.barrier.stories import STORIES


@pytest.mark.parametrize("name", STORIES)
def test_story(name: str, tmp_path: Path) -> None:
    post, story = STORIES[name]
    found = judge(post.facts, play(post, tmp_path, story).records)
    assert not found, "\n".join(map(str, found))
