"""Fixtures that run a test with every client library: Python's, and TypeScript's in Node and in Chromium."""

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from support.brokers.mosquitto import Mosquitto
from support.clients.desks import Desk, DeskOptions, OpenDesk, PythonDesk
from support.console.chromium import CHROMIUM

if TYPE_CHECKING:
    from support.clients.web_desks import NodeDriver, PageDriver

LIBRARIES = (
    "python",
    pytest.param("node", marks=pytest.mark.thorough),
    pytest.param(
        "chromium",
        marks=[
            pytest.mark.thorough,
            pytest.mark.skipif(not Path(CHROMIUM).exists(), reason="Chromium is not installed"),
        ],
    ),
)


@pytest.fixture(params=LIBRARIES)
def library(request: pytest.FixtureRequest) -> str:
    """Return the name of the client library of this test."""
    return str(request.param)


@pytest.fixture
def mosquitto(library: str) -> Iterator[Mosquitto]:
    with Mosquitto("max_queued_messages 10000", websockets=library != "python") as broker:
        yield broker


@pytest.fixture
async def open_desk(library: str, mosquitto: Mosquitto) -> AsyncIterator[OpenDesk]:
    """Return a function that opens a workstation of the test's client library; all are closed at the end."""
    desks: list[Desk] = []
    async with AsyncExitStack() as stack:
        driver: NodeDriver | PageDriver | None = None
        if library != "python":
            from support.clients import web_desks  # takes a second that Python's tests need not wait

            kind = web_desks.NodeDriver if library == "node" else web_desks.PageDriver
            driver = await stack.enter_async_context(kind())

        async def opened(**options: Any) -> Desk:
            given = DeskOptions(**options)
            desk: Desk
            if driver is None:
                desk = await PythonDesk.open(mosquitto, given)
            else:
                desk = await driver.desk().open(mosquitto, given)
            desks.append(desk)
            return desk

        yield opened
        for desk in desks:
            await desk.close()
        assert getattr(driver, "complaints", []) == [], "the browser had nothing to complain of"
