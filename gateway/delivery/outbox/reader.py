"""Pages: a stream of the log read back, a piece at a time."""

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass

import structlog

from gateway.contract.topics import Position, SiteTopics
from gateway.delivery.events import Blob, Entry, Loss
from gateway.delivery.outbox.blobs import BlobFiles
from gateway.delivery.outbox.database import key_of, seq_of
from gateway.delivery.outbox.encryption import DataKeys
from gateway.delivery.outbox.rows import Level

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Page:
    """A piece of a stream, read back. What lies between the entries, up to `upto`, is gone."""

    entries: list[Entry]
    upto: int
    held: bool = False
    """Whether the next one waits because its age is unknown."""


class Pages:
    """Reads and opens what the log holds; changes nothing."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        levels: Mapping[int, Level],
        files: BlobFiles,
        topics: SiteTopics,
        keys: DataKeys,
    ) -> None:
        self._connection = connection
        self._levels = levels
        self._files = files
        self._topics = topics
        self._keys = keys

    def fetch(self, stream: int, after: int, limit: int, max_bytes: int) -> tuple[Page, list[Loss]]:
        """Read what follows `after` in a stream, at most `limit` events and about `max_bytes`."""
        level = self._levels.get(stream)
        if level is None:
            return Page([], after), []
        rows = self._connection.execute(
            "SELECT k, held, size, id, type, deadline, lifetime, born, synced, blobs, key, body, jws"
            " FROM event WHERE k > ? AND k <= ? ORDER BY k LIMIT ?",
            (key_of(stream, after), key_of(stream, level.stored), limit),
        )
        entries: list[Entry] = []
        losses: list[Loss] = []
        upto, taken, count = after, 0, 0
        for k, held, size, *columns in rows:
            if held or (entries and isinstance(size, int) and taken + size > max_bytes):
                rows.close()
                return Page(entries, upto, held=bool(held)), losses
            count += 1
            upto = seq_of(k)
            try:
                entry = self._entry(level, k, size, *columns)
            except (
                ValueError,
                TypeError,
            ):  # columns of another kind than was written: a file that was damaged
                entry = None
            if entry is None:
                losses.append(Loss(stream, upto, "damaged"))
                continue
            taken += entry.size
            entries.append(entry)
        return Page(entries, upto if count == limit else level.stored), losses

    def _entry(
        self,
        level: Level,
        k: int,
        size: int,
        event_id: str,
        kind: str,
        deadline: int,
        lifetime: int,
        born: int,
        synced: int,
        blobs: int,
        key: int,
        body: bytes,
        jws: str | None,
    ) -> Entry | None:
        """An event as it was stored; None, ValueError or TypeError where it is not any more."""
        payload = self._keys.open(key, f"{level.place}|{seq_of(k)}", body)
        numbers, texts = (size, deadline, lifetime, born), (event_id, kind, jws or "")
        sound = all(isinstance(n, int) for n in numbers) and all(isinstance(text, str) for text in texts)
        if payload is None or not sound:
            return None
        return Entry(
            stream=level.stream.number,
            seq=seq_of(k),
            event_id=event_id,
            event_type=kind,
            topic=self._topic(level, kind),
            payload=payload,
            deadline_ns=deadline,
            lifetime_ns=lifetime,
            born_unix_ns=born,
            synced=bool(synced),
            blobs=self._blobs(level, k) if blobs else (),
            size=size,
            jws=jws,
        )

    def _topic(self, level: Level, kind: str) -> str:
        topic = level.topics.get(kind)
        if topic is None:
            if set(kind) & set("+#/\0"):
                raise ValueError("no part of a topic")
            topic = self._topics.event(Position.parse(level.stream.position), kind)
            level.topics[kind] = topic
        return topic

    def _blobs(self, level: Level, k: int) -> tuple[Blob, ...]:
        blobs = []
        for part, role, media_type, key, file, body in self._connection.execute(
            "SELECT part, role, media_type, key, file, body FROM blob WHERE k = ? ORDER BY part", (k,)
        ):
            try:
                sealed = self._files.read(file) if file else body
                content = sealed and self._keys.open(key, f"{level.place}|{seq_of(k)}|{part}", sealed)
            except (ValueError, TypeError):
                content = None
            if content is None or not (isinstance(role, str) and isinstance(media_type, str)):
                log.error("image_damaged", stream=level.stream.name, seq=seq_of(k), role=role)
            else:
                blobs.append(Blob(role, media_type, content))
        return tuple(blobs)
