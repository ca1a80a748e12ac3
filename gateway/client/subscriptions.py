"""Topic filters that a workstation subscribes to."""

from collections.abc import Sequence

from gateway.contract.topics import Position

PREVIEW_QOS = 0
"""With QoS 0 the broker keeps no previews for a workstation that is away."""
DEVICE_SUBSCRIPTIONS = ("desc", "state", "claim", "now/+", "evt/+", "blob/+/+")
"""Topics below a device that every workstation reads."""


def subscriptions(
    root: str, site: str, positions: Sequence[Position] | None, station: str | None
) -> list[tuple[str, int]]:
    """Return topic filters and their QoS. Commands and answers of other stations are not among them.

    `positions`: None for all devices of the site. `station`: None for a workstation that sends no commands.
    """
    devices = ["+/+"] if positions is None else [str(position) for position in positions]
    topics = [(topic, 1) for topic in DEVICE_SUBSCRIPTIONS]
    if station is not None:
        topics += [(f"rsp/{station}", 1), (f"preview/{station}", PREVIEW_QOS)]
    return [
        (f"{root}/{site}/_gw/+/state", 1),
        (f"{root}/{site}/_gw/+/fresh", 1),
        *((f"{root}/{site}/{device}/{topic}", qos) for device in devices for topic, qos in topics),
    ]
