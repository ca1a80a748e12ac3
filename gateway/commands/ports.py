"""Device and gateway as the dispatcher needs them."""

import asyncio
from collections.abc import Mapping
from typing import Any, Protocol

from drivers.command import CommandSpec, Invocation
from drivers.driver import StateCode
from drivers.observation import Observation
from gateway.commands.policy import CLAIM_VERBS, Target
from gateway.contract.topics import Position


class LastValuesPort(Protocol):
    """Last values of a device, as far as the dispatcher needs them."""

    def redacted(self) -> dict[str, Any]:
        """Return the states that the device reports, by event type, without personal data."""
        ...


class DevicePort(Protocol):
    """A device, as far as the dispatcher needs it."""

    @property
    def commands(self) -> Mapping[str, CommandSpec]:
        """Commands that it accepts, by verb."""
        ...

    @property
    def state_code(self) -> StateCode:
        """State of the device."""
        ...

    @property
    def last_values(self) -> LastValuesPort:
        """States that the device reports."""
        ...

    def send_command(self, command_ref: int, verb: str, call: Invocation, args: bytes) -> bool:
        """Pass a command to the device's worker; False when there is none."""
        ...

    def send_decision_recorded(self, command_ref: int, *, is_recorded: bool) -> None:
        """Tell the worker that the decision on a command is on the disk, or was refused by it."""
        ...


class GatewayPort(Protocol):
    """The rest of the gateway, as far as the dispatcher needs it."""

    def device(self, position: Position) -> DevicePort | None:
        """Return the device at a position; None when it is not of this gateway."""
        ...

    def publish_answer(self, topic: str, payload: bytes, correlation: bytes) -> None:
        """Send an answer now; it is never queued."""
        ...

    def publish_retained(self, topic: str, payload: bytes | None) -> None:
        """Publish a retained message; None clears the topic."""
        ...

    def publish_record(self, position: Position, observation: Observation, transaction: str) -> None:
        """Store an event of the gateway at a position."""
        ...

    def flush_audit(self) -> "asyncio.Future[bool]":
        """Return a future of all records so far: True once they are on the disk, False if it refuses them."""
        ...

    def on_claim_changed(self, position: Position, holder: str | None) -> None:
        """Take the new holder of a device; None without one."""
        ...


def target_of(device: DevicePort, verb: str) -> Target | None:
    """Return what the policy must know of a verb; None if the device has no such verb."""
    if verb in CLAIM_VERBS:
        return Target()
    command = device.commands.get(verb)
    return None if command is None else Target(command.is_urgent, command.is_movement, command.needs_claim)


def stops(device: DevicePort, verb: str) -> bool:
    """Tell whether a verb stops a machine, as the policy does."""
    command = device.commands.get(verb)
    return command is not None and command.is_urgent and is_machine(device)


def is_machine(device: DevicePort) -> bool:
    """Return True for a device that can move."""
    return any(command.is_movement for command in device.commands.values())
