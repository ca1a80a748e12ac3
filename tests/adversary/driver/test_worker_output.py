"""A worker that was taken over: what it may make the daemon publish, and how much."""

import asyncio
import hashlib
import json
import time
from typing import Any

import psutil
import pytest
from support.gateway.workers import WorkerFixture, worker_fixture
from support.patience import PATIENCE_S

from drivers.driver import StateCode
from drivers.links.link import Action, Cause
from gateway.ipc.frames import FrameType
from gateway.supervision.supervisor import WorkerLimits
from simulators.links.serial_line import SerialLine

__all__ = ["worker_fixture"]

BARRIER, NEIGHBOUR = "lane-1/barrier", "lane-2/reader"
MIB = 1024 * 1024
PATIENT = WorkerLimits(heartbeat_timeout_s=15, stop_timeout_s=2)
"""A worker that sends 50 MiB on a busy machine may be silent for longer than most tests allow."""
PASSPORT = {
    "specversion": "1.0",
    "source": "/bgw/uto-test/gw-1/lane-2/reader",
    "type": "bgw.document.read.v1",
    "provenance": "live",
    "data": {"mrz": {"primary_identifier": "FORGED"}},
}


def now_ns() -> int:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def event_head(**changes: Any) -> dict[str, Any]:
    """Return the head of an event that the driver may send."""
    head = {"type": "test.opened", "class": "record", "boot_ns": now_ns()}
    return head | {"transaction": "t-1", "provenance": "live"} | changes


async def forging(workers: WorkerFixture) -> SerialLine:
    wire = await workers.device(BARRIER, "forging", limits=PATIENT)
    await workers.notebook.state(StateCode.ONLINE, BARRIER)
    await wire.wait_for_host()
    return wire


async def order(wire: SerialLine, kind: FrameType, **fields: Any) -> None:
    await wire.send(json.dumps({"kind": kind, **fields}).encode() + b"\n")


async def refused(workers: WorkerFixture) -> str:
    """Wait until the worker was ended for its output; return the cause's text."""
    ended = await workers.notebook.state(StateCode.FAULT, BARRIER)
    assert (ended.cause, ended.action) == (Cause.WORKER_VIOLATION, Action.CALL_SUPPORT)
    return ended.text


FORGERIES: dict[str, tuple[FrameType, dict[str, Any], str]] = {
    "another_type": (FrameType.EVENT, event_head(type="document.read"), json.dumps(PASSPORT["data"])),
    "no_type": (FrameType.EVENT, event_head(type="flood/1"), "{}"),
    "no_json": (FrameType.EVENT, event_head(), "no JSON"),
    "whole_envelope": (FrameType.EVENT, event_head(), json.dumps(PASSPORT)[:-1]),
    "other_fields": (FrameType.EVENT, event_head(), '{"number":1,"attachments":[],"mrz":"FORGED"}'),
    "future": (FrameType.EVENT, event_head(boot_ns=now_ns() + 10**15), '{"number":1}'),
    "before_birth": (FrameType.EVENT, event_head(boot_ns=1), '{"number":1}'),
    "time_of_text": (FrameType.EVENT, event_head(boot_ns="now"), '{"number":1}'),
    "image_not_sent": (
        FrameType.EVENT,
        event_head(),
        json.dumps(
            {
                "number": 1,
                "attachments": [{"role": "page", "media_type": "image/png", "bytes": 1, "sha256": "0" * 64}],
            }
        ),
    ),
    "topic_of_last_value": (FrameType.LAST_VALUE, {"type": "flood/1"}, '{"data":1'),
    "wildcard": (FrameType.LAST_VALUE, {"type": "x/#"}, '{"data":1'),
    "state_of_gateway": (FrameType.STATE, {"state": "maintenance"}, ""),
    "state_with_field": (FrameType.STATE, {"state": "online", "session": "forged"}, ""),
    "identity": (FrameType.IDENTITY, {"model": "m", "owner": "me"}, ""),
    "counters": (FrameType.HEARTBEAT, {"good_reads": "many", "last_good_read_ns": 0}, ""),
    "unknown_counter": (FrameType.HEARTBEAT, {"wages": 5, "last_good_read_ns": 0}, ""),
    "answer_of_nothing": (FrameType.COMMAND_RESULT, {}, ""),
    "kind_of_daemon": (FrameType.STOP, {}, ""),
}


@pytest.mark.parametrize("forgery", FORGERIES)
async def test_forged_frame_ends_worker(worker_fixture: WorkerFixture, forgery: str) -> None:
    wire = await forging(worker_fixture)
    kind, head, body = FORGERIES[forgery]
    await order(wire, kind, head=head, body=body)
    text = await refused(worker_fixture)
    assert "FORGED" not in text + worker_fixture.log
    assert worker_fixture.notebook.events == []
    assert worker_fixture.notebook.last_values == {}


