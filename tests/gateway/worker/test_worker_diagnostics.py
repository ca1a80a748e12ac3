"""Diagnostics in a worker: rendering and traces cost nothing per event."""

import asyncio
import json
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest
from pytest_mock import MockerFixture
from support.patience import PATIENCE_S

from drivers.driver import BadFrame, Driver, Identity
from drivers.links.factory import LinkFactory
from drivers.links.link import Action, Cause, LinkError
from drivers.links.recording.usb_trace import Transfer, TransferType
from drivers.links.settings import Settings
from drivers.observation import Attachment, Observation, Outcome
from drivers.passport.observations import ReadFailed
from drivers.self_test import SelfTestContext, SelfTestLevel, SelfTestStep
from gateway.contract.envelope import Provenance
from gateway.ipc.rpc import RpcError
from gateway.worker import diagnostics as diagnostics_module
from gateway.worker.diagnostics import KEPT_EVENTS, WorkerDiagnostics
from gateway.worker.wire_tap import EARLY_BYTES, MAX_ITEMS_PER_S, WireTap, describe_bytes


def note(diagnostics: WorkerDiagnostics, unix_ns: int, observation: Observation | BadFrame) -> None:
    """Add an observation as the worker does."""
    diagnostics.pending.append((0, unix_ns, Provenance.LIVE, observation))
    diagnostics.on_observation(observation)


async def test_burst_renders_only_last_events_later() -> None:
    diagnostics = WorkerDiagnostics("lane-1/reader")
    for number in range(1000):
        note(diagnostics, number, BadFrame(str(number), b"wire"))
    assert not diagnostics._rendered, "nothing is rendered per event"

    tail = json.loads(await anext(diagnostics.serve_request({"method": "last_events"}, b"")))
    assert not diagnostics.pending
    assert [event["data"] for event in tail] == [
        {"fault": str(number), "size": 4} for number in range(1000 - KEPT_EVENTS, 1000)
    ]


async def test_images_are_released_soon() -> None:
    diagnostics = WorkerDiagnostics("lane-1/camera")
    picture = Attachment.from_bytes("picture", "image/jpeg", bytes(9))
    note(diagnostics, 1, BadFrame("first", b""))
    note(diagnostics, 2, ReadFailed(fault="cut", size_bytes=1, attachments=(picture,)))
    async with asyncio.timeout(1):
        while diagnostics.pending:
            await asyncio.sleep(0.01)
    assert [json.loads(view)["type"] for view in diagnostics._rendered] == [
        "bad_frame",
        "document.read_failed",
    ]


async def test_trace_is_bounded_and_free_when_unused() -> None:
    tap = WireTap()
    tap.on_chunk("in", b"unseen")
    seen = tap.subscribe(reveal=False)
    async with aclosing(seen):
        assert await anext(seen) == b"", "the trace starts here"
        tap.on_chunk("out", b"\x05")
        item = json.loads(await anext(seen))
        assert (item["direction"], item["size"], item["hex"], item["summary"]) == ("out", 1, None, "ENQ")
        for _ in range(3 * MAX_ITEMS_PER_S):
            tap.on_chunk("in", b"x" * 90)
        async with asyncio.timeout(PATIENCE_S):
            count, lost = 0, 0
            while lost == 0:
                count, lost = count + 1, json.loads(await anext(seen))["dropped"]
                tap.on_chunk("in", b"x" * 90)
                await asyncio.sleep(0)
        assert count <= MAX_ITEMS_PER_S
        assert lost
    tap.on_chunk("in", b"unseen again")


async def test_early_bytes_reach_later_watchers() -> None:
    tap, began_s = WireTap(), time.monotonic() - 5
    tap.keep_early()
    tap.on_chunk("out", b"\x05")
    await asyncio.sleep(0)
    async with aclosing(tap.subscribe(reveal=True, began_s=began_s)) as seen:
        assert await anext(seen) == b""
        tap.on_chunk("in", b"\x06")
        items = [json.loads(await anext(seen)) for _ in range(2)]
    assert [(item["direction"], item["hex"]) for item in items] == [("out", "05"), ("in", "06")]
    assert 5 <= items[0]["at_s"] <= items[1]["at_s"]
    async with aclosing(tap.subscribe(reveal=False)) as hidden:
        assert await anext(hidden) == b""
        assert json.loads(await anext(hidden))["hex"] is None


