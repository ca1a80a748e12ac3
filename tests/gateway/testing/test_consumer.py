"""A consumer's repository in miniature, outside this tree, as gateway/testing/README.md describes it."""

import os
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

PAGE = Path(__file__).parents[3] / "gateway/testing/README.md"
CONFTEST, FIVE = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
MEMBERS = (
    "ordinary", "unknown-state", "chip-dead", "expires-today", "washed", "refugee-travel-document", "child",
    "altered-digit", "altered-recomputed", "altered-name", "counterfeit-laser", "stolen-blank", "cloned-chip",
    "wrong-signature", "revoked-signer",
)  # fmt: skip
BY_NAME = f"""
import pytest

@pytest.mark.parametrize("name", {MEMBERS})
def test_traveller(post, desk, name):
    says = post.present("lane-1/reader", member=name)["truth"]["says"]
    read = desk.next("document.read").data
    remarkable = {{one.id for one in read.checks if one.outcome in ("failed", "undetermined")}}
    assert remarkable == set(says)
"""
UNHEARD = """
import pytest

SURNAMES = [f"Traveller{letter}" for letter in "ABCDEFGH"]

@pytest.mark.parametrize("surname", SURNAMES)
def test_only_own_traveller(post, desk, surname):
    post.present("lane-1/reader", format="TD3", fields={"surname": surname})
    mine = desk.next("document.mrz").data
    assert mine.mrz.primary_identifier == surname.upper()
    assert "document.read" not in {type for type, *_ in map(kind, desk.events)}
    # Ends here: the page is still scanned and the chip is still read.

@pytest.mark.parametrize("surname", SURNAMES)
def test_without_desk(post, surname):
    post.present("lane-1/reader", format="TD3", fields={"surname": surname})

def kind(event):
    return event.envelope.type.removeprefix("bgw.").rpartition(".v")[0], event
"""


@pytest.fixture
def consumer(tmp_path: Path) -> Path:
    """Return the consumer's repository with the two blocks of the page."""
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_five.py").write_text(FIVE)
    return tmp_path


def run(consumer: Path, *options: str) -> tuple[int, str]:
    """Run the consumer's tests; return the exit code and the output."""
    kept = {
        name: text for name, text in os.environ.items() if not name.startswith(("PYTHON", "PYTEST", "COV_"))
    }
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--junit-xml=junit.xml", *options],
        cwd=consumer,
        env=kept,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def passed(consumer: Path) -> list[str]:
    """Return the names of the tests that passed."""
    cases = ET.parse(consumer / "junit.xml").getroot().iter("testcase")
    return [str(case.get("name")) for case in cases if not len(case)]


@pytest.mark.thorough
@pytest.mark.long(20)
def test_five_tests_of_the_page_pass(consumer: Path) -> None:
    code, output = run(consumer)
    assert code == 0, output
    assert len(passed(consumer)) == 5


@pytest.mark.thorough
@pytest.mark.long(90)
def test_twenty_tests_by_name_pass_in_parallel_three_times(consumer: Path) -> None:
    (consumer / "test_by_name.py").write_text(BY_NAME)
    for _ in range(3):
        code, output = run(consumer, "-n", "4")
        assert code == 0, output
        assert len(set(passed(consumer))) == 20


@pytest.mark.thorough
@pytest.mark.long(20)
def test_read_that_no_test_waited_for_does_not_reach_the_next(consumer: Path) -> None:
    (consumer / "test_five.py").unlink()
    (consumer / "test_unheard.py").write_text(UNHEARD)
    code, output = run(consumer)
    assert code == 0, output
    assert len(passed(consumer)) == 16
