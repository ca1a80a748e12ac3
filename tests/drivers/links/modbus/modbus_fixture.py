"""Simulated boards over TCP and on a pty, and a link to them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from drivers.links.factory import LinkFactory
from drivers.links.modbus.link import ModbusLink, ModbusSettings
from drivers.links.modbus.pdu import Function, ReadBits, WriteSingle
from simulators.barrier import modbus_site
from simulators.barrier.modbus_site import ModbusSite

INPUTS = ReadBits(Function.READ_INPUTS, 0, 8)
RELAYS = ReadBits(Function.READ_COILS, 0, 8)
FLASH_OPEN = WriteSingle(Function.WRITE_COIL, 0x0200, 2)
FLASH_STOP = WriteSingle(Function.WRITE_COIL, 0x0202, 2)
WITHIN_S = 0.25
"""Wait for a response that does not come, in seconds."""


@asynccontextmanager
async def site_at(path: Path | None, **settings: Any) -> AsyncIterator[ModbusSite]:
    """A Waveshare board over TCP or, with a path, on a serial line."""
    # A silence longer than the pauses of a busy machine within one write.
    quiet_s = None if path is None else 0.02
    async with ModbusSite.start(modbus_site.ModbusSettings(path=path, quiet_s=quiet_s, **settings)) as site:
        yield site


def settings_of(site: ModbusSite, **more: Any) -> dict[str, Any]:
    """Settings of a link to it."""
    port = f"tcp://{site.address}" if site.settings.path is None else site.address
    return {"port": port, "response_timeout_s": 1, **more}


@asynccontextmanager
async def link_to(
    site: ModbusSite, links: LinkFactory | None = None, **more: Any
) -> AsyncIterator[ModbusLink]:
    """A link to it."""
    links = links or LinkFactory()
    try:
        yield await links.modbus(ModbusSettings(**settings_of(site, **more)))
    finally:
        await links.close()
