"""What a device's own process tells technicians: its last events, what it says now, its wire, checks of it.

Nothing personal leaves the process by this way, but for a wire that is looked at with `reveal`. None of it is
done on an event's way: what was said is made presentable when the event has been handed up.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import structlog
from pydantic_core import to_json

from drivers.command import CommandFailure, CommandRefusal
from drivers.driver import BadFrame, Driver, Identity
from drivers.links.link import LinkError
from drivers.links.settings import Settings
from drivers.observation import Observation, Outcome, redact
from drivers.self_test import SelfTestContext, SelfTestLevel, SelfTestStep
from gateway.contract.envelope import Provenance, to_rfc3339
from gateway.ipc.rpc import BoundedStream, RpcError
from gateway.worker.wire_tap import DescribeChunk, WireTap

log = structlog.get_logger()

KEPT_EVENTS = 20
RENDER_DELAY_S, RENDER_DELAY_IMAGES_S = 30.0, 0.1
"""How long what was said waits to be made presentable, in seconds: of what comes quicker, only the last are.

What has images does not wait long, because they weigh. Who asks does not wait at all. Nobody's data stay here
for longer.
"""
CHECK_TIMEOUTS_S = {"internal": 30.0, "external": 30.0, "interactive": 75.0}
"""What a check of a level may take, in seconds."""


class WorkerDiagnostics:
    """What one worker knows of its device that a technician may."""

    def __init__(
        self,
        position: str,
        expect_firmware: str | None = None,
        describe_chunk: DescribeChunk = lambda _direction, _chunk: "",
    ) -> None:
        self._position = position
        self._expect_firmware = expect_firmware
        self.wire_tap = WireTap(describe_chunk)
        self._pending: deque[tuple[int, int, Provenance, Observation | BadFrame]] = deque(maxlen=KEPT_EVENTS)
        self._rendered: deque[bytes] = deque(maxlen=KEPT_EVENTS)
        self._render_timer: asyncio.TimerHandle | None = None
        self._subscribers: list[BoundedStream] = []
        self._check_observations: asyncio.Queue[Observation] | None = None
        """What is said while a check runs."""
        self._check_timeout: asyncio.Timeout | None = None
        self._device: tuple[Driver[Settings], Identity] | None = None

    def on_opened(self, driver: Driver[Settings], identity: Identity) -> None:
        """A device is there that can be checked."""
        self._device = driver, identity

    def on_closed(self) -> None:
        """It is not there any more; a check of it is over."""
        self._device = None
        if self._check_timeout is not None:
            self._check_timeout.reschedule(asyncio.get_running_loop().time())

    def on_observation(
        self,
        unix_ns: int,
        provenance: Provenance,
        observation: Observation | BadFrame,
        received_boot_ns: int = 0,
    ) -> None:
        """Take note of what has been handed up; `heard_ns`: when an event was heard, since boot."""
        self._pending.append((received_boot_ns, unix_ns, provenance, observation))
        if self._check_observations is not None and isinstance(observation, Observation):
            self._check_observations.put_nowait(observation)
        if self._subscribers:
            self._render_pending()
        elif isinstance(observation, Observation) and observation.attachments:
            self._render_within(RENDER_DELAY_IMAGES_S)
        elif self._render_timer is None:
            self._render_within(RENDER_DELAY_S)

    def _render_within(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        due_s = loop.time() + seconds
        if self._render_timer is not None:
            if self._render_timer.when() <= due_s:
                return
            self._render_timer.cancel()
        self._render_timer = loop.call_at(due_s, self._render_pending)

    def _render_pending(self) -> None:
        if self._render_timer is not None:
            self._render_timer.cancel()
            self._render_timer = None
        while self._pending:
            heard_ns, unix_ns, provenance, what = self._pending.popleft()
            view = self._view(unix_ns, provenance, what)
            self._rendered.append(view)
            for watcher in self._subscribers:
                watcher.append(heard_ns.to_bytes(8) + view)

    def _view(self, unix_ns: int, provenance: Provenance, observation: Observation | BadFrame) -> bytes:
        """The JSON of an EventView."""
        data: Any
        if isinstance(observation, BadFrame):
            event_type, data = "bad_frame", {"fault": observation.fault, "size": len(observation.wire)}
        else:
            event_type, data = observation.event_type, redact(observation)
            del data["transaction"], data["wire"]  # no part of what was said
        return to_json(
            {
                "position": self._position,
                "type": event_type,
                "at": to_rfc3339(unix_ns),
                "provenance": provenance,
                "data": data,
            }
        )

    def serve_request(self, head: dict[str, Any], _body: bytes) -> AsyncGenerator[bytes]:
        """Answer a question of the daemon's: `last_events`, `subscribe_events`, `trace` or `check`; raises Refusal."""
        match head["method"]:
            case "last_events":
                return self._last_events()
            case "subscribe_events":
                return self._subscribe()
            case "trace":
                return self.wire_tap.subscribe(reveal=head["reveal"])
            case "check":
                return self._check(SelfTestLevel(head["level"]))
            case method:
                raise RpcError("unknown", f"A worker cannot answer {method}.")

    async def _last_events(self) -> AsyncGenerator[bytes]:
        self._render_pending()
        yield b"[" + b",".join(self._rendered) + b"]"

    async def _subscribe(self) -> AsyncGenerator[bytes]:
        """What is said, each as eight bytes of when it was heard and the JSON of an EventView."""
        self._render_pending()
        watcher = BoundedStream()
        self._subscribers.append(watcher)
        try:
            async for piece in watcher:
                yield piece.body
        finally:
            self._subscribers.remove(watcher)

    async def _check(self, level: SelfTestLevel) -> AsyncGenerator[bytes]:
        """Try the device, step by step, each as the JSON of a CheckStep."""
        if self._check_observations is not None:
            raise RpcError("conflict", "Another check of this device runs.", "Wait for its end.")
        if self._device is None:
            raise RpcError("conflict", "The device is not there, so nothing of it can be tried.")
        driver, identity = self._device
        if level not in check_levels(type(driver)):
            raise RpcError("conflict", f"This device has no check of the level {level}.")
        self._check_observations = asyncio.Queue()
        try:
            async with asyncio.timeout(CHECK_TIMEOUTS_S[level]) as self._check_timeout:
                if level is SelfTestLevel.INTERNAL:
                    for step in common_steps(identity, self._expect_firmware):
                        yield step.model_dump_json().encode()
                if level in driver.self_test_levels:
                    async with aclosing(
                        driver.self_test(SelfTestContext(level, self._check_observations.get))
                    ) as steps:
                        async for step in steps:
                            yield step.model_dump_json().encode()
        except TimeoutError:
            gone = self._device is None
            text = "The device went away." if gone else "It did not come to its end in time."
            yield (
                SelfTestStep(name="check.ended", outcome=Outcome.ABORTED, text=text)
                .model_dump_json()
                .encode()
            )
        except (CommandRefusal, CommandFailure) as no:
            yield (
                SelfTestStep(name="check.begun", outcome=Outcome.ABORTED, text=no.text)
                .model_dump_json()
                .encode()
            )
        except LinkError as error:
            yield (
                SelfTestStep(
                    name="link.answers",
                    outcome=Outcome.FAILED,
                    text=error.text,
                    action=error.action,
                    how=error.how,
                )
                .model_dump_json()
                .encode()
            )
        finally:
            self._check_observations = self._check_timeout = None


