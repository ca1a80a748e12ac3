"""Cost of durable delivery: line in, Mosquitto subscriber out, ours and a hand-written durable script.

Both run as a child process that reads lines from its standard input and publishes each with QoS 1 after it is
on disk, encrypted: ours through `gateway.delivery`, the script in forty lines of sqlite3 and paho. A line has
its number and the time when it was written; the subscriber here records the time of its arrival.

    python tests/benchmarks/delivery_path.py [--lines 300] [--burst 5000] [--rounds 3] [--profile]
"""

import argparse
import asyncio
import json
import os
import queue
import re
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]

import paho.mqtt.client as mqtt  # noqa: E402
from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: E402
from support.brokers.mosquitto import Mosquitto  # noqa: E402

STAMP = re.compile(rb"(\d+),(\d+);")
FILLER = "x" * 500


def floor(port: int, directory: Path) -> None:
    """Run the hand-written script: group commit, WAL, synchronous=FULL, AES-GCM per row, delete on PUBACK."""
    key = AESGCM(b"k" * 32)
    inbox: queue.SimpleQueue[object] = queue.SimpleQueue()
    rows_of: dict[int, int] = {}
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
    client.max_queued_messages_set(0)
    client.on_publish = lambda _c, _u, mid, reason, _p: inbox.put((mid, reason))
    client.connect("127.0.0.1", port)
    client.loop_start()

    def read() -> None:
        rest = b""
        while chunk := os.read(0, 65536):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                inbox.put(line)
        inbox.put(None)

    db = sqlite3.connect(directory / "floor.db", isolation_level=None)
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "secure_delete=ON"):
        db.execute(f"PRAGMA {pragma}")
    db.execute("CREATE TABLE outbox (seq INTEGER PRIMARY KEY AUTOINCREMENT, body BLOB)")
    threading.Thread(target=read, daemon=True).start()
    while True:
        items = [inbox.get()]
        while len(items) < 128 and not inbox.empty():
            items.append(inbox.get())
        if None in items:
            os._exit(0)
        new = [item for item in items if isinstance(item, bytes)]
        done = [
            (row,)
            for item in items
            if isinstance(item, tuple)
            and not item[1].is_failure
            and (row := rows_of.pop(item[0], None)) is not None
        ]
        if not new and not done:
            continue
        db.execute("BEGIN IMMEDIATE")
        stored = []
        for body in new:
            nonce = os.urandom(12)
            sealed = nonce + key.encrypt(nonce, body, None)
            stored.append((db.execute("INSERT INTO outbox (body) VALUES (?)", (sealed,)).lastrowid, body))
        if done:
            db.executemany("DELETE FROM outbox WHERE seq = ?", done)
        db.execute("COMMIT")
        for row, body in stored:
            rows_of[client.publish("bgw/floor", body, qos=1).mid] = row


async def ours(port: int, directory: Path, in_flight: int, *, signed: bool) -> None:
    """Run the gateway's delivery with the same lines."""
    import structlog

    from drivers.observation import DataClass
    from gateway.contract.topics import SiteTopics
    from gateway.delivery.delivery import Delivery
    from gateway.delivery.events import PendingEvent
    from gateway.delivery.settings import (
        BrokerSettings,
        DeliverySettings,
        DestinationSettings,
        OutboxSettings,
    )

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    settings = DeliverySettings(
        outbox=OutboxSettings(directory=directory),
        destinations=(DestinationSettings.local(BrokerSettings(port=port), in_flight=in_flight),),
    )
    sign = None
    if signed:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        from gateway.pki.jws import Signer

        sign = Signer(Ed25519PrivateKey.generate()).sign
    delivery = Delivery(settings, SiteTopics("bench", "gw"), "bench", sign=sign)
    await delivery.start()
    ended = asyncio.Event()
    rest = b""

    def readable() -> None:
        nonlocal rest
        chunk = os.read(0, 65536)
        if not chunk:
            asyncio.get_running_loop().remove_reader(0)
            ended.set()
            return
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            delivery.submit(
                PendingEvent(
                    "lane-1/reader", "document.read", DataClass.TRAVELLER, b'{"data":"' + line + b'"', (), 600
                )
            )

    asyncio.get_running_loop().add_reader(0, readable)
    await ended.wait()
    await delivery.stop(10)


