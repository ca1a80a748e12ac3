"""The way of a command: arrived, judged, recorded, handed down; and the way of its answer back."""

import itertools
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol

import paho.mqtt.client as mqtt

from drivers.command import Call, Command
from drivers.driver import Condition
from drivers.observation import Observation
from gateway.commands.audit import Audit, shown_args
from gateway.commands.claims import REQUESTS, ClaimDesk, Lease
from gateway.commands.dedup import Memory
from gateway.commands.policy import (
    CLAIM_VERBS,
    UNNUMBERED,
    Asked,
    Facts,
    Offered,
    decide,
    stops,
)
from gateway.commands.rate_limits import Rates
from gateway.commands.request import Arrival
from gateway.common.clock import TimeSource
from gateway.config import Commands, Roles
from gateway.contract.commands import CommandAnswer, CommandMessage, CommandState, Outcome
from gateway.contract.events import CommandDecided, CommandEnded
from gateway.contract.reason_codes import CommandReason
from gateway.contract.topics import Position, SiteTopics

CROWD = 16
"""Urgent commands of one device that run at once; a stop beyond them adds nothing."""


class Device(Protocol):
    """What is needed of a device."""

    @property
    def commands(self) -> Mapping[str, Command]:
        """What it can be told, by verb."""
        ...

    @property
    def condition(self) -> Condition:
        """How it is."""
        ...

    def obey(self, ticket: int, verb: str, call: Call, args: bytes) -> bool:
        """Hand a command down; False when there is nobody to take it."""
        ...


class Outside(Protocol):
    """What is needed of the rest of the gateway."""

    def device(self, position: Position) -> Device | None:
        """What stands at a position; None: nothing of ours."""
        ...

    def respond(self, topic: str, payload: bytes, correlation: bytes) -> None:
        """Send an answer, now or never."""
        ...

    def retain(self, topic: str, payload: bytes | None) -> None:
        """Have this stand at a topic; None clears it."""
        ...

    def record(self, position: Position, observation: Observation, transaction: str) -> None:
        """Make something durable that the gateway says at a position."""
        ...

    def claim_changed(self, position: Position, holder: str | None) -> None:
        """Learn who has a device from now on; None: nobody."""
        ...


@dataclass(frozen=True, slots=True)
class _Begun:
    """A command that was handed down and has not ended."""

    arrival: Arrival
    station: str
    cmd_id: str
    transaction: str
    urgent: bool
    accepted_ns: int
    each: bool
    """Whether its end is recorded by itself."""