def check_levels(driver: type[Driver[Settings]]) -> tuple[SelfTestLevel, ...]:
    """The levels of check that a driver's devices know: the internal one, and what it adds."""
    return (
        SelfTestLevel.INTERNAL,
        *(level for level in driver.self_test_levels if level is not SelfTestLevel.INTERNAL),
    )


def common_steps(identity: Identity, expect_firmware: str | None) -> list[SelfTestStep]:
    """What is tried of every device: that it is there, says who it is, and runs what it should."""
    steps = [SelfTestStep(name="link.open", outcome=Outcome.SUCCESSFUL, text="The link is open.")]
    who = f"{identity.model}, serial number {identity.serial_number}"
    steps.append(
        SelfTestStep(name="identity.told", outcome=Outcome.SUCCESSFUL, text=f"It is a {who}.")
        if identity.serial_number is not None
        else SelfTestStep(
            name="identity.told",
            outcome=Outcome.NOT_SUPPORTED,
            text=f"It is a {identity.model} and tells no serial number: if it is exchanged, nobody notices.",
        )
    )
    if expect_firmware is not None:
        steps.append(_firmware(identity, expect_firmware))
    return steps


def _firmware(identity: Identity, expected: str) -> SelfTestStep:
    name = "identity.firmware"
    if identity.firmware is None:
        return SelfTestStep(
            name=name, outcome=Outcome.UNDETERMINED, text="It does not tell its firmware's version."
        )
    if identity.firmware == expected:
        return SelfTestStep(name=name, outcome=Outcome.SUCCESSFUL, text=f"Its firmware is {expected}.")
    return SelfTestStep(
        name=name,
        outcome=Outcome.FAILED,
        text=f"Its firmware is {identity.firmware}; {expected} is expected.",
        action="call_support",
        how="Install the expected firmware, or change `expected_firmware` in the post's file.",
    )
