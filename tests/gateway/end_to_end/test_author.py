"""`borderpost run --author`: messages of a driver's exceptions in the log, except in production."""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.brokers.mosquitto import Mosquitto
from support.gateway.gateways import GatewayFixture, gateway, until
from support.patience import PATIENCE_S

from gateway.cli.run import run

__all__ = ["gateway"]


@pytest.fixture
def mosquitto() -> Iterator[Mosquitto]:
    with Mosquitto() as broker:
        yield broker


def _lines_with(gateway: GatewayFixture, text: str) -> list[str]:
    """Return the whole lines of the log with a text."""
    return [line for line in gateway.log.splitlines(keepends=True) if text in line and line.endswith("}\n")]


@pytest.mark.parametrize("options", [(), ("--author",)], ids=["usual", "author"])
async def test_messages_of_exceptions(gateway: GatewayFixture, options: tuple[str, ...]) -> None:
    wire = await gateway.wire("lane-1/reader")
    gateway.describe("lane-1/reader")
    gateway.options = options
    await gateway.start()
    async with asyncio.timeout(PATIENCE_S):
        await wire.wait_for_host()
    await wire.send(b"bug\n")
    # The device's state names the cause too, in a line of another process, which may come first.
    reported = '"event": "driver_error"'
    await until(lambda: _lines_with(gateway, reported))
    lines = _lines_with(gateway, reported)
    assert any("ValueError: cannot read" in line for line in lines) == bool(options)


async def test_production_refuses(gateway: GatewayFixture) -> None:
    gateway.profile = "production"
    gateway.describe("lane-1/reader")
    gateway.options = ("--author",)
    await gateway.start()
    assert gateway.process is not None
    code = await asyncio.wait_for(gateway.process.wait(), PATIENCE_S)
    gateway.process = None
    assert (code, "a post in production refuses it" in gateway.log) == (os.EX_NOPERM, True), gateway.log


def test_option_reaches_daemon(monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[list[str]] = []
    monkeypatch.setattr("os.execv", lambda _program, arguments: called.append(arguments))
    run(Path("post.toml"))
    run(Path("post.toml"), author=True)
    assert [arguments[1:] for arguments in called] == [
        ["-m", "gateway", "post.toml"],
        ["-m", "gateway", "post.toml", "--author"],
    ]
