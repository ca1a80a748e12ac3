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

from drivers.command import Failed, Refused
from drivers.driver import BadFrame, Driver, Identity
from drivers.links.link import LinkError
from drivers.links.settings import Settings
from drivers.observation import Observation, Outcome, redacted
from drivers.self_test import CheckLevel, CheckStep, Trial
from gateway.contract.envelope import Provenance, timestamp
from gateway.ipc.rpc import Bounded, Refusal
from gateway.worker.wire_tap import Meaning, Wiretap

log = structlog.get_logger()

TAIL = 20
SETTLE_S, SETTLE_IMAGES_S = 30.0, 0.1
"""How long what was said waits to be made presentable, in seconds: of what comes quicker, only the last are.

What has images does not wait long, because they weigh. Who asks does not wait at all. Nobody's data stay here
for longer.
"""
LIMITS_S = {"internal": 30.0, "external": 30.0, "interactive": 75.0}
"""What a check of a level may take, in seconds."""


class Workbench:
    """What one worker knows of its device that a technician may."""

    def __init__(
        self,
        position: str,
        expect_firmware: str | None = None,
        meaning: Meaning = lambda _direction, _chunk: "",
    ) -> None:
        self._position = position
        self._expect_firmware = expect_firmware
        self.wiretap = Wiretap(meaning)
        self._fresh: deque[tuple[int, int, Provenance, Observation | BadFrame]] = deque(maxlen=TAIL)
        self._tail: deque[bytes] = deque(maxlen=TAIL)
        self._settling: asyncio.TimerHandle | None = None
        self._watching: list[Bounded] = []
        self._heard: asyncio.Queue[Observation] | None = None
        """What is said while a check runs."""
        self._limit: asyncio.Timeout | None = None
        self._opened: tuple[Driver[Settings], Identity] | None = None

    def opened(self, driver: Driver[Settings], identity: Identity) -> None:
        """A device is there that can be checked."""
        self._opened = driver, identity

    def closed(self) -> None:
        """It is not there any more; a check of it is over."""
        self._opened = None
        if self._limit is not None:
            self._limit.reschedule(asyncio.get_running_loop().time())

    def said(
        self, unix_ns: int, provenance: Provenance, what: Observation | BadFrame, heard_ns: int = 0
    ) -> None:
        """Take note of what has been handed up; `heard_ns`: when an event was heard, since boot."""
        self._fresh.append((heard_ns, unix_ns, provenance, what))
        if self._heard is not None and isinstance(what, Observation):
            self._heard.put_nowait(what)
        if self._watching:
            self._settle()
        elif isinstance(what, Observation) and what.attachments:
            self._settle_within(SETTLE_IMAGES_S)
        elif self._settling is None:
            self._settle_within(SETTLE_S)

    def _settle_within(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        due_s = loop.time() + seconds
        if self._settling is not None:
            if self._settling.when() <= due_s:
                return
            self._settling.cancel()
        self._settling = loop.call_at(due_s, self._settle)

    def _settle(self) -> None:
        if self._settling is not None:
            self._settling.cancel()
            self._settling = None
        while self._fresh:
            heard_ns, unix_ns, provenance, what = self._fresh.popleft()
            view = self._view(unix_ns, provenance, what)
            self._tail.append(view)
            for watcher in self._watching:
                watcher.put(heard_ns.to_bytes(8) + view)

    def _view(self, unix_ns: int, provenance: Provenance, what: Observation | BadFrame) -> bytes:
        """The JSON of an EventView."""
        data: Any
        if isinstance(what, BadFrame):
            event_type, data = "bad_frame", {"fault": what.fault, "size": len(what.wire)}
        else:
            event_type, data = what.event_type, redacted(what)
            del data["transaction"], data["wire"]  # no part of what was said
        return to_json(
            {
                "position": self._position,
                "type": event_type,
                "at": timestamp(unix_ns),
                "provenance": provenance,
                "data": data,
            }
        )

    def answer(self, head: dict[str, Any], _body: bytes) -> AsyncGenerator[bytes]:
        """Answer a question of the daemon's: `tail`, `watch`, `trace` or `check`; raises Refusal."""
        match head["what"]:
            case "tail":
                return self._last()
            case "watch":
                return self._watch()
            case "trace":
                return self.wiretap.watch(reveal=head["reveal"])
            case "check":
                return self._check(CheckLevel(head["level"]))
            case what:
                raise Refusal("unknown", f"A worker cannot answer {what}.")

    async def _last(self) -> AsyncGenerator[bytes]:
        self._settle()
        yield b"[" + b",".join(self._tail) + b"]"

    async def _watch(self) -> AsyncGenerator[bytes]:
        """What is said, each as eight bytes of when it was heard and the JSON of an EventView."""
        self._settle()
        watcher = Bounded()
        self._watching.append(watcher)
        try:
            async for piece in watcher:
                yield piece.body
        finally:
            self._watching.remove(watcher)

    async def _check(self, level: CheckLevel) -> AsyncGenerator[bytes]:
        """Try the device, step by step, each as the JSON of a CheckStep."""
        if self._heard is not None:
            raise Refusal("conflict", "Another check of this device runs.", "Wait for its end.")
        if self._opened is None:
            raise Refusal("conflict", "The device is not there, so nothing of it can be tried.")
        driver, identity = self._opened
        if level not in levels(type(driver)):
            raise Refusal("conflict", f"This device has no check of the level {level}.")
        self._heard = asyncio.Queue()
        try:
            async with asyncio.timeout(LIMITS_S[level]) as self._limit:
                if level is CheckLevel.INTERNAL:
                    for step in first_steps(identity, self._expect_firmware):
                        yield step.model_dump_json().encode()
                if level in driver.checks:
                    async with aclosing(driver.check(Trial(level, self._heard.get))) as steps:
                        async for step in steps:
                            yield step.model_dump_json().encode()
        except TimeoutError:
            gone = self._opened is None
            text = "The device went away." if gone else "It did not come to its end in time."
            yield CheckStep(name="check.ended", outcome=Outcome.ABORTED, text=text).model_dump_json().encode()
        except (Refused, Failed) as no:
            yield (
                CheckStep(name="check.begun", outcome=Outcome.ABORTED, text=no.text)
                .model_dump_json()
                .encode()
            )
        except LinkError as error:
            yield (
                CheckStep(
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
            self._heard = self._limit = None


def levels(driver: type[Driver[Settings]]) -> tuple[CheckLevel, ...]:
    """The levels of check that a driver's devices know: the internal one, and what it adds."""
    return (CheckLevel.INTERNAL, *(level for level in driver.checks if level is not CheckLevel.INTERNAL))


def first_steps(identity: Identity, expect_firmware: str | None) -> list[CheckStep]:
    """What is tried of every device: that it is there, says who it is, and runs what it should."""
    steps = [CheckStep(name="link.open", outcome=Outcome.SUCCESSFUL, text="The link is open.")]
    who = f"{identity.model}, serial number {identity.serial_number}"
    steps.append(
        CheckStep(name="identity.told", outcome=Outcome.SUCCESSFUL, text=f"It is a {who}.")
        if identity.serial_number is not None
        else CheckStep(
            name="identity.told",
            outcome=Outcome.NOT_SUPPORTED,
            text=f"It is a {identity.model} and tells no serial number: if it is exchanged, nobody notices.",
        )
    )
    if expect_firmware is not None:
        steps.append(_firmware(identity, expect_firmware))
    return steps


def _firmware(identity: Identity, expected: str) -> CheckStep:
    name = "identity.firmware"
    if identity.firmware is None:
        return CheckStep(
            name=name, outcome=Outcome.UNDETERMINED, text="It does not tell its firmware's version."
        )
    if identity.firmware == expected:
        return CheckStep(name=name, outcome=Outcome.SUCCESSFUL, text=f"Its firmware is {expected}.")
    return CheckStep(
        name=name,
        outcome=Outcome.FAILED,
        text=f"Its firmware is {identity.firmware}; {expected} is expected.",
        action="call",
        how="Install the expected firmware, or change `expect_firmware` in the post's file.",
    )
