"""`borderpost simulate` with a file that cannot be read."""

import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway.cli import app


@pytest.mark.parametrize(
    ("named", "cause"), [("nothing.toml", "No such file or directory"), ("", "Is a directory")]
)
def test_unreadable_post_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str, cause: str
) -> None:
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    post = tmp_path / named
    ended = CliRunner().invoke(app, ["simulate", str(post)])
    assert ended.exit_code == os.EX_CONFIG
    assert f"{post}: {cause}" in ended.stderr
    assert "config/demo-post.toml" in ended.stderr
    assert "control socket" not in ended.output
    assert list(folder.iterdir()) == []
