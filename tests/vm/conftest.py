"""One machine for all tests of this folder, which follow each other like the life of a mini-PC."""

import logging
import os
from pathlib import Path

import pytest
import structlog

from vm.needs import missing

# They take a quarter of an hour: `make vm-test` runs them, `make test` does not.
IS_ENABLED = "BORDERPOST_VM" in os.environ
collect_ignore_glob = [] if IS_ENABLED else ["test_*.py"]
if IS_ENABLED:  # while the machine is off, its broker's absence is expected
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))


@pytest.fixture(autouse=True)
def no_leftovers() -> None:
    """Disable the check: machine, brokers and clients outlive the single test. Their fixture ends them."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Fail if something is missing: skipped tests would look like success."""
    here = Path(__file__).parent
    if any(item.path.parent == here for item in items) and (lacking := missing()):
        raise pytest.UsageError(lacking)
