"""Reads a stream of the log back, page by page."""

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass

import structlog

from gateway.contract.topics import Position, SiteTopics
from gateway.delivery.events import Blob, LostEvent, StoredEvent
from gateway.delivery.outbox.blobs import BlobFiles
from gateway.delivery.outbox.rows import DataKeys, StreamPosition, row_key, seq_from_key

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Page:
    """Events of a stream, in order. Numbers missing between them, up to `upto`, are not in the log."""

    entries: list[StoredEvent]
    upto: int
    held: bool = False
    """True: the next event is held because its age is unknown."""


class OutboxReader:
    """Reads and decrypts events; changes nothing."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        positions: Mapping[int, StreamPosition],
        files: BlobFiles,
        topics: SiteTopics,
        keys: DataKeys,
    ) -> None:
        self._connection = connection
        self._positions = positions
        self._files = files
        self._topics = topics
        self._keys = keys

    def fetch(self, stream: int, after: int, limit: int, max_bytes: int) -> tuple[Page, list[LostEvent]]:
        """Read what follows `after` in a stream, at most `limit` events and about `max_bytes`."""
        position = self._positions.get(stream)
        if position is None:
            return Page([], after), []
        rows = self._connection.execute(
            "SELECT k, held, size, id, type, deadline, lifetime, born, synced, blobs, key, body, jws"
            " FROM event WHERE k > ? AND k <= ? ORDER BY k LIMIT ?",
            (row_key(stream, after), row_key(stream, position.stored_events), limit),
        )
        entries: list[StoredEvent] = []
        losses: list[LostEvent] = []
        upto, taken, count = after, 0, 0
        for k, held, size, *columns in rows:
            if held or (entries and isinstance(size, int) and taken + size > max_bytes):
                rows.close()
                return Page(entries, upto, held=bool(held)), losses
            count += 1
            upto = seq_from_key(k)
            try:
                entry = self._entry(position, k, size, *columns)
            except (
                ValueError,
                TypeError,
            ):  # Columns of another type than was written: the file is damaged.
                entry = None
            if entry is None:
                losses.append(LostEvent(stream, upto, "damaged"))
                continue
            taken += entry.size
            entries.append(entry)
        return Page(entries, upto if count == limit else position.stored_events), losses

    def _entry(
        self,
        position: StreamPosition,
        k: int,
        size: int,
        event_id: str,
        kind: str,
        deadline: int,
        lifetime: int,
        created_ns: int,
        synced: int,
        blobs: int,
        key: int,
        body: bytes,
        jws: str | None,
    ) -> StoredEvent | None:
        """Decrypt one event; None, ValueError or TypeError if it is damaged."""
        payload = self._keys.decrypt(key, f"{position.seal_context}|{seq_from_key(k)}", body)
        numbers, texts = (size, deadline, lifetime, created_ns), (event_id, kind, jws or "")
        sound = all(isinstance(n, int) for n in numbers) and all(isinstance(text, str) for text in texts)
        if payload is None or not sound:
            return None
        return StoredEvent(
            stream=position.stream.number,
            seq=seq_from_key(k),
            event_id=event_id,
            event_type=kind,
            topic=self._topic(position, kind),
            payload=payload,
            deadline_ns=deadline,
            lifetime_ns=lifetime,
            created_unix_ns=created_ns,
            is_clock_synced=bool(synced),
            blobs=self._blobs(position, k) if blobs else (),
            size=size,
            jws=jws,
        )

    def _topic(self, position: StreamPosition, kind: str) -> str:
        topic = position.topics.get(kind)
        if topic is None:
            if set(kind) & set("+#/\0"):
                raise ValueError("no part of a topic")
            topic = self._topics.event(Position.parse(position.stream.position), kind)
            position.topics[kind] = topic
        return topic

    def _blobs(self, position: StreamPosition, k: int) -> tuple[Blob, ...]:
        blobs = []
        for part, role, media_type, key, file, body in self._connection.execute(
            "SELECT part, role, media_type, key, file, body FROM blob WHERE k = ? ORDER BY part", (k,)
        ):
            try:
                sealed = self._files.read(file) if file else body
                content = sealed and self._keys.decrypt(
                    key, f"{position.seal_context}|{seq_from_key(k)}|{part}", sealed
                )
            except (ValueError, TypeError):
                content = None
            if content is None or not (isinstance(role, str) and isinstance(media_type, str)):
                log.error("image_damaged", stream=position.stream.name, seq=seq_from_key(k), role=role)
            else:
                blobs.append(Blob(role, media_type, content))
        return tuple(blobs)
