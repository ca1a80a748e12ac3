"""Passwords of tests cost nothing to hash."""

import pytest
from support.consoles import QUICK

from gateway.console import people


@pytest.fixture(autouse=True)
def quick_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(people, "_HASHER", QUICK)
    people._nobody.cache_clear()
