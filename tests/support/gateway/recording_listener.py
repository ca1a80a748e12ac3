"""Listener of supervisors that records what they report. Needs nothing but the gateway: no pytest."""

import asyncio
import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from support.patience import PATIENCE_S

from drivers.driver import Identity, StateCode
from gateway.contract.commands import CommandOutcome
from gateway.contract.states import DeviceDescription, DeviceState
from gateway.supervision.listener import DeviceEvent


@dataclass
class RecordingListener:
    """Records the callbacks of supervisors."""

    events: list[tuple[str, DeviceEvent]] = field(default_factory=list)
    states: list[tuple[str, DeviceState]] = field(default_factory=list)
    descriptions: dict[str, DeviceDescription] = field(default_factory=dict)
    last_values: dict[tuple[str, str], bytes] = field(default_factory=dict)
    identities: dict[str, Identity] = field(default_factory=dict)
    counts: dict[str, dict[str, Any]] = field(default_factory=dict)
    outcomes: dict[int, CommandOutcome] = field(default_factory=dict)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def on_event(self, position: str, event: DeviceEvent) -> None:
        self.events.append((position, event))
        self.news.set()

    def on_state(self, position: str, state: DeviceState) -> None:
        self.states.append((position, state))
        self.news.set()

    def on_description(self, position: str, description: DeviceDescription) -> None:
        self.descriptions[position] = description
        self.news.set()

    def on_identity(self, position: str, identity: Identity) -> None:
        self.identities[position] = identity

    def on_counters(self, position: str, counts: dict[str, Any]) -> None:
        counted = self.counts.setdefault(position, {})
        for name, count in counts.items():
            counted[name] = counted.get(name, 0) + count
        self.news.set()

    def on_command_result(self, position: str, command_ref: int, outcome: CommandOutcome) -> None:
        assert command_ref not in self.outcomes, "each command has one result"
        self.outcomes[command_ref] = outcome
        self.news.set()

    async def outcome(self, command_ref: int) -> CommandOutcome:
        """Wait for the result of a command."""
        await self.until(lambda: command_ref in self.outcomes)
        return self.outcomes[command_ref]

    def on_last_value(self, position: str, event_type: str, last_value: bytes | None) -> None:
        if last_value is None:
            self.last_values.pop((position, event_type), None)
        else:
            self.last_values[position, event_type] = last_value
        self.news.set()

    async def until(self, true: Callable[[], bool], within_s: float = PATIENCE_S) -> None:
        async with asyncio.timeout(within_s):
            while not true():
                self.news.clear()
                await self.news.wait()

    async def state(self, condition: StateCode, position: str | None = None) -> DeviceState:
        """Wait for the next state with that code, counted from the last call, and return it."""
        found: list[DeviceState] = []
        skipped: list[str] = []

        def seen() -> bool:
            while self.states:
                where, state = self.states.pop(0)
                if state.state is condition and position in (None, where):
                    found.append(state)
                    return True
                skipped.append(f"{where} {state.state}: {state.cause}, {state.text}")
            return False

        try:
            await self.until(seen)
        except TimeoutError:
            others = [f"{line} ({len(list(same))} times)" for line, same in itertools.groupby(skipped)]
            raise AssertionError(f"not {condition} in time, but {others}") from None
        return found[0]

    def numbers(self, position: str) -> list[int]:
        return [
            json.loads(event.partial_event + b"}")["data"]["number"]
            for where, event in self.events
            if where == position
        ]
