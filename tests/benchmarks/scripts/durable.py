"""A short script that survives power cuts. Usage: durable.py PTY PORT FOLDER.

Lines are encrypted (AES-256-GCM), committed in groups (SQLite, WAL, synchronous=FULL), published with QoS 1,
deleted at PUBACK, and published again after a crash. No validation, no envelope, no numbering, no expiry, no
bounds, one device. A line `page N` means a page of three images of 2 MB, stored and sent before it.
"""

import os
import queue
import select
import sqlite3
import sys
import threading
from pathlib import Path

import paho.mqtt.client as mqtt
import serial
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

LIGHTS = [os.urandom(2_000_000) for _ in range(3)]

key = AESGCM(b"k" * 32)
inbox: "queue.SimpleQueue[bytes | tuple[int, mqtt.ReasonCode]]" = queue.SimpleQueue()
row_of: dict[int, int] = {}

client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
client.max_queued_messages_set(0)
client.on_publish = lambda _client, _data, mid, reason, _properties: inbox.put((mid, reason))
client.reconnect_delay_set(1, 2)
client.connect_async("127.0.0.1", int(sys.argv[2]))
client.loop_start()

Path(sys.argv[3]).mkdir(exist_ok=True)
db = sqlite3.connect(Path(sys.argv[3]) / "outbox.db", isolation_level=None)
for pragma in ("journal_mode=WAL", "synchronous=FULL", "secure_delete=ON"):
    db.execute(f"PRAGMA {pragma}")
db.execute("CREATE TABLE IF NOT EXISTS outbox (seq INTEGER PRIMARY KEY AUTOINCREMENT, topic TEXT, body BLOB)")


def listen() -> None:
    """Queue every line of the port."""
    port = serial.Serial(sys.argv[1], 115200, timeout=None)
    rest = b""
    while True:
        select.select([port.fd], [], [])
        *lines, rest = (rest + os.read(port.fd, 4096)).split(b"\n")
        for line in lines:
            inbox.put(line.strip())


def store(topic: str, body: bytes) -> tuple[int, str, bytes]:
    """Insert one encrypted message; return what to publish after the commit."""
    nonce = os.urandom(12)
    sealed = nonce + key.encrypt(nonce, body, None)
    seq = db.execute("INSERT INTO outbox (topic, body) VALUES (?, ?)", (topic, sealed)).lastrowid
    return int(seq or 0), topic, body


def publish(seq: int, topic: str, body: bytes) -> None:
    """Send, and store which row the acknowledgement is for."""
    row_of[client.publish(topic, body, qos=1).mid] = seq


for seq, topic, sealed in db.execute("SELECT seq, topic, body FROM outbox ORDER BY seq").fetchall():
    publish(seq, topic, key.decrypt(sealed[:12], sealed[12:], None))
threading.Thread(target=listen, daemon=True).start()
while True:
    items = [inbox.get()]
    while len(items) < 128 and not inbox.empty():
        items.append(inbox.get())
    acknowledged = [
        (seq,)
        for item in items
        if isinstance(item, tuple)
        and not item[1].is_failure
        and (seq := row_of.pop(item[0], None)) is not None
    ]
    lines = [item for item in items if isinstance(item, bytes)]
    if not lines and not acknowledged:
        continue
    db.execute("BEGIN IMMEDIATE")
    stored = []
    for line in lines:
        if line.startswith(b"page "):
            stored += [store(f"bench/durable/blob/{n}", light) for n, light in enumerate(LIGHTS)]
        stored.append(store("bench/durable", line))
    db.executemany("DELETE FROM outbox WHERE seq = ?", acknowledged)
    db.execute("COMMIT")
    for message in stored:
        publish(*message)