async def test_early_bytes_are_bounded(mocker: MockerFixture) -> None:
    mocker.patch("gateway.worker.wire_tap.EARLY_S", 0.01)
    tap = WireTap()
    tap.keep_early()
    for _ in range(3):
        tap.on_chunk("in", bytes(EARLY_BYTES // 2))
    await asyncio.sleep(0)
    assert tap._early is not None
    assert len(tap._early) == 2
    async with asyncio.timeout(PATIENCE_S):
        while tap._early is not None:
            await asyncio.sleep(0.005)


async def test_transfer_tapped_twice_appears_once() -> None:
    tap = WireTap()
    data = bytes(64)
    seen = tap.subscribe(reveal=True)
    async with aclosing(seen):
        assert await anext(seen) == b""
        tap.on_transfer(
            Transfer(1, "complete", TransferType.BULK, 0x81, 1, 7, 5, status=0, length=64, data=data)
        )
        tap.on_chunk("in", data)
        tap.on_chunk("in", b"\x06")
        items = [json.loads(await anext(seen)), json.loads(await anext(seen))]
    assert [(item["size"], item["summary"]) for item in items] == [(64, "binary"), (1, "ACK")]
    assert items[0]["hex"] == data.hex(" ")
    assert items[0]["transfer"] | {"setup": ""} == {
        "id": 1,
        "stage": "complete",
        "kind": "bulk",
        "endpoint": 0x81,
        "bus": 1,
        "device": 7,
        "at_ns": 5,
        "status": 0,
        "length": 64,
        "setup": "",
    }


@pytest.mark.parametrize(
    ("chunk", "said"),
    [
        (b"", ""),
        (b"\x06", "ACK"),
        (b"A", "one byte"),
        (b"\x02WANJIKU<<GRACE\rL8988901\r\x03", "text, 2 lines, STX to ETX"),
        (b"WANJIKU\r\n", "text, 1 line"),
        (bytes(range(128, 200)), "binary"),
    ],
)
def test_described_bytes_are_not_disclosed(chunk: bytes, said: str) -> None:
    assert describe_bytes(chunk) == said


class Tried(Driver[Settings]):
    """A driver with a self-test."""

    settings_model = Settings
    observation_types = ()
    self_test_levels = (SelfTestLevel.INTERNAL, SelfTestLevel.EXTERNAL)
    fails: Exception | None = None
    waits = False

    async def open(self) -> Identity:
        return Identity(model="tried", firmware="1.1")

    async def watch(self):
        yield BadFrame("never", b"")

    async def self_test(self, trial: SelfTestContext) -> AsyncGenerator[SelfTestStep]:
        yield SelfTestStep(name=f"lamp.{trial.level}", outcome=Outcome.SUCCESSFUL, text="The lamp is on.")
        if self.fails is not None:
            raise self.fails
        if self.waits:
            await asyncio.Event().wait()


async def tried(diagnostics: WorkerDiagnostics, level: str = "internal") -> list[SelfTestStep]:
    answer = diagnostics.serve_request({"method": "check", "level": level}, b"")
    return [SelfTestStep.model_validate_json(step) async for step in answer]


async def test_self_test_always_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    diagnostics = WorkerDiagnostics("lane-1/reader", "1.0")
    with pytest.raises(RpcError, match="not connected"):
        await tried(diagnostics)
    driver = Tried(Settings(), LinkFactory())
    identity = await driver.open()
    diagnostics.on_opened(driver, identity)

    steps = await tried(diagnostics)
    assert [step.name for step in steps] == [
        "link.open",
        "identity.reported",
        "identity.firmware",
        "lamp.internal",
    ]
    assert [step.outcome for step in steps] == ["successful", "not_supported", "failed", "successful"]
    with pytest.raises(RpcError, match="no self-test"):
        await tried(diagnostics, "interactive")

    driver.fails = LinkError(Cause.NO_RESPONSE, "It stopped responding.", Action.RESTART)
    assert [step.outcome for step in await tried(diagnostics, "external")] == ["successful", "failed"]
    driver.fails, driver.waits = None, True
    running = asyncio.create_task(tried(diagnostics, "external"))
    async with asyncio.timeout(PATIENCE_S):
        while diagnostics._check_timeout is None:
            await asyncio.sleep(0.01)
    with pytest.raises(RpcError, match="Another self-test"):
        await tried(diagnostics)
    diagnostics.on_closed()
    assert (await running)[-1].text == "The device was disconnected."
    diagnostics.on_opened(driver, identity)
    monkeypatch.setitem(diagnostics_module.CHECK_TIMEOUTS_S, "external", 0.05)
    assert (await tried(diagnostics, "external"))[-1].outcome == "aborted"
