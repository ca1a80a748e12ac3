"""Thorough tests run in `make thorough` and `make adversary` alone."""

import pytest


@pytest.mark.thorough
def test_thorough_option_given(request: pytest.FixtureRequest) -> None:
    assert request.config.getoption("--thorough")
