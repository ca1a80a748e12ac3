"""Command dispatcher alone: messages are passed in, output is recorded, time is set by the test."""

import asyncio
import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from support.gateway.deliveries import FakeTime
from support.plugins.scripted_drivers import ScriptedDriver

from drivers.command import CommandSpec, Invocation
from drivers.driver import StateCode
from drivers.observation import Observation
from gateway.commands.dispatcher import CommandDispatcher
from gateway.commands.signatures import CommandSignatures
from gateway.config import CommandsSection, Roles
from gateway.config.model import SignedCommands
from gateway.contract.commands import CommandAnswer, CommandOutcome, CommandState
from gateway.contract.events import ClaimChanged, CommandDecided, CommandEnded
from gateway.contract.topics import Position, SiteTopics
from gateway.pki.station_keys import RoleFileKeys

TOPICS = SiteTopics("uto-test", "gw-1")
BARRIER = Position("lane-1", "barrier")
OTHER = Position("lane-2", "barrier")
SESSION = "session-1"
ROLES = Roles.model_validate(
    {
        "authority": "UTO",
        "role": {
            "all": {"verbs": ["*"], "can_move": True},
            "chief": {"verbs": ["*"], "can_move": True, "can_steal": True},
            "looks": {"verbs": ["look"]},
        },
        "station": {
            "counter-1": {"roles": ["all"], "positions": ["*/*"]},
            "counter-2": {"roles": ["all"], "positions": ["*/*"]},
            "chief": {"roles": ["chief"], "positions": ["*/*"]},
            "guard": {"roles": ["looks"], "positions": ["lane-1/*"]},
            "idle": {},
            "abroad": {"authority": "XX"},
        },
    }
)


@dataclass
class FakeDevice:
    """A device that records its commands."""

    commands: Mapping[str, CommandSpec] = field(default_factory=lambda: ScriptedDriver.commands)
    state_code: StateCode = StateCode.ONLINE
    is_present: bool = True
    commands_received: list[tuple[int, str, Invocation, Any]] = field(default_factory=list)
    decisions_recorded: list[tuple[int, bool]] = field(default_factory=list)

    @property
    def last_values(self) -> "FakeDevice":
        return self

    def redacted(self) -> dict[str, Any]:
        return {"test.level": {"level": len(self.commands_received)}}

    def send_command(self, command_ref: int, verb: str, call: Invocation, args: bytes) -> bool:
        if self.is_present:
            self.commands_received.append((command_ref, verb, call, json.loads(args)))
        return self.is_present

    def send_decision_recorded(self, command_ref: int, *, is_recorded: bool) -> None:
        self.decisions_recorded.append((command_ref, is_recorded))

    @property
    def verbs(self) -> list[str]:
        return [verb for _, verb, _, _ in self.commands_received]


class DispatcherFixture:
    """A dispatcher between stations and two devices."""

    def __init__(
        self, *, signed: SignedCommands = "off", roles: Roles | None = None, **settings: Any
    ) -> None:
        self.time = FakeTime()
        self.devices = {BARRIER: FakeDevice(), OTHER: FakeDevice()}
        self.answers: list[tuple[str, CommandAnswer, bytes]] = []
        self.retained: dict[str, dict[str, Any]] = {}
        self.records: list[tuple[Position, Observation, str]] = []
        self.flushes: list[tuple[int, asyncio.Future[bool]]] = []
        """Number of records before each flush of the audit, and its future."""
        self.holders: list[tuple[Position, str | None]] = []
        self.numbers = itertools.count(1)
        roles = roles or ROLES
        self.signatures = CommandSignatures(signed, roles, RoleFileKeys, self.time)
        self.path = CommandDispatcher(
            SESSION,
            TOPICS,
            CommandsSection(**settings),
            roles,
            self,
            time_source=self.time,
            signatures=self.signatures,
        )

    # The gateway, as the dispatcher needs it

    def device(self, position: Position) -> FakeDevice | None:
        return self.devices.get(position)

    def publish_answer(self, topic: str, payload: bytes, correlation: bytes) -> None:
        self.answers.append((topic, CommandAnswer.model_validate_json(payload), correlation))

    def publish_retained(self, topic: str, payload: bytes | None) -> None:
        if payload is None:
            self.retained.pop(topic, None)
        else:
            self.retained[topic] = json.loads(payload)

    def publish_record(self, position: Position, observation: Observation, transaction: str) -> None:
        self.records.append((position, observation, transaction))

    def flush_audit(self) -> "asyncio.Future[bool]":
        flushed: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self.flushes.append((len(self.records), flushed))
        return flushed

    def on_claim_changed(self, position: Position, holder: str | None) -> None:
        self.holders.append((position, holder))

    # Operations of tests

    def arrive(
        self,
        verb: str,
        station: str = "counter-1",
        *,
        position: Position = BARRIER,
        retain: bool = False,
        expires_s: int | None = 3,
        payload: bytes | None = None,
        correlation: bytes | None = None,
        topic: str | None = None,
        on_its_way_s: float = 0,
        user: Sequence[tuple[str, str]] = (),
        **body: Any,
    ) -> list[CommandAnswer]:
        """Deliver a message; return the answers sent at once."""
        number = next(self.numbers)
        whole = {"cmd_id": f"c{number}", "session": SESSION, "command_seq": number} | body
        message = mqtt.MQTTMessage(topic=(topic or TOPICS.command(position, verb, station)).encode())
        message.payload = json.dumps(whole).encode() if payload is None else payload
        message.retain = retain
        message.properties = Properties(PacketTypes.PUBLISH)
        if expires_s is not None:
            message.properties.MessageExpiryInterval = expires_s
        if correlation is not None:
            message.properties.CorrelationData = correlation
        if user:
            message.properties.UserProperty = list(user)
        message.properties.ResponseTopic = "bgw/v1/uto-test/elsewhere"
        before = len(self.answers)
        self.path.on_message(message, self.time.boot_ns() - round(on_its_way_s * 1e9))
        return [answer for _, answer, _ in self.answers[before:]]

    def end(
        self, state: CommandState = CommandState.DONE, result: bytes = b"{}", **why: Any
    ) -> CommandAnswer:
        """End the last command of the device; return the answer."""
        ticket, _, _, _ = self.devices[BARRIER].commands_received[-1]
        before = len(self.answers)
        self.path.on_command_result(BARRIER, ticket, CommandOutcome(state, result=result, **why))
        ((_, answer, _),) = self.answers[before:]
        return answer

    def done(self, verb: str, station: str = "counter-1", **more: Any) -> None:
        """Send a command that is accepted and done."""
        (accepted,) = self.arrive(verb, station, **more)
        assert accepted.state is CommandState.ACCEPTED, accepted
        assert self.end().state is CommandState.DONE

    def of(self, kind: type[Observation]) -> list[Any]:
        return [observation for _, observation, _ in self.records if type(observation) is kind]

    @property
    def decided(self) -> list[CommandDecided]:
        return self.of(CommandDecided)

    @property
    def ended(self) -> list[CommandEnded]:
        return self.of(CommandEnded)

    @property
    def claims(self) -> list[ClaimChanged]:
        return self.of(ClaimChanged)
