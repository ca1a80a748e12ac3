"""Metrics of the post for Prometheus, without personal data. All metric names are defined here."""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from drivers.driver import Family, StateCode
from gateway.api.models import DeviceView, PostView
from gateway.contract.envelope import ClockStatus
from gateway.contract.states import Confinement, KeyStorage

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class _Post(Collector):
    def __init__(self, post: PostView) -> None:
        self._post = post

    def collect(self) -> Iterator[Metric]:
        yield from _gateway(self._post)
        yield from _delivery(self._post)
        yield from _devices(self._post.devices)
        yield from _counters(self._post.devices)


def exposition(post: PostView) -> bytes:
    """Return the post in Prometheus' text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Post(post))
    return generate_latest(registry)


def _gateway(post: PostView) -> Iterator[Metric]:
    report = post.report
    about = {
        "site": post.site, "gateway": post.gateway, "version": report.version, "profile": report.profile,
    }  # fmt: skip
    yield InfoMetricFamily("borderpost_gateway", "Identity of the gateway.", about)
    yield GaugeMetricFamily(
        "borderpost_gateway_start_time_seconds",
        "Start of this session, seconds since 1970.",
        report.since.timestamp(),
    )
    yield GaugeMetricFamily(
        "borderpost_clock_synced",
        "1 while the system clock is synchronized.",
        report.clock is ClockStatus.SYNCED,
    )
    confinement = GaugeMetricFamily(
        "borderpost_confinement", "1 for the present limits of driver workers.", labels=("level",)
    )
    for level in (Confinement.FULL, Confinement.PARTIAL, Confinement.NONE):
        confinement.add_metric((level.value,), level is report.confinement)
    yield confinement
    outbox_key = GaugeMetricFamily(
        "borderpost_outbox_key", "1 for the place of the key of the queued events.", labels=("storage",)
    )
    for storage in (KeyStorage.TPM, KeyStorage.MACHINE, KeyStorage.DISK, KeyStorage.OPERATOR):
        outbox_key.add_metric((storage.value,), storage is report.outbox_key)
    yield outbox_key
    problems = GaugeMetricFamily(
        "borderpost_problem", "1 for each present problem of the gateway.", labels=("cause",)
    )
    for problem in report.problems:
        problems.add_metric((problem.cause,), 1)
    yield problems


def _delivery(post: PostView) -> Iterator[Metric]:
    report = post.report
    yield CounterMetricFamily(
        "borderpost_events_dropped", "Events dropped because the outbox was full.", report.events_dropped
    )
    yield CounterMetricFamily(
        "borderpost_images_dropped",
        "Images dropped because the outbox was full, or for their size.",
        report.images_dropped,
    )
    connected = GaugeMetricFamily(
        "borderpost_destination_connected", "1 while the destination is connected.", labels=("destination",)
    )
    waiting = GaugeMetricFamily(
        "borderpost_destination_queued_events", "Events not acknowledged yet.", labels=("destination",)
    )
    parked = GaugeMetricFamily(
        "borderpost_destination_parked_events",
        "Events parked because the destination cannot accept them.",
        labels=("destination",),
    )
    expired = CounterMetricFamily(
        "borderpost_destination_expired_events",
        "Events that expired before delivery.",
        labels=("destination",),
    )
    for destination in report.destinations:
        name = (destination.name,)
        connected.add_metric(name, destination.connected)
        waiting.add_metric(name, destination.queued)
        parked.add_metric(name, destination.parked)
        expired.add_metric(name, destination.expired)
    yield from (connected, waiting, parked, expired)


def _devices(devices: tuple[DeviceView, ...]) -> Iterator[Metric]:
    about = InfoMetricFamily("borderpost_device", "Device at a position.", labels=("position",))
    states = GaugeMetricFamily(
        "borderpost_device_state", "1 for the present state, 0 for the others.", labels=("position", "state")
    )
    last_good = GaugeMetricFamily(
        "borderpost_device_last_good_read_timestamp_seconds",
        "Last good read, seconds since 1970.",
        labels=("position",),
    )
    withheld = GaugeMetricFamily(
        "borderpost_device_suppressed_events",
        "Events suppressed in maintenance or while awaiting acceptance.",
        labels=("position",),
    )
    claimed = GaugeMetricFamily(
        "borderpost_device_claimed", "1 while a station has claimed the device.", labels=("position",)
    )
    restarts = CounterMetricFamily(
        "borderpost_device_process_restarts", "Restarts of the device's worker.", labels=("position",)
    )
    cpu = CounterMetricFamily(
        "borderpost_device_process_cpu_seconds", "CPU time of the device's workers.", labels=("position",)
    )
    for device in devices:
        at = (device.position,)
        about.add_metric(at, {"driver": device.driver, "family": device.family, **_identity(device)})
        for state in StateCode:
            states.add_metric((device.position, state), state is device.state.state)
        if device.last_good_read_at is not None:
            last_good.add_metric(at, device.last_good_read_at.timestamp())
        withheld.add_metric(at, device.suppressed_events)
        claimed.add_metric(at, device.claim is not None)
        restarts.add_metric(at, device.restarts)
        cpu.add_metric(at, device.cpu_s)
    yield from (about, states, last_good, withheld, claimed, restarts, cpu)


def _counters(devices: tuple[DeviceView, ...]) -> Iterator[Metric]:
    """Yield the lifetime counters of serial numbers; a Prometheus counter must not be reset."""
    labels = ("position", "serial_number")
    reads = CounterMetricFamily("borderpost_device_reads", "Reads, good or bad.", labels=(*labels, "result"))
    online = CounterMetricFamily("borderpost_device_online_seconds", "Time online.", labels=labels)
    retries = CounterMetricFamily(
        "borderpost_device_open_failures", "Failed attempts to open the device.", labels=labels
    )
    lost = CounterMetricFamily(
        "borderpost_device_disconnects", "Disconnects while the device was open.", labels=labels
    )
    chips = CounterMetricFamily("borderpost_device_chip_reads", "Chips that were opened.", labels=labels)
    attempts = CounterMetricFamily(
        "borderpost_device_chip_attempts", "Number of times that a chip was opened.", labels=labels
    )
    chip_time = CounterMetricFamily(
        "borderpost_device_chip_read_seconds", "Time of all chip reads.", labels=labels
    )
    for device in devices:
        counted = device.counters.lifetime
        which = (device.position, _identity(device)["serial_number"])
        reads.add_metric((*which, "good"), counted.good_reads)
        reads.add_metric((*which, "bad"), counted.bad_reads)
        online.add_metric(which, counted.online_s)
        retries.add_metric(which, counted.open_failures)
        lost.add_metric(which, counted.disconnects)
        if device.family is Family.PASSPORT_READER:
            chips.add_metric(which, counted.chip_reads)
            attempts.add_metric(which, counted.chip_attempts)
            chip_time.add_metric(which, counted.chip_s)
    yield from (reads, online, retries, lost, chips, attempts, chip_time)


def _identity(device: DeviceView) -> dict[str, str]:
    known = device.identity
    return {
        "model": known.model if known else "",
        "serial_number": (known and known.serial_number) or "",
        "firmware": (known and known.firmware) or "",
    }
