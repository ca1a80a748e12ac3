"""What the tests of the command path share."""

from collections.abc import AsyncIterator

import pytest
from support.gateway.command_dispatch import Desk


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    """A command path with quick machines."""
    desk = Desk(moves_every_s=0.001, moves_per_min=600)
    yield desk
    desk.path.close()
    desk.path.stop()
