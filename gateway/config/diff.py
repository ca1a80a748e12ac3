"""Difference of two configurations, so that a reload changes only what differs."""

from dataclasses import dataclass

from gateway.config.model import DestinationSection, Post
from gateway.contract.topics import Position


@dataclass(frozen=True, slots=True)
class ConfigDiff:
    """Changes that a reload makes; positions in the order of their file."""

    added: tuple[Position, ...]
    removed: tuple[Position, ...]
    changed: tuple[Position, ...]
    """Devices that have another driver or other settings and must be opened again."""
    broker: bool
    """The connection to the post's own broker changed, or its password or certificate files are newer."""
    hq: bool
    """The same for the broker at headquarters; also when it was added or removed."""
    delivery: bool
    """Limits of the outbox and of sending."""
    commands: bool
    """Roles, rate limits, or the longest lease."""
    console: bool
    """Addresses and users of the console, or the counter page."""
    restart: tuple[str, ...]
    """Changed sections that take effect only at a restart."""

    def __bool__(self) -> bool:
        return bool(
            self.added
            or self.removed
            or self.changed
            or self.broker
            or self.hq
            or self.delivery
            or self.commands
            or self.console
            or self.restart
        )


def diff_config(old: Post, new: Post) -> ConfigDiff:
    """Compare two configurations of one post."""
    return ConfigDiff(
        added=tuple(position for position in new.devices if position not in old.devices),
        removed=tuple(position for position in old.devices if position not in new.devices),
        changed=tuple(
            position
            for position, device in new.devices.items()
            if position in old.devices and device.model_dump() != old.devices[position].model_dump()
        ),
        broker=_connection_settings(old, old.broker) != _connection_settings(new, new.broker),
        hq=_connection_settings(old, old.hq) != _connection_settings(new, new.hq),
        delivery=old.delivery != new.delivery,
        commands=(old.commands, old.roles) != (new.commands, new.roles),
        console=(old.console, old.counter) != (new.console, new.counter),
        restart=tuple(
            name
            for name in ("gateway", "encryption", "supervision", "log")
            if getattr(old, name) != getattr(new, name)
        ),
    )


def _connection_settings(post: Post, destination: DestinationSection | None) -> tuple[object, ...]:
    """Return all that determines a connection: the section, and the modification times of its files."""
    files = destination.credential_files() if destination else ()
    return destination, *(post.file_times.get(file) for file in files)
