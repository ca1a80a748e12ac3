"""What arrives from the broker, taken apart: who wants what of which device, and until when."""

import asyncio
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import paho.mqtt.client as mqtt
from pydantic import ValidationError

from gateway.contract.commands import NAME, CommandMessage
from gateway.contract.topics import DeviceTopic, Position

LARGEST_BYTES = 16 * 1024
LARGEST_CORRELATION_BYTES = 256
PULSE_S, LATE_S = 0.1, 0.3
"""Between two beats, and when a beat is late, in seconds."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """One message on a command topic. Of all that, only `station` is believed: the broker vouches for it."""

    position: Position
    verb: str
    station: str | None
    """None: the last level of the topic is no name; there is nobody to answer."""
    payload: bytes
    retained: bool
    expires_s: int | None
    """What the broker has left of its life, in seconds."""
    correlation: bytes

    @classmethod
    def of(cls, message: mqtt.MQTTMessage) -> Self | None:
        """Take a message apart; None when its topic is no command's."""
        match DeviceTopic.parse(message.topic):
            case DeviceTopic(position=position, kind="cmd", rest=(verb, station)):
                return cls(
                    position=position,
                    verb=verb,
                    station=station if re.fullmatch(NAME, station) else None,
                    payload=bytes(message.payload),
                    retained=message.retain,
                    expires_s=getattr(message.properties, "MessageExpiryInterval", None),
                    correlation=getattr(message.properties, "CorrelationData", b""),
                )
        return None

    def read(self) -> CommandMessage | None:
        """Read the body; None when it is not a command of the contract."""
        if len(self.payload) > LARGEST_BYTES or len(self.correlation) > LARGEST_CORRELATION_BYTES:
            return None
        try:
            command = CommandMessage.model_validate_json(self.payload)
            json.dumps(command.args, allow_nan=False)
        except (ValidationError, ValueError, RecursionError):
            return None
        return command


class Pulse:
    """Since when a message can have waited for us, at the most.

    A program that stood still (a suspended machine, swapped out, a debugger) finds in its sockets what came
    meanwhile, with the life that it had then. So a life counts from a moment after which every socket was
    looked at: the last beat but one, as long as beats come in time. What the loop does first after it stood
    still is not sure, so one beat in time has to follow.
    """

    def __init__(self, boot_ns: Callable[[], int]) -> None:
        self._boot_ns = boot_ns
        self._timer: asyncio.TimerHandle | None = None
        self._beat_ns = self.awake_ns = boot_ns()

    def start(self) -> None:
        """Beat from now on, on the running event loop."""
        now_ns = self._boot_ns()
        if now_ns - self._beat_ns < LATE_S * 1e9:
            self.awake_ns = self._beat_ns
        self._beat_ns = now_ns
        self._timer = asyncio.get_running_loop().call_later(PULSE_S, self.start)

    def stop(self) -> None:
        """Beat no more."""
        if self._timer is not None:
            self._timer.cancel()
