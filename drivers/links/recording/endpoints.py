"""Where a device is, in its settings: what a recording leaves out, and a replay puts in again."""

from typing import Any, Literal

from drivers.links.settings import Settings

Place = Literal["port", "url", "board.port"]


def place_in(model: type[Settings]) -> Place | None:
    """Which setting says where such a device is; None where it is neither a port nor an address."""
    fields = model.model_fields
    if "board" in fields:
        return "board.port"
    return "port" if "port" in fields else "url" if "url" in fields else None


def placed(settings: dict[str, Any], place: Place, where: str) -> dict[str, Any]:
    """The same settings of a device that is there."""
    if place == "board.port":
        return {**settings, "board": {**settings.get("board", {}), "port": where}}
    return {**settings, place: where}
