"""One event on its way: as a worker handed it up, as the outbox numbered it, and how it may be lost."""

from dataclasses import dataclass
from typing import Literal

from drivers.observation import DataClass


@dataclass(frozen=True, slots=True)
class Blob:
    """One image that is published before the event that lists it."""

    role: str
    media_type: str
    content: bytes


@dataclass(frozen=True, slots=True)
class PendingEvent:
    """One event as a worker process handed it up.

    `open_event` lacks what the outbox gives (see `gateway.contract.envelope.close_event`). `expires_s` is its
    life in seconds; None stands for what its class is given by the settings. It begins at `heard_ns`, by
    CLOCK_BOOTTIME: what waited for a slow disk has lived meanwhile. None: it begins with the commit.
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
    """One event with its number: what is stored, and what is sent.

    `deadline_ns` is a moment of the present boot (CLOCK_BOOTTIME), so no step of the wall clock moves it.
    `durable` is False while the disk is in trouble: such an event exists in memory only. `jws` is its
    signature, made once with its number, where the gateway signs.
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
    """What `seq` counts: a position and a delivery class within one epoch of the outbox."""

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
