"""Arguments of `python -m gateway`: help, mistakes and their exit codes, before anything is started."""

import os
from pathlib import Path

import pytest

from gateway.__main__ import main, parse_arguments

USAGE = "Usage: python -m gateway CONFIG [--author]\n"


@pytest.mark.parametrize("arguments", [["--help"], ["post.toml", "--help"]], ids=" ".join)
def test_help(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    code = main(arguments)
    said, wrong = capsys.readouterr()
    assert (code, wrong) == (os.EX_OK, "")
    assert said.startswith(USAGE)
    assert all(f"  {word} " in said for word in ("CONFIG", "--author", "--help"))


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        ([], "No configuration file is given."),
        (["--author"], "No configuration file is given."),
        (["post.toml", "--autor"], "There is no option --autor."),
        (["-x", "post.toml"], "There is no option -x."),
        (["one.toml", "two.toml"], "More than one configuration file is given: one.toml, two.toml."),
    ],
    ids=lambda given: " ".join(given) if isinstance(given, list) else None,
)
def test_wrong_arguments(arguments: list[str], fault: str, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(arguments)
    said, wrong = capsys.readouterr()
    assert (code, said) == (os.EX_USAGE, "")
    assert wrong == f"{fault}\n    {USAGE}    python -m gateway --help explains them.\n"


def test_option_before_file(tmp_path: Path) -> None:
    """Both orders are usual on command lines."""
    file = tmp_path / "post.toml"
    assert (
        parse_arguments(["--author", str(file)]) == parse_arguments([str(file), "--author"]) == (file, True)
    )
    assert parse_arguments([str(file)]) == (file, False)