@pytest.mark.parametrize("digest", ["0" * 64, hashlib.sha256(b"xx").hexdigest()])
async def test_image_with_other_hash_refused(worker_fixture: WorkerFixture, digest: str) -> None:
    """An event's signature covers its images by their hashes: so a hash of other bytes is never signed."""
    wire = await forging(worker_fixture)
    image = {"role": "page", "media_type": "image/png"}
    declared = {"number": 1, "attachments": [image | {"bytes": 2, "sha256": digest}]}
    await order(wire, FrameType.BLOB, head=image, zeros=2)
    await order(wire, FrameType.EVENT, head=event_head(), body=json.dumps(declared))
    assert "an image whose hash" in await refused(worker_fixture)
    assert worker_fixture.notebook.events == []


async def test_image_with_its_hash_accepted(worker_fixture: WorkerFixture) -> None:
    wire = await forging(worker_fixture)
    image = {"role": "page", "media_type": "image/png"}
    digest = hashlib.sha256(bytes(2)).hexdigest()
    declared = {"number": 1, "attachments": [image | {"bytes": 2, "sha256": digest}]}
    await order(wire, FrameType.BLOB, head=image, zeros=2)
    await order(wire, FrameType.EVENT, head=event_head(), body=json.dumps(declared))
    await worker_fixture.notebook.until(lambda: len(worker_fixture.notebook.events) == 1)
    assert worker_fixture.notebook.events[0][1].images[0].content == bytes(2)


async def test_daemon_writes_envelope(worker_fixture: WorkerFixture) -> None:
    wire = await forging(worker_fixture)
    head = event_head(source="/bgw/ke-busia/gw-9/lane-9/reader", **{"class": "traveller"})
    before = now_ns()
    await order(wire, FrameType.EVENT, head=head | {"boot_ns": before}, body='{ "number": 1 }')
    await worker_fixture.notebook.until(lambda: len(worker_fixture.notebook.events) == 1)
    (where, heard), *_ = worker_fixture.notebook.events
    event = json.loads(heard.partial_event + b"}")
    assert (where, heard.event_type, heard.data_class) == (BARRIER, "test.opened", "record")
    assert event["source"] == "/bgw/uto-test/gw-1/lane-1/barrier"
    assert event["provenance"] == "simulated", "the daemon sees that the node is a pty"
    assert event["monons"] == str(before)
    assert event["data"] == {"number": 1, "attachments": []}
    last_value = json.loads(worker_fixture.notebook.last_values[BARRIER, "test.opened"])
    assert (last_value["provenance"], last_value["data"]) == ("simulated", event["data"])


FLOODS: dict[str, dict[str, Any]] = {
    "events": {"kind": FrameType.EVENT, "head": event_head(boot_ns=0), "body": '{"number":1}', "times": 5000},
    "images": {"kind": FrameType.BLOB, "head": {"role": "p", "media_type": "image/png"}, "times": 17},
    "image_bytes": {
        "kind": FrameType.BLOB,
        "head": {"role": "p", "media_type": "image/png"},
        "zeros": 10 * MIB,
        "times": 5,
    },
    "one_image": {
        "kind": FrameType.BLOB,
        "head": {"role": "p", "media_type": "image/png"},
        "zeros": 50 * MIB,
    },
    "last_value": {
        "kind": FrameType.EVENT,
        "head": event_head(boot_ns=0),
        "body": '{"number":1' + " " * 64 * 1024 + "}",
    },
    "long_last_value": {"kind": FrameType.LAST_VALUE, "head": {}, "zeros": 65 * 1024},
    "states": {"kind": FrameType.STATE, "head": {"state": "online"}, "times": 5000},
    "heartbeats": {"kind": FrameType.HEARTBEAT, "head": {}, "zeros": 2 * MIB},
    "chunks": {"kind": FrameType.RESPONSE_CHUNK, "head": {"request_id": 1}, "zeros": 30 * MIB},
}


@pytest.mark.parametrize("flood", FLOODS)
async def test_flood_ends_worker(worker_fixture: WorkerFixture, flood: str) -> None:
    wire = await forging(worker_fixture)
    neighbour = await worker_fixture.device(NEIGHBOUR, limits=PATIENT)
    await worker_fixture.notebook.state(StateCode.ONLINE, NEIGHBOUR)
    await neighbour.wait_for_host()
    memory = psutil.Process().memory_info().rss
    fields = dict(FLOODS[flood])
    if fields.get("head", {}).get("boot_ns") == 0:
        fields["head"] = fields["head"] | {"boot_ns": now_ns()}
    await order(wire, **fields)
    await refused(worker_fixture)
    assert psutil.Process().memory_info().rss - memory < 150 * MIB
    await neighbour.send(b"say 7\n")
    await worker_fixture.notebook.until(lambda: worker_fixture.notebook.numbers(NEIGHBOUR) == [7])
    assert worker_fixture.devices[NEIGHBOUR].restarts == 0


async def test_ended_worker_waits_longer(worker_fixture: WorkerFixture) -> None:
    """A worker that does it again and again is started at growing intervals, and works in between."""
    wire = await forging(worker_fixture)
    for _ in range(3):
        await order(wire, FrameType.STOP, head={})
        await refused(worker_fixture)
        await worker_fixture.notebook.state(StateCode.ONLINE, BARRIER)
        await wire.wait_for_host()
    await order(wire, FrameType.EVENT, head=event_head(), body='{"number":3}')
    async with asyncio.timeout(PATIENCE_S):
        await worker_fixture.notebook.until(lambda: len(worker_fixture.notebook.events) == 1)
