"""Parsing of incoming commands."""

import json
import re
from dataclasses import dataclass
from typing import Self

import paho.mqtt.client as mqtt
from pydantic import ValidationError

from gateway.contract.commands import NAME, SIGNATURE_PROPERTY, CommandMessage, request_digest
from gateway.contract.topics import DeviceTopic, Position

MAX_BYTES = 16 * 1024
MAX_CORRELATION_BYTES = 256


@dataclass(frozen=True, slots=True)
class IncomingCommand:
    """One message on a command topic. Until its signature is verified, only the broker vouches for it."""

    topic: str
    position: Position
    verb: str
    station: str | None
    """None: the last level of the topic is not a valid name, so there is no station to answer."""
    payload: bytes
    retained: bool
    expires_s: int | None
    """Remaining life when the broker sent it, in seconds."""
    sent_after_ns: int
    """Earliest moment at which the broker can have sent it, on the boot clock."""
    correlation: bytes
    signatures: tuple[str, ...] = ()
    """Values of the user property `jws`, at most two: more than one is invalid."""
    signed_by: str | None = None
    """Id of the station's key, once the signature is verified."""

    @property
    def digest(self) -> str:
        """Digest by which the answer names this message."""
        return request_digest(self.topic, self.payload, self.signatures[0] if self.signatures else None)

    @classmethod
    def from_message(cls, message: mqtt.MQTTMessage, sent_after_ns: int) -> Self | None:
        """Parse a message; None when its topic is not of a command."""
        match DeviceTopic.parse(message.topic):
            case DeviceTopic(position=position, kind="cmd", levels=(verb, station)):
                named = getattr(message.properties, "UserProperty", ())
                signatures = [value for name, value in named if name == SIGNATURE_PROPERTY]
                return cls(
                    topic=message.topic,
                    position=position,
                    verb=verb,
                    station=station if re.fullmatch(NAME, station) else None,
                    payload=bytes(message.payload),
                    retained=message.retain,
                    expires_s=getattr(message.properties, "MessageExpiryInterval", None),
                    sent_after_ns=sent_after_ns,
                    correlation=getattr(message.properties, "CorrelationData", b""),
                    signatures=tuple(signatures[:2]),
                )
        return None

    def parse(self, *, with_args: bool = True) -> CommandMessage | None:
        """Parse the body; None when it is not a command of the contract.

        `with_args=False` replaces the arguments by none: a stop is executed whatever they are.
        """
        if len(self.payload) > MAX_BYTES or len(self.correlation) > MAX_CORRELATION_BYTES:
            return None
        try:
            payload = (
                self.payload if with_args else json.dumps(json.loads(self.payload.decode()) | {"args": {}})
            )
            command = CommandMessage.model_validate_json(payload)
            json.dumps(command.args, allow_nan=False)
        except (ValidationError, ValueError, TypeError, RecursionError):
            return None
        return command
