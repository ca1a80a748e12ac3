"""The setting with a device's address: removed from a recording, inserted again for a replay."""

from typing import Any, Literal

from drivers.links.settings import Settings

EndpointKey = Literal["port", "url", "board.port"]


def endpoint_key(model: type[Settings]) -> EndpointKey | None:
    """Return the setting with the device's address; None where it is neither a port nor an address."""
    fields = model.model_fields
    if "board" in fields:
        return "board.port"
    return "port" if "port" in fields else "url" if "url" in fields else None


def with_endpoint(settings: dict[str, Any], key: EndpointKey, endpoint: str) -> dict[str, Any]:
    """Return the same settings with another address of the device."""
    if key == "board.port":
        return {**settings, "board": {**settings.get("board", {}), "port": endpoint}}
    return {**settings, key: endpoint}
