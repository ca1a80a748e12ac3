"""Where a device is, in its settings: what a recording leaves out, and a replay puts in again."""

from typing import Any, Literal

from drivers.links.settings import Settings

EndpointKey = Literal["port", "url", "board.port"]


def endpoint_key(model: type[Settings]) -> EndpointKey | None:
    """Which setting says where such a device is; None where it is neither a port nor an address."""
    fields = model.model_fields
    if "board" in fields:
        return "board.port"
    return "port" if "port" in fields else "url" if "url" in fields else None


def with_endpoint(settings: dict[str, Any], key: EndpointKey, endpoint: str) -> dict[str, Any]:
    """The same settings of a device that is there."""
    if key == "board.port":
        return {**settings, "board": {**settings.get("board", {}), "port": endpoint}}
    return {**settings, key: endpoint}
