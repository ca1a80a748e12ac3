"""Inside a device's process: what is kept for technicians costs nothing on an event's way."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest

from drivers.driver import BadFrame, Driver, Identity
from drivers.links.factory import LinkFactory
from drivers.links.link import Action, Cause, LinkError
from drivers.links.recording.usb_trace import Transfer, TransferType
from drivers.links.settings import Settings
from drivers.observation import Attachment, Outcome
from drivers.passport.observations import ReadFailed
from drivers.self_test import SelfTestContext, SelfTestLevel, SelfTestStep
from gateway.contract.envelope import Provenance
from gateway.ipc.rpc import RpcError
from gateway.worker import diagnostics as workbench
from gateway.worker.diagnostics import KEPT_EVENTS, WorkerDiagnostics
from gateway.worker.wire_tap import MAX_ITEMS_PER_S, WireTap, describe_bytes


async def test_a_burst_is_made_presentable_afterwards_and_only_the_last_of_it() -> None:
    bench = WorkerDiagnostics("lane-1/reader")
    for number in range(1000):
        bench.on_observation(number, Provenance.LIVE, BadFrame(str(number), b"wire"))
    assert not bench._rendered, "nothing is done on an event's way"

    tail = json.loads(await anext(bench.serve_request({"method": "last_events"}, b"")))
    assert not bench._pending
    assert [event["data"] for event in tail] == [
        {"fault": str(number), "size": 4} for number in range(1000 - KEPT_EVENTS, 1000)
    ]


async def test_images_are_let_go_soon() -> None:
    bench = WorkerDiagnostics("lane-1/camera")
    picture = Attachment.from_bytes("picture", "image/jpeg", bytes(9))
    bench.on_observation(1, Provenance.LIVE, BadFrame("first", b""))
    bench.on_observation(2, Provenance.LIVE, ReadFailed(fault="cut", size_bytes=1, attachments=(picture,)))
    async with asyncio.timeout(1):
        while bench._pending:
            await asyncio.sleep(0.01)
    assert [json.loads(view)["type"] for view in bench._rendered] == ["bad_frame", "document.read_failed"]


async def test_a_wire_is_free_when_nobody_looks_and_bounded_when_somebody_does() -> None:
    tap = WireTap()
    tap.on_chunk("in", b"unseen")
    seen = tap.subscribe(reveal=False)
    async with aclosing(seen):
        assert await anext(seen) == b"", "from here on"
        tap.on_chunk("out", b"\x05")
        item = json.loads(await anext(seen))
        assert (item["direction"], item["size"], item["hex"], item["summary"]) == ("out", 1, None, "ENQ")
        for _ in range(3 * MAX_ITEMS_PER_S):
            tap.on_chunk("in", b"x" * 90)
        async with asyncio.timeout(5):
            count, lost = 0, 0
            while lost == 0:
                count, lost = count + 1, json.loads(await anext(seen))["dropped"]
                tap.on_chunk("in", b"x" * 90)
                await asyncio.sleep(0)
        assert count <= MAX_ITEMS_PER_S
        assert lost
    tap.on_chunk("in", b"unseen again")


async def test_a_transfer_is_seen_once_though_it_is_tapped_twice() -> None:
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
def test_what_is_said_of_bytes_is_none_of_them(chunk: bytes, said: str) -> None:
    assert describe_bytes(chunk) == said


class Tried(Driver[Settings]):
    """A device that is tried."""

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
        yield SelfTestStep(name=f"lamp.{trial.level}", outcome=Outcome.SUCCESSFUL, text="It is lit.")
        if self.fails is not None:
            raise self.fails
        if self.waits:
            await asyncio.Event().wait()


async def tried(bench: WorkerDiagnostics, level: str = "internal") -> list[SelfTestStep]:
    answer = bench.serve_request({"method": "check", "level": level}, b"")
    return [SelfTestStep.model_validate_json(step) async for step in answer]


async def test_a_check_ends_whatever_the_device_does(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = WorkerDiagnostics("lane-1/reader", "1.0")
    with pytest.raises(RpcError, match="not there"):
        await tried(bench)
    driver = Tried(Settings(), LinkFactory())
    identity = await driver.open()
    bench.on_opened(driver, identity)

    steps = await tried(bench)
    assert [step.name for step in steps] == [
        "link.open",
        "identity.told",
        "identity.firmware",
        "lamp.internal",
    ]
    assert [step.outcome for step in steps] == ["successful", "not_supported", "failed", "successful"]
    with pytest.raises(RpcError, match="no check"):
        await tried(bench, "interactive")

    driver.fails = LinkError(Cause.NO_RESPONSE, "It fell silent.", Action.RESTART)
    assert [step.outcome for step in await tried(bench, "external")] == ["successful", "failed"]
    driver.fails, driver.waits = None, True
    running = asyncio.create_task(tried(bench, "external"))
    async with asyncio.timeout(5):
        while bench._check_timeout is None:
            await asyncio.sleep(0.01)
    with pytest.raises(RpcError, match="Another check"):
        await tried(bench)
    bench.on_closed()
    assert (await running)[-1].text == "The device went away."
    bench.on_opened(driver, identity)
    monkeypatch.setitem(workbench.CHECK_TIMEOUTS_S, "external", 0.05)
    assert (await tried(bench, "external"))[-1].outcome == "aborted"
