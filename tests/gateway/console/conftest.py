"""Fast password hashes for tests."""

import pytest
from support.console.consoles import QUICK

from gateway.console.auth import users


@pytest.fixture(autouse=True)
def quick_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(users, "_HASHER", QUICK)
    users._dummy_hash.cache_clear()
