"""Each story of one lane breaks no invariant."""

from pathlib import Path

import pytest
from adversary.barrier.forbidden_stories import ALL_STORIES
from adversary.barrier.judge.verdict import judge
from adversary.barrier.rig.lane import play


@pytest.mark.parametrize("name", ALL_STORIES)
def test_story(name: str, tmp_path: Path) -> None:
    post, story = ALL_STORIES[name]
    found = judge(post.facts, play(post, tmp_path, story).records)
    assert not found, "\n".join(map(str, found))
