"""Fixtures for tests of commands."""

from collections.abc import AsyncIterator

import pytest
from support.gateway.command_dispatch import DispatcherFixture


@pytest.fixture
async def desk() -> AsyncIterator[DispatcherFixture]:
    """Dispatcher with fast machines."""
    desk = DispatcherFixture(min_move_interval_s=0.001, moves_per_min=600)
    yield desk
    desk.path.refuse_commands()
    desk.path.stop()
