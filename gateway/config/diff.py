"""What differs between two configurations, so that a reload touches only that."""

from dataclasses import dataclass

from gateway.config.model import DestinationSection, Post
from gateway.contract.topics import Position


@dataclass(frozen=True, slots=True)
class ConfigDiff:
    """What a reload has to do; positions in the order of their file."""

    added: tuple[Position, ...]
    removed: tuple[Position, ...]
    changed: tuple[Position, ...]
    """Devices that have another driver or other settings and must be opened again."""
    broker: bool
    """The post's own broker is reached differently, or its password or certificate files are new."""
    hq: bool
    """The same of headquarters; also when it came or went."""
    delivery: bool
    """Limits of the outbox and of sending."""
    commands: bool
    """Who may command what, how often, how long a claim lasts."""
    console: bool
    """Where technicians come in."""
    restart: tuple[str, ...]
    """Changed sections that a running gateway cannot take over."""

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
        console=old.console != new.console,
        restart=tuple(
            name
            for name in ("gateway", "encryption", "supervision", "log")
            if getattr(old, name) != getattr(new, name)
        ),
    )


def _connection_settings(post: Post, destination: DestinationSection | None) -> tuple[object, ...]:
    """All that decides how a destination is reached: its section, and how new its files are."""
    files = destination.credential_files() if destination else ()
    return destination, *(post.file_times.get(file) for file in files)
