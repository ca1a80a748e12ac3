"""An event at each stage of delivery: pending, stored, lost; and the stream that numbers it."""

from dataclasses import dataclass
from typing import Literal

from drivers.observation import DataClass


@dataclass(frozen=True, slots=True)
class Blob:
    """One image; it is published before the event that lists it."""

    role: str
    media_type: str
    content: bytes


@dataclass(frozen=True, slots=True)
class PendingEvent:
    """One event as a worker process emitted it.

    `partial_event` is completed with id, epoch, stream and seq (`gateway.contract.envelope.complete_event`).
    `expires_s` is its lifetime in seconds; None: the lifetime of its class from the settings. The lifetime
    begins at `received_boot_ns` (CLOCK_BOOTTIME), so waiting for a slow disk counts; None: it begins with the
    commit.
    """

    position: str
    event_type: str
    data_class: DataClass
    partial_event: bytes
    blobs: tuple[Blob, ...] = ()
    expires_s: float | None = None
    received_boot_ns: int | None = None


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """One numbered event, as it is stored and sent.

    `deadline_ns` is a time of the present boot (CLOCK_BOOTTIME); steps of the wall clock do not change it.
    `is_durable` is False while the disk is in trouble: the event then exists in memory only. `jws` is the
    signature of the payload, made once; None where the gateway does not sign.
    """

    stream: int
    seq: int
    event_id: str
    event_type: str
    topic: str
    payload: bytes
    deadline_ns: int
    lifetime_ns: int
    created_unix_ns: int
    is_clock_synced: bool
    blobs: tuple[Blob, ...]
    size: int
    is_durable: bool = True
    jws: str | None = None


@dataclass(frozen=True, slots=True)
class Stream:
    """Scope of `seq`: one position and delivery class within one epoch of the outbox."""

    number: int
    epoch: str
    name: str
    data_class: DataClass

    @property
    def position(self) -> str:
        """Lane and device: the name without its class."""
        return self.name.rpartition("/")[0]


@dataclass(frozen=True, slots=True)
class LostEvent:
    """An event, or its images, that will not be delivered."""

    stream: int
    seq: int
    kind: Literal["expired", "dropped", "images_dropped", "damaged"]


@dataclass(frozen=True, slots=True)
class ParkedCopy:
    """A parked event that is sent to its destination again, without images."""

    number: int
    """Number of the row."""
    destination: str
    seq: int
    topic: str
    payload: bytes
    jws: str | None
    deadline_ns: int