class Subscriber:
    """Counts arrivals with their times."""

    def __init__(self, port: int) -> None:
        self.arrived: dict[int, int] = {}
        self.latencies_ms: list[float] = []
        self._client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
        ready = threading.Event()
        self._client.on_subscribe = lambda *_: ready.set()
        self._client.on_message = self._take
        self._client.connect("127.0.0.1", port)
        self._client.subscribe("bgw/#", 0)
        self._client.loop_start()
        ready.wait(5)

    def _take(self, _client: object, _userdata: object, message: mqtt.MQTTMessage) -> None:
        now = time.monotonic_ns()
        if match := STAMP.search(message.payload):
            self.arrived[int(match[1])] = now
            self.latencies_ms.append((now - int(match[2])) / 1e6)

    def wait(self, count: int, timeout_s: float = 60) -> None:
        deadline = time.monotonic() + timeout_s
        while len(self.arrived) < count and time.monotonic() < deadline:
            time.sleep(0.002)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


def run(what: str, lines: int, burst: int, profile: bool = False) -> dict[str, float]:
    """Measure one candidate once."""
    with (
        Mosquitto("max_inflight_messages 100", "max_queued_messages 0") as broker,
        tempfile.TemporaryDirectory() as place,
    ):
        subscriber = Subscriber(broker.port)
        command = [sys.executable, *(["-m", "cProfile", "-s", "tottime"] if profile else [])]
        child = subprocess.Popen(
            [*command, __file__, "--child", what, str(broker.port), place],
            stdin=subprocess.PIPE,
            stdout=None if profile else subprocess.DEVNULL,
        )
        assert child.stdin is not None

        def send(number: int) -> None:
            child.stdin.write(f"{number},{time.monotonic_ns()};{FILLER}\n".encode())

        for number in range(5):  # warm up: connected, opened
            send(number)
        child.stdin.flush()
        subscriber.wait(5)
        subscriber.latencies_ms.clear()
        for number in range(5, 5 + lines):
            send(number)
            child.stdin.flush()
            time.sleep(0.05)
        subscriber.wait(5 + lines)
        steady = sorted(subscriber.latencies_ms)
        began = time.monotonic_ns()
        for number in range(5 + lines, 5 + lines + burst):
            send(number)
        child.stdin.flush()
        subscriber.wait(5 + lines + burst)
        took = (max(subscriber.arrived.values()) - began) / 1e9
        got = len(subscriber.arrived)
        child.stdin.close()
        child.wait(20)
        subscriber.close()
        result = {"lost": 5 + lines + burst - got, "burst_per_s": round(burst / took)}
        if steady:
            result |= {
                "p50_ms": round(statistics.median(steady), 3),
                "p99_ms": round(steady[int(len(steady) * 0.99)], 3),
            }
        return result


def main() -> None:
    """Measure all candidates in turn, and print a table and JSON."""
    if "--child" in sys.argv:
        what, port, place = sys.argv[2:5]
        if what == "floor":
            floor(int(port), Path(place))
        in_flight = int(what.partition("-")[2] or 20)
        asyncio.run(ours(int(port), Path(place), in_flight, signed=what.startswith("signed")))
        return
    parser = argparse.ArgumentParser()
    parser.add_argument("--lines", type=int, default=300)
    parser.add_argument("--burst", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--candidates", nargs="*", default=["floor", "ours", "signed"])
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    results: dict[str, list[dict[str, float]]] = {what: [] for what in options.candidates}
    for _ in range(options.rounds):
        for what in options.candidates:
            results[what].append(run(what, options.lines, options.burst, options.profile))
            print(what, results[what][-1], flush=True)
    print(json.dumps(results))


if __name__ == "__main__":
    main()
