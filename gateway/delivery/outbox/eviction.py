"""Bounds: what the log gives up when it holds more than it may."""

import sqlite3

from drivers.observation import DataClass
from gateway.delivery.events import LostEvent
from gateway.delivery.outbox.database import seq_from_key
from gateway.delivery.outbox.rows import RowStore
from gateway.delivery.settings import ClassSettings, OutboxSettings

EVICTION_SLACK = 100
"""When the outbox is full, one part in so many is freed beyond need, so that not every event pays for it."""


class EvictionPolicy:
    """Keeps the log within its settings. Everything here is part of a change that somebody else commits."""

    def __init__(self, connection: sqlite3.Connection, settings: OutboxSettings, rows: RowStore) -> None:
        self._connection = connection
        self._settings = settings
        self._rows = rows

    def _class_settings(self, data_class: DataClass) -> ClassSettings:
        return self._settings.record if data_class is DataClass.RECORD else self._settings.traveller

    def evict(self) -> list[LostEvent]:
        """Free what the bounds ask for. Images of travellers go first, then their events, records last."""
        losses: list[LostEvent] = []
        for data_class in (DataClass.TRAVELLER, DataClass.RECORD):
            limits, usage = self._class_settings(data_class), self._rows.usage[data_class]
            events, size = usage.events - limits.max_events, usage.size - limits.max_bytes
            if events > 0 or size > 0:
                losses += self._drop(data_class, events, limits.max_events, size, limits.max_bytes)
        for data_class in (DataClass.TRAVELLER, DataClass.RECORD):
            over = sum(usage.size for usage in self._rows.usage.values()) - self._settings.max_bytes
            if over > 0:
                losses += self._drop(data_class, 0, 0, over, self._settings.max_bytes)
        return losses

    def _drop(
        self, data_class: DataClass, events: int, of_events: int, size: int, of_size: int
    ) -> list[LostEvent]:
        """Free `events` and `size` of one class, and a little more, oldest first."""
        events += of_events // EVICTION_SLACK if events > 0 else 0
        size += of_size // EVICTION_SLACK if size > 0 else 0
        losses: list[LostEvent] = []
        if size > 0 and events <= 0 and data_class is DataClass.TRAVELLER:
            for k in self._oldest(data_class, with_blobs=True):
                size -= self._rows.drop_images(k)
                losses.append(LostEvent(k >> 40, seq_from_key(k), "images_dropped"))
                if size <= 0:
                    return losses
        for k in self._oldest(data_class, with_blobs=False):
            if events <= 0 and size <= 0:
                break
            size -= self._rows.delete(k)
            events -= 1
            losses.append(LostEvent(k >> 40, seq_from_key(k), "dropped"))
        return losses

    def _oldest(self, data_class: DataClass, *, with_blobs: bool) -> list[int]:
        """Keys of a class by age: ids only ever increase."""
        return [
            k
            for (k,) in self._connection.execute(
                "SELECT k FROM event WHERE k >> 40 IN (SELECT number FROM stream WHERE class = ?)"
                " AND blobs >= ? ORDER BY id LIMIT 10000",
                (str(data_class), int(with_blobs)),
            )
        ]
