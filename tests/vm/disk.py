"""A disk with a volatile write cache, served to QEMU over NBD, whose power can be cut.

Killing QEMU alone would keep in the host's page cache the data that the guest had written but never flushed,
which a real disk loses. Here a write stays in this process's memory until the guest flushes (or the cache is
full, when a real disk also writes out). At a cut each unflushed 512-byte sector survives or not at random, so
that writes are lost, torn and reordered as far as a disk's contract allows; flushed data stay. Of a sector
written twice between two flushes only the newest or the flushed version is seen.

Source: the NBD protocol (doc/proto.md of nbd), fixed newstyle with simple replies.
"""

import contextlib
import os
import random
import socket
import struct
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

SECTOR, BLOCK = 512, 4096
CACHE_BLOCKS = 64 * 1024 * 1024 // BLOCK
MAGIC, OPTION, REPLY = 0x4E42444D41474943, 0x49484156454F5054, 0x0003E889045565A9
FIXED_NEWSTYLE, NO_ZEROES = 1, 2
OPT_ABORT, OPT_GO = 2, 7
REP_ACK, REP_INFO, REP_UNSUPPORTED = 1, 3, 0x80000001
HAS_FLAGS, SEND_FLUSH, SEND_FUA = 1, 4, 8
READ, WRITE, DISCONNECT, FLUSH = 0, 1, 2, 3
FUA, EINVAL = 1, 22
REQUEST = struct.Struct(">IHHQQI")


@dataclass
class Counts:
    """Counters of the guest's requests, and of losses by cuts."""

    flushes: int = 0
    written: int = 0
    lost_sectors: int = 0
    kept_sectors: int = 0


class VolatileDisk:
    """One disk in `image`, at the UNIX socket `path`, for one host at a time."""

    def __init__(self, image: Path, path: Path) -> None:
        self.path = path
        self.counts = Counts()
        self._file = os.open(image, os.O_RDWR)
        self._size = os.fstat(self._file).st_size
        self._waiting: dict[int, bytearray] = {}
        """Blocks that were written and not flushed, by number."""
        self.unflushed = threading.Event()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(1)
        self._connection: socket.socket | None = None
        self._away = threading.Event()
        self._away.set()
        self._thread = threading.Thread(target=self._serve, name="disk")
        self._thread.start()

    def idle(self) -> None:
        """Wait until no client is connected, and all requests have been handled."""
        self._away.wait()

    def cut(self, seed: int) -> tuple[int, int]:
        """Cut the power, once QEMU is dead; return how many unflushed sectors survived, and not."""
        die, kept, lost = random.Random(seed), 0, 0
        # A cut may also lose all, or nothing: then nothing is torn.
        chance = die.choice((0.0, 0.5, 0.9))
        for number, block in self._waiting.items():
            for at in range(0, BLOCK, SECTOR):
                if die.random() < chance:
                    os.pwrite(self._file, block[at : at + SECTOR], number * BLOCK + at)
                    kept += 1
                else:
                    lost += 1
        self._waiting.clear()
        self.unflushed.clear()
        self.counts.kept_sectors += kept
        self.counts.lost_sectors += lost
        return kept, lost

    def close(self) -> None:
        """Stop listening."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        if self._connection is not None:
            with contextlib.suppress(OSError):
                self._connection.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()
        os.close(self._file)

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._connection = connection
            self._away.clear()
            # The power may be cut at any point.
            lost = contextlib.suppress(OSError, EOFError)
            with connection, connection.makefile("rb", buffering=1 << 18) as reader, lost:
                if self._negotiate(connection, reader):
                    while self._handle_request(connection, reader):
                        pass
            self._connection = None
            self._away.set()

    def _negotiate(self, connection: socket.socket, reader: BinaryIO) -> bool:
        connection.sendall(struct.pack(">QQH", MAGIC, OPTION, FIXED_NEWSTYLE | NO_ZEROES))
        _exactly(reader, 4)
        while True:
            _, option, length = struct.unpack(">QII", _exactly(reader, 16))
            _exactly(reader, length)

            def reply(kind: int, data: bytes = b"", option: int = option) -> None:
                connection.sendall(struct.pack(">QIII", REPLY, option, kind, len(data)) + data)

            match option:
                case 7:
                    reply(REP_INFO, struct.pack(">HQH", 0, self._size, HAS_FLAGS | SEND_FLUSH | SEND_FUA))
                    reply(REP_ACK)
                    return True
                case 2:
                    reply(REP_ACK)
                    return False
                case _:
                    reply(REP_UNSUPPORTED)

    def _handle_request(self, connection: socket.socket, reader: BinaryIO) -> bool:
        _, flags, kind, cookie, at, length = REQUEST.unpack(_exactly(reader, REQUEST.size))
        error, data = 0, b""
        match kind:
            case 0:
                data = self._read(at, length)
            case 1:
                self._write(at, _exactly(reader, length))
                if flags & FUA:
                    self._flush(range(at // BLOCK, (at + length + BLOCK - 1) // BLOCK))
            case 2:
                return False
            case 3:
                self.counts.flushes += 1
                self._flush(list(self._waiting))
            case _:
                error = EINVAL
        connection.sendall(struct.pack(">IIQ", 0x67446698, error, cookie) + data)
        return True

    def _read(self, at: int, length: int) -> bytes:
        data = bytearray(os.pread(self._file, length, at))
        for number in range(at // BLOCK, (at + length + BLOCK - 1) // BLOCK):
            if (block := self._waiting.get(number)) is not None:
                start = number * BLOCK
                low, high = max(at, start), min(at + length, start + BLOCK)
                data[low - at : high - at] = block[low - start : high - start]
        return bytes(data)

    def _write(self, at: int, data: bytes) -> None:
        self.counts.written += len(data)
        done = 0
        while done < len(data):
            number, offset = divmod(at + done, BLOCK)
            part = data[done : done + BLOCK - offset]
            if (block := self._waiting.get(number)) is None:
                block = bytearray(
                    BLOCK if len(part) == BLOCK else os.pread(self._file, BLOCK, number * BLOCK)
                )
                self._waiting[number] = block
            block[offset : offset + len(part)] = part
            done += len(part)
        self.unflushed.set()
        if len(self._waiting) > CACHE_BLOCKS:
            self._flush(list(self._waiting)[: CACHE_BLOCKS // 2])

    def _flush(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            if (block := self._waiting.pop(number, None)) is not None:
                os.pwrite(self._file, block, number * BLOCK)
        if not self._waiting:
            self.unflushed.clear()


def _exactly(reader: BinaryIO, length: int) -> bytes:
    data = reader.read(length)
    if len(data) != length:
        raise EOFError
    return data
