"""Fixtures of all adversary tests."""

import pytest
from support.process.daemons import expect_daemons


@pytest.fixture(scope="session", autouse=True)
def daemons() -> None:
    expect_daemons()
