"""One machine for all tests of this folder: they follow each other, as what happens to a mini-PC does."""

import logging
import os
from pathlib import Path

import pytest
import structlog

from vm.needs import missing

# They take a quarter of an hour: `make vm-test` asks for them, `make test` does not.
WANTED = "BORDERPOST_VM" in os.environ
collect_ignore_glob = [] if WANTED else ["test_*.py"]
if WANTED:  # while the machine is off, nobody wants to hear that its broker does not answer
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))


@pytest.fixture(autouse=True)
def no_leftovers() -> None:
    """Not here: machine, brokers and clients outlive the single test. Their fixture ends them."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Fail where something is missing: tests that were asked for and skipped would look like success."""
    here = Path(__file__).parent
    if any(item.path.parent == here for item in items) and (lacking := missing()):
        raise pytest.UsageError(lacking)