class CommandPath:
    """All commands of one gateway. Belongs to the event loop; nothing here raises or waits."""

    def __init__(
        self,
        session: str,
        topics: SiteTopics,
        settings: Commands,
        roles: Roles,
        outside: Outside,
        time_source: TimeSource,
    ) -> None:
        self._session = session
        self._topics = topics
        self._roles = roles
        self._outside = outside
        self._time = time_source
        self._stopping = False
        self._memory = Memory()
        self._rates = Rates(settings)
        self._audit = Audit(outside.record)
        self._claims = ClaimDesk(
            session, topics, settings, outside.retain, outside.claim_changed, self._audit, time_source
        )
        self._tickets = itertools.count(1)
        self._begun: dict[int, _Begun] = {}

    # Its life

    def close(self) -> None:
        """Let nothing through any more, and nobody have a claim."""
        self._stopping = True
        self._claims.withdraw_all()

    def stop(self) -> None:
        """Record what is left to record."""
        self._claims.stop()
        self._audit.stop()

    def configure(self, settings: Commands, roles: Roles) -> None:
        """Go by other roles and limits; who may no longer have a claim loses it."""
        self._roles = roles
        self._rates.configure(settings)
        self._claims.configure(settings, lambda station, where: roles.grant(station, where).anything)

    def forget(self, position: Position) -> None:
        """A device was taken away, or is another one now: what was agreed on for it is void."""
        self._claims.withdraw(position)

    def tell_again(self) -> None:
        """Make the claims known once more, to somebody who has just come."""
        self._claims.tell_again()

    def holder(self, position: Position) -> str | None:
        """Who has claimed a device."""
        return self._claims.holder(position)

    def lease(self, position: Position) -> Lease | None:
        """Who has claimed a device, since when and for how long."""
        return self._claims.lease(position)

    # Down

    def take(self, message: mqtt.MQTTMessage, sent_after_ns: int) -> None:
        """Take what came from the broker, and had not been sent before a moment of the boot clock."""
        arrival = Arrival.of(message, sent_after_ns)
        if arrival is None:
            return
        device = self._outside.device(arrival.position)
        if device is None:  # another gateway's, or nobody's
            return
        command = arrival.read()
        if command is None or arrival.station is None:
            self._refuse(arrival, command, device, CommandReason.MALFORMED)
            return
        known = self._memory.find(arrival.station, command.cmd_id)
        if known is not None and not arrival.retained:
            if (known.position, known.verb) == (arrival.position, arrival.verb):
                self._answer_again(arrival, known.answer)
            else:
                self._refuse(arrival, command, device, CommandReason.ID_REUSED)
            return
        self._judge(arrival, arrival.station, command, device)

    def _judge(self, arrival: Arrival, station: str, command: CommandMessage, device: Device) -> None:
        asked = Asked(station, arrival.verb, command.session, command.n, arrival.retained, arrival.expires_s)
        now_ns = self._time.boot_ns()
        deadline_ns = arrival.sent_after_ns + (arrival.expires_s or 0) * 1_000_000_000
        facts = self._facts(arrival, station, device, now_ns, deadline_ns)
        reason = decide(asked, facts)
        if reason is None or reason not in UNNUMBERED:
            self._memory.count(station, command.n)
        if reason is not None:
            self._refuse(arrival, command, device, reason)
            return
        offered = facts.offered or Offered()
        # A stop is let through however often; the record of it is not.
        each = not facts.too_often and arrival.verb != "renew"
        self._rates.spend(station, arrival.position, moves=_counts_as_moving(facts), now_ns=now_ns)
        if arrival.verb in CLAIM_VERBS:
            self._claim(arrival, station, command, device, facts.holder, each=each)
            return
        transaction = command.transaction or str(uuid.uuid4())
        ticket = next(self._tickets)
        call = Call(command.cmd_id, station, transaction, deadline_ns)
        if not device.obey(ticket, arrival.verb, call, json.dumps(command.args).encode()):
            self._refuse(arrival, command, device, CommandReason.NOT_ONLINE)
            return
        self._begun[ticket] = _Begun(
            arrival, station, command.cmd_id, transaction, offered.urgent, now_ns, each
        )
        answer = CommandAnswer(cmd_id=command.cmd_id, state=CommandState.ACCEPTED, transaction=transaction)
        self._conclude(arrival, command, answer, running=True)
        left_ms = (deadline_ns - now_ns) // 1_000_000
        self._note_decision(arrival, command, device, answer, facts.holder, left_ms, each=each)

    def _facts(self, arrival: Arrival, station: str, device: Device, now_ns: int, deadline_ns: int) -> Facts:
        position = arrival.position
        beside = [begun for begun in self._begun.values() if begun.arrival.position == position]
        facts = Facts(
            session=self._session,
            grant=self._roles.grant(station, position),
            last_n=self._memory.last_n(station),
            late=deadline_ns <= now_ns,
            stopping=self._stopping,
            offered=_offered(device, arrival.verb),
            machine=any(command.moves for command in device.commands.values()),
            condition=device.condition,
            holder=self._claims.holder(position),
            at_work=any(not begun.urgent for begun in beside),
            crowded=sum(begun.urgent for begun in beside) >= CROWD,
            too_often=False,
        )
        moves = _counts_as_moving(facts)
        too_often = self._rates.too_often(station, position, moves=moves, now_ns=now_ns)
        return replace(facts, too_often=too_often)

    def _claim(
        self,
        arrival: Arrival,
        station: str,
        command: CommandMessage,
        device: Device,
        holder: str | None,
        *,
        each: bool,
    ) -> None:
        outcome = self._claims.obey(arrival.position, arrival.verb, station, command.args)
        answer = _ended(command.cmd_id, outcome, None)
        self._conclude(arrival, command, answer, running=False)
        each = each and outcome.state is CommandState.DONE
        self._note_decision(arrival, command, device, answer, holder, None, each=each)

    # Back

    def answered(self, position: Position, ticket: int, outcome: Outcome) -> None:
        """Pass on how a command ended that was handed down."""
        begun = self._begun.pop(ticket, None)
        if begun is None:
            return
        answer = _ended(begun.cmd_id, outcome, begun.transaction)
        arrival = begun.arrival
        self._memory.note(begun.station, begun.cmd_id, position, arrival.verb, answer, running=False)
        self._send(arrival, answer)
        took_ms = (self._time.boot_ns() - begun.accepted_ns) / 1e6
        self._audit.note(
            position,
            CommandEnded(
                cmd_id=begun.cmd_id,
                station=begun.station,
                verb=arrival.verb,
                state=answer.state,
                reason=answer.reason,
                took_ms=round(took_ms, 3),
            ),
            begun.transaction,
            each=begun.each,
        )

    def _refuse(
        self, arrival: Arrival, command: CommandMessage | None, device: Device, reason: CommandReason
    ) -> None:
        station = arrival.station
        known = station is not None and self._roles.grant(station, arrival.position).known
        last_n = self._memory.last_n(station or "") if reason is CommandReason.NOT_NEW else None
        cmd_id = command.cmd_id if command is not None else None
        answer = CommandAnswer.refusal(cmd_id, reason, last_n=last_n)
        if known and station and command and reason not in UNNUMBERED | {CommandReason.ID_REUSED}:
            self._memory.note(station, command.cmd_id, arrival.position, arrival.verb, answer, running=False)
        if self._rates.may_answer(station if known and station else "", self._time.boot_ns()):
            self._send(arrival, answer)
        holder = self._claims.holder(arrival.position)
        self._note_decision(arrival, command, device, answer, holder, None, each=False)

    def _answer_again(self, arrival: Arrival, answer: CommandAnswer) -> None:
        if self._rates.may_answer(arrival.station or "", self._time.boot_ns()):
            self._send(arrival, answer)

    def _conclude(
        self, arrival: Arrival, command: CommandMessage, answer: CommandAnswer, *, running: bool
    ) -> None:
        if arrival.station is not None:
            self._memory.note(
                arrival.station, command.cmd_id, arrival.position, arrival.verb, answer, running=running
            )
        self._send(arrival, answer)

    def _send(self, arrival: Arrival, answer: CommandAnswer) -> None:
        """Answer whoever the broker says has asked, and nobody else."""
        if arrival.station is not None:
            topic = self._topics.answer(arrival.position, arrival.station)
            self._outside.respond(topic, answer.model_dump_json().encode(), arrival.correlation)

    def _note_decision(
        self,
        arrival: Arrival,
        command: CommandMessage | None,
        device: Device,
        answer: CommandAnswer,
        holder: str | None,
        left_ms: int | None,
        *,
        each: bool,
    ) -> None:
        known = arrival.verb in CLAIM_VERBS or arrival.verb in device.commands
        request = REQUESTS.get(arrival.verb) or (device.commands[arrival.verb].request if known else None)
        entry = CommandDecided(
            cmd_id=command and command.cmd_id,
            station=arrival.station,
            verb=arrival.verb if known else None,
            decision=answer.state,
            reason=answer.reason,
            holder=holder,
            n=command and command.n,
            args=shown_args(request, command.args) if command and request else {},
            left_ms=left_ms,
        )
        transaction = answer.transaction or (command and command.transaction) or str(uuid.uuid4())
        self._audit.note(arrival.position, entry, transaction, each=each)


def _offered(device: Device, verb: str) -> Offered | None:
    if verb in CLAIM_VERBS:
        return Offered()
    command = device.commands.get(verb)
    return None if command is None else Offered(command.urgent, command.moves, command.claimed)


def _counts_as_moving(facts: Facts) -> bool:
    return facts.offered is not None and facts.offered.moves and not stops(facts)


def _ended(cmd_id: str, outcome: Outcome, transaction: str | None) -> CommandAnswer:
    return CommandAnswer(
        cmd_id=cmd_id,
        state=outcome.state,
        reason=outcome.reason,
        text=outcome.text,
        how=outcome.how,
        result=json.loads(outcome.result) if outcome.result else None,
        transaction=transaction,
    )
