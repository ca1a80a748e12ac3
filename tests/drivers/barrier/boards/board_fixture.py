"""Simulated boards, and the drivers' boards connected to them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from drivers.barrier.board import Board
from drivers.barrier.boards.registry import AnyModbusBoard
from drivers.links.factory import LinkFactory
from simulators.barrier.boards.wirenboard import WirenBoard
from simulators.barrier.bus import DirectConnection
from simulators.barrier.modbus_site import USUAL_INPUTS, USUAL_OUTPUTS, ModbusSite
from simulators.barrier.modbus_site import ModbusSettings as SiteSettings

WITHIN_S = 0.25
"""Time limit for a response that does not come, in seconds; other responses have a longer one."""
WATCHED = {"model": "generic", "watchdog_address": 8, "watchdog_unit_s": 0.1}
"""A board with a watchdog, quick enough for a test: units of a tenth of a second."""
MAP_KEYS = {
    "relays": "relays",
    "inputs": "inputs",
    "relay_address": "relays_at",
    "input_address": "inputs_at",
    "input_table": "inputs_as",
    "pulse_address": "pulse_at",
    "pulse_unit_s": "pulse_unit_s",
    "watchdog_address": "watchdog_at",
    "watchdog_unit_s": "watchdog_unit_s",
}
"""Keys of the register map of a generic board: the driver's, and the simulator's."""
_SETTINGS: TypeAdapter[AnyModbusBoard] = TypeAdapter(AnyModbusBoard)


def setup_frames(board: dict[str, Any]) -> list[str]:
    """Return the frames that set a board up."""
    return ["0600080005"] if board.get("watchdog_address") == 8 else []


def simulated(board: dict[str, Any]) -> dict[str, Any]:
    """Return the simulator's settings for such a board."""
    wired = {"waveshare-8": 8, "wirenboard-6": 6, "kmtronic-8": 0, "generic": board.get("inputs", 8)}
    settings: dict[str, Any] = {
        "model": board["model"],
        "outputs": USUAL_OUTPUTS,
        "inputs": {signal: at for signal, at in USUAL_INPUTS.items() if at < wired[board["model"]]},
    }
    if board["model"] == "generic":
        settings["map"] = {MAP_KEYS[key]: value for key, value in board.items() if key in MAP_KEYS}
    return settings


@asynccontextmanager
async def site_of(board: dict[str, Any], path: Path | None = None) -> AsyncIterator[ModbusSite]:
    """Start a site with such a board, set up correctly."""
    settings = SiteSettings.model_validate(
        {"path": path, "quiet_s": None if path is None else 0.02, "boards": [simulated(board)]}
    )
    async with ModbusSite.start(settings) as site:
        configure(site, *setup_frames(board))
        if isinstance(wirenboard := site.boards[0], WirenBoard):
            wirenboard.set_up()
        yield site


def configure(site: ModbusSite, *pdus: str) -> None:
    """Write to the board as another host; its response is not logged as the driver's."""
    for pdu in pdus:
        assert DirectConnection(site.bus).request(1, bytes.fromhex(pdu)) is not None


def board_for(site: ModbusSite, board: dict[str, Any], links: LinkFactory, **more: Any) -> Board:
    """Build the driver's board for the site."""
    port = f"tcp://{site.address}" if site.settings.path is None else site.address
    settings = _SETTINGS.validate_python({"port": port, "response_timeout_s": 1, **board, **more})
    return settings.build(links)


@asynccontextmanager
async def opened(site: ModbusSite, board: dict[str, Any], **more: Any) -> AsyncIterator[Board]:
    """Open the driver's board at the site; close it at the end."""
    links = LinkFactory()
    on_the_wire = board_for(site, board, links, **more)
    try:
        await on_the_wire.open()
        yield on_the_wire
    finally:
        await on_the_wire.close()
        await links.close()
