"""Parked events: copies of events that a destination could not take, until they expire or are sent again."""

import sqlite3
from collections.abc import Iterable

import structlog

from gateway.contract.topics import Position, SiteTopics
from gateway.delivery.events import ParkedCopy, StoredEvent, Stream
from gateway.delivery.outbox.rows import DataKeys, RowStore

log = structlog.get_logger()

REASON_TEXTS = {
    0x80: "The broker ends the connection on it without a reason, and accepts others of its topic.",
    0x81: "The broker calls it malformed.",
    0x82: "The broker calls it an error of the protocol.",
    0x90: "The broker does not accept its topic.",
    0x95: "It is larger than the broker accepts: raise the broker's limit on the size of packets.",
    0x99: "The broker does not accept the format of its payload.",
}
"""Reasons for which an event is parked, in sentences, by reason code (MQTT 5, section 2.4)."""


class ParkedEvents:
    """Parked events in an open outbox. Images are not kept. Raises sqlite3.Error."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        rows: RowStore,
        keys: DataKeys,
        topics: SiteTopics,
        max_parked: int,
    ) -> None:
        self._connection = connection
        self._rows = rows
        self._keys = keys
        self._topics = topics
        self._max_parked = max_parked

    def add(self, destination: str, stream: Stream, entry: StoredEvent, reason: int) -> None:
        """Store a copy of an event; the oldest copies go when there are too many."""
        sealed = self._keys.encrypt(f"{stream.epoch}|{stream.name}|{entry.seq}", entry.payload)
        key, keyed = self._keys.current, self._rows.events_per_key
        with self._rows.transaction():
            self._connection.execute(
                "INSERT INTO parked (destination, epoch, stream, seq, id, type, reason, deadline, lifetime,"
                " born, synced, size, key, body, jws) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    destination,
                    stream.epoch,
                    stream.name,
                    entry.seq,
                    entry.event_id,
                    entry.event_type,
                    reason,
                    entry.deadline_ns,
                    entry.lifetime_ns,
                    entry.created_unix_ns,
                    entry.is_clock_synced,
                    len(entry.payload),
                    key,
                    sealed,
                    entry.jws,
                ),
            )
            keyed[key] = keyed.get(key, 0) + 1
            for (spent,) in self._connection.execute(
                "DELETE FROM parked WHERE n <= (SELECT max(n) FROM parked) - ? RETURNING key",
                (self._max_parked,),
            ).fetchall():
                keyed[spent] -= 1

    def to_resend(self) -> Iterable[ParkedCopy]:
        """Yield the events that `borderpost outbox retry` has marked, oldest first."""
        for n, destination, epoch, stream, seq, kind, deadline, key, body, jws in self._connection.execute(
            "SELECT n, destination, epoch, stream, seq, type, deadline, key, body, jws FROM parked"
            " WHERE resend = 1 ORDER BY n"
        ).fetchall():
            payload = self._keys.decrypt(key, f"{epoch}|{stream}|{seq}", body)
            if payload is None:
                log.error("parked_event_damaged", stream=stream, seq=seq)
                continue
            position = Position.parse(stream.rpartition("/")[0])
            topic = self._topics.event(position, kind)
            yield ParkedCopy(n, destination, seq, topic, payload, jws, deadline)

    def finish_resend(self, number: int, reason: int | None) -> None:
        """Delete an event that was delivered (None); store the reason of one that was refused again."""
        with self._rows.transaction():
            if reason is not None:
                self._connection.execute(
                    "UPDATE parked SET resend = 0, reason = ? WHERE n = ?", (reason, number)
                )
                return
            for (spent,) in self._connection.execute(
                "DELETE FROM parked WHERE n = ? RETURNING key", (number,)
            ).fetchall():
                self._rows.events_per_key[spent] -= 1
