"""Settings of supervision, made from the configuration: specification and limits of each worker."""

from collections.abc import Iterator
from pathlib import Path

from drivers.driver import Driver
from drivers.links.settings import Settings
from drivers.unavailable import unusable_driver
from gateway.config import DeviceSettings, Post
from gateway.contract.topics import Position
from gateway.supervision.confinement import WorkerConfinement
from gateway.supervision.supervisor import WorkerLimits
from gateway.worker.spec import WorkerSpec


def worker_spec(
    post: Post, path: Path, position: Position, device: DeviceSettings, confinement: WorkerConfinement
) -> WorkerSpec:
    """Return the specification of a device's worker; `path`: the file of the configuration."""
    supervision = post.supervision
    return WorkerSpec(
        site=post.gateway.site,
        gateway=post.gateway.name,
        position=str(position),
        driver=device.driver,
        settings=device.raw_settings,
        is_production=post.gateway.profile == "production",
        heartbeat_interval_s=supervision.heartbeat_interval_s,
        open_timeout_s=supervision.open_timeout_s,
        backoff_first_s=supervision.backoff_first_s,
        backoff_max_s=supervision.backoff_max_s,
        events_per_s=supervision.max_events_per_s,
        expected_firmware=device.expected_firmware,
        is_confined=confinement.is_confined,
        private_paths=_private_paths(post, path),
        further_places=confinement.further_places,
    )


def worker_limits(post: Post) -> WorkerLimits:
    """Return the time limits of all workers."""
    return WorkerLimits(
        heartbeat_timeout_s=post.supervision.heartbeat_timeout_s,
        stop_timeout_s=post.supervision.stop_timeout_s,
    )


def faulty_driver(device: DeviceSettings) -> type[Driver[Settings]] | None:
    """Return the driver that reports why a device's own cannot be used; None if it can."""
    if not device.driver_fault:
        return None
    text, how = (f"{sentence[:1].upper()}{sentence[1:]}." for sentence in device.driver_fault)
    return unusable_driver(text, how)


def _private_paths(post: Post, path: Path) -> tuple[str, ...]:
    """Return the files of the gateway's own sections, and its state: no worker may read them."""
    sections = post.model_dump(exclude={"devices", "roles", "file_times"})
    return tuple(sorted({str(path.absolute()), *map(str, _paths_in(sections))}))


def _paths_in(value: object) -> Iterator[Path]:
    """Yield every path in nested tables."""
    if isinstance(value, Path):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from _paths_in(each)
