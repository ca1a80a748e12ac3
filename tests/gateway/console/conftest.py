"""Fast password hashes for tests."""

import pytest
from support.console.consoles import QUICK

from gateway.console.auth import users as people


@pytest.fixture(autouse=True)
def quick_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(people, "_HASHER", QUICK)
    people._dummy_hash.cache_clear()
