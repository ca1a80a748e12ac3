"""Diagnostics of one device in its worker: last events, live events, wire trace, self-tests.

No personal data leave the process this way, except in a trace with `reveal`. An event is rendered for display
only after it has been sent to the daemon.
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
"""Delay until observations are rendered, in seconds: of a fast series, only the last ones are.

Observations with images are rendered soon, because they use much memory. A request renders all at once. No
personal data stay in memory for longer than this delay.
"""
CHECK_TIMEOUTS_S = {"internal": 30.0, "external": 30.0, "interactive": 75.0}
"""Time limit of a self-test by level, in seconds."""


class WorkerDiagnostics:
    """Information about one device for technicians."""

    def __init__(
        self,
        position: str,
        expect_firmware: str | None = None,
        describe_chunk: DescribeChunk = lambda _direction, _chunk: "",
    ) -> None:
        self._position = position
        self._expect_firmware = expect_firmware
        self.wire_tap = WireTap(describe_chunk)
        self.pending: deque[tuple[int, int, Provenance, Observation | BadFrame]] = deque(maxlen=KEPT_EVENTS)
        """Observations not rendered yet.

        Receive time (boot clock, ns; 0: a bad frame), time (ns since 1970), provenance, observation.
        """
        self._rendered: deque[bytes] = deque(maxlen=KEPT_EVENTS)
        self.render_timer: asyncio.TimerHandle | None = None
        self.subscribers: list[BoundedStream] = []
        self.check_observations: asyncio.Queue[Observation] | None = None
        """Observations made during a self-test."""
        self._check_timeout: asyncio.Timeout | None = None
        self._device: tuple[Driver[Settings], Identity] | None = None

    def on_opened(self, driver: Driver[Settings], identity: Identity) -> None:
        """Note the device that can be tested."""
        self._device = driver, identity

    def on_closed(self) -> None:
        """Note that the device is gone, and end a self-test of it."""
        self._device = None
        if self._check_timeout is not None:
            self._check_timeout.reschedule(asyncio.get_running_loop().time())

    def on_observation(self, observation: Observation | BadFrame) -> None:
        """Show the observation that was last added to `pending` to watchers, or schedule its rendering."""
        if self.check_observations is not None and isinstance(observation, Observation):
            self.check_observations.put_nowait(observation)
        if self.subscribers:
            self._render_pending()
        elif isinstance(observation, Observation) and observation.attachments:
            self._render_within(RENDER_DELAY_IMAGES_S)
        elif self.render_timer is None:
            self._render_within(RENDER_DELAY_S)

    def _render_within(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        due_s = loop.time() + seconds
        if self.render_timer is not None:
            if self.render_timer.when() <= due_s:
                return
            self.render_timer.cancel()
        self.render_timer = loop.call_at(due_s, self._render_pending)

    def _render_pending(self) -> None:
        if self.render_timer is not None:
            self.render_timer.cancel()
            self.render_timer = None
        while self.pending:
            received_ns, unix_ns, provenance, observation = self.pending.popleft()
            view = self._view(unix_ns, provenance, observation)
            self._rendered.append(view)
            for watcher in self.subscribers:
                watcher.append(received_ns.to_bytes(8) + view)

    def _view(self, unix_ns: int, provenance: Provenance, observation: Observation | BadFrame) -> bytes:
        """Return an EventView as JSON."""
        data: Any
        if isinstance(observation, BadFrame):
            event_type, data = "bad_frame", {"fault": observation.fault, "size": len(observation.wire)}
        else:
            event_type, data = observation.event_type, redact(observation)
            del data["transaction"], data["wire"]  # no part of the device's message
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
        """Serve a request of the daemon.

        `last_events`, `subscribe_events`, `trace`, `check`; raises RpcError.
        """
        match head["method"]:
            case "last_events":
                return self._last_events()
            case "subscribe_events":
                return self._subscribe()
            case "trace":
                return self.wire_tap.subscribe(reveal=head["reveal"], began_s=head["began_s"])
            case "check":
                return self._check(SelfTestLevel(head["level"]))
            case method:
                raise RpcError("unknown", f"A worker has no method {method}.")

    async def _last_events(self) -> AsyncGenerator[bytes]:
        self._render_pending()
        yield b"[" + b",".join(self._rendered) + b"]"

    async def _subscribe(self) -> AsyncGenerator[bytes]:
        """Yield observations: eight bytes of receive time (boot clock, ns), then an EventView as JSON."""
        self._render_pending()
        watcher = BoundedStream()
        self.subscribers.append(watcher)
        try:
            async for piece in watcher:
                yield piece.body
        finally:
            self.subscribers.remove(watcher)

    async def _check(self, level: SelfTestLevel) -> AsyncGenerator[bytes]:
        """Run a self-test; yield each step as JSON of a SelfTestStep."""
        if self.check_observations is not None:
            raise RpcError(
                "conflict", "Another self-test of this device is running.", "Wait until it has ended."
            )
        if self._device is None:
            raise RpcError("conflict", "The device is not connected, so it cannot be tested.")
        driver, identity = self._device
        if level not in check_levels(type(driver)):
            raise RpcError("conflict", f"This device has no self-test of the level {level}.")
        self.check_observations = asyncio.Queue()
        try:
            async with asyncio.timeout(CHECK_TIMEOUTS_S[level]) as self._check_timeout:
                if level is SelfTestLevel.INTERNAL:
                    for step in common_steps(identity, self._expect_firmware):
                        yield step.model_dump_json().encode()
                if level in driver.self_test_levels:
                    async with aclosing(
                        driver.self_test(SelfTestContext(level, self.check_observations.get))
                    ) as steps:
                        async for step in steps:
                            yield step.model_dump_json().encode()
        except TimeoutError:
            gone = self._device is None
            text = "The device was disconnected." if gone else "The self-test did not end in time."
            yield (
                SelfTestStep(name="check.ended", outcome=Outcome.ABORTED, text=text)
                .model_dump_json()
                .encode()
            )
        except (CommandRefusal, CommandFailure) as no:
            yield (
                SelfTestStep(name="check.started", outcome=Outcome.ABORTED, text=no.text)
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
            self.check_observations = self._check_timeout = None


def check_levels(driver: type[Driver[Settings]]) -> tuple[SelfTestLevel, ...]:
    """Return the self-test levels of a driver: the internal one, and those that it adds."""
    return (
        SelfTestLevel.INTERNAL,
        *(level for level in driver.self_test_levels if level is not SelfTestLevel.INTERNAL),
    )


def common_steps(identity: Identity, expect_firmware: str | None) -> list[SelfTestStep]:
    """Return the steps common to all devices: link open, identity, firmware."""
    steps = [SelfTestStep(name="link.open", outcome=Outcome.SUCCESSFUL, text="The link is open.")]
    described = f"{identity.model}, serial number {identity.serial_number}"
    steps.append(
        SelfTestStep(name="identity.reported", outcome=Outcome.SUCCESSFUL, text=f"It reports: {described}.")
        if identity.serial_number is not None
        else SelfTestStep(
            name="identity.reported",
            outcome=Outcome.NOT_SUPPORTED,
            text=f"It reports: {identity.model}, no serial number. A replacement cannot be detected.",
        )
    )
    if expect_firmware is not None:
        steps.append(_firmware(identity, expect_firmware))
    return steps


def _firmware(identity: Identity, expected: str) -> SelfTestStep:
    name = "identity.firmware"
    if identity.firmware is None:
        return SelfTestStep(
            name=name, outcome=Outcome.UNDETERMINED, text="It does not report its firmware version."
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
