"""Fixtures for tests of commands."""

from collections.abc import AsyncIterator

import pytest
from support.gateway.command_dispatch import DispatcherFixture


@pytest.fixture
async def dispatcher() -> AsyncIterator[DispatcherFixture]:
    """Dispatcher with fast machines."""
    dispatcher = DispatcherFixture(min_move_interval_s=0.001, moves_per_min=600)
    yield dispatcher
    dispatcher.path.refuse_commands()
    dispatcher.path.stop()
