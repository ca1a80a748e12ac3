"""Dispatcher of commands: receive, decide, record, pass to the device; and return the answer."""

import itertools
import json
import uuid
from dataclasses import dataclass, replace
from typing import Any

import paho.mqtt.client as mqtt

from drivers.command import Invocation
from gateway.commands.audit import CommandAudit, redact_args, redact_result
from gateway.commands.claims import REQUESTS, ClaimService, Lease
from gateway.commands.dedup import IdempotencyCache
from gateway.commands.policy import (
    ANSWER_KEPT_FOR,
    CLAIM_VERBS,
    NUMBER_KEPT_FOR,
    CommandRequest,
    PolicyInput,
    Target,
    decide,
    is_stop,
)
from gateway.commands.ports import DevicePort, GatewayPort, is_machine, stops, target_of
from gateway.commands.rate_limits import RateLimiter
from gateway.commands.request import IncomingCommand
from gateway.commands.signatures import SIGNATURE_REASONS, CommandSignatures
from gateway.common.clock import TimeSource
from gateway.config import CommandsSection, Roles
from gateway.contract.commands import CommandAnswer, CommandMessage, CommandOutcome, CommandState
from gateway.contract.events import CommandDecided, CommandEnded
from gateway.contract.reason_codes import CommandReason
from gateway.contract.topics import Position, SiteTopics

MAX_URGENT = 16
"""Urgent commands of one device that run at once; more than one stop has no further effect."""


@dataclass(frozen=True, slots=True)
class _RunningCommand:
    """A command that was passed to a device and has not ended."""

    incoming: IncomingCommand
    station: str
    cmd_id: str
    transaction: str
    urgent: bool
    accepted_ns: int
    is_audited_singly: bool
    """True if its end has a record of its own."""
    sensed_before: dict[str, Any] | None
    """States of the device before a movement; None for other commands."""


class CommandDispatcher:
    """All commands of one gateway. Belongs to the event loop; nothing here raises or waits."""

    def __init__(
        self,
        session: str,
        topics: SiteTopics,
        settings: CommandsSection,
        roles: Roles,
        gateway: GatewayPort,
        time_source: TimeSource,
        *,
        signatures: CommandSignatures,
    ) -> None:
        self._session = session
        self._signatures = signatures
        self._topics = topics
        self._roles = roles
        self._gateway = gateway
        self._time = time_source
        self._stopping = False
        # An unsigned command must not use up a number, or an id, of a signed one: any client can send it.
        self._unsigned, self._signed = IdempotencyCache(), IdempotencyCache()
        self._rate_limiter = RateLimiter(settings)
        self._audit = CommandAudit(gateway.publish_record)
        self._claims = ClaimService(
            session,
            topics,
            settings,
            gateway.publish_retained,
            gateway.on_claim_changed,
            self._audit,
            time_source,
        )
        self._command_refs = itertools.count(1)
        self._running: dict[int, _RunningCommand] = {}

    # Lifecycle

    def refuse_commands(self) -> None:
        """Refuse all further commands, and revoke all claims."""
        self._stopping = True
        self._claims.revoke_all()

    def stop(self) -> None:
        """Write the remaining records."""
        self._claims.stop()
        self._audit.stop()

    def configure(self, settings: CommandsSection, roles: Roles) -> None:
        """Apply other roles and limits; revoke claims whose holder has lost its right."""
        self._roles = roles
        self._rate_limiter.configure(settings)
        self._claims.configure(settings, lambda station, where: roles.grant(station, where).has_any)

    def revoke_claim(self, position: Position) -> None:
        """Revoke the claim of a device that was removed or replaced."""
        self._claims.revoke(position)

    def republish_claims(self) -> None:
        """Publish all claims again, for a subscriber that has just connected."""
        self._claims.republish()

    def holder(self, position: Position) -> str | None:
        """Return the station that has claimed a device."""
        return self._claims.holder(position)

    def lease(self, position: Position) -> Lease | None:
        """Return the active lease of a device."""
        return self._claims.lease(position)

    # Commands

    def on_flood(self, station: str) -> None:
        """Record that a station sends so many messages that most of them are dropped unread."""
        self._audit.record_flood(self._topics.gateway_position, station)

    def on_message(self, message: mqtt.MQTTMessage, sent_after_ns: int) -> None:
        """Take a message from the broker. It was not sent before `sent_after_ns` of the boot clock."""
        incoming = IncomingCommand.from_message(message, sent_after_ns)
        if incoming is None:
            return
        device = self._gateway.device(incoming.position)
        if device is None:  # of another gateway, or of none
            return
        command, station = incoming.parse(), incoming.station
        if command is None and stops(device, incoming.verb):
            command = incoming.parse(with_args=False)
        if command is None or station is None:
            self._reject(incoming, command, device, CommandReason.MALFORMED)
            return
        incoming, reason = self._verified(incoming, station, device)
        if reason is not None:
            # What was not verified for its rate may be genuine, and be obeyed later: its answer names no id.
            unread = reason is CommandReason.RATE_LIMITED
            self._reject(incoming, None if unread else command, device, reason)
            return
        known = self._cache(incoming).find(station, command.cmd_id)
        if known is not None and (incoming.signed_by is not None or not incoming.retained):
            if (known.position, known.verb) == (incoming.position, incoming.verb):
                self._repeat_answer(incoming, known.answer)
            else:
                self._reject(incoming, command, device, CommandReason.ID_REUSED)
            return
        if self._is_old(incoming, command, device):
            self._reject(incoming, command, device, CommandReason.NOT_FRESH)
            return
        self._authorize(incoming, station, command, device)

    def _verified(
        self, incoming: IncomingCommand, station: str, device: DevicePort
    ) -> tuple[IncomingCommand, CommandReason | None]:
        """Return the command with the key that signed it, and the reason for refusal, if any."""
        grant = self._roles.grant(station, incoming.position)
        if not grant.is_known or grant.is_foreign:
            return incoming, None  # refused for that by the policy
        verdict = self._signatures.verify(station, incoming.topic, incoming.payload, incoming.signatures)
        target = target_of(device, incoming.verb)
        # A forged claim would take a machine out of the hands of its operator.
        moves = (
            is_machine(device) if incoming.verb in CLAIM_VERBS else target is not None and target.is_movement
        )
        is_needed = self._signatures.requires(moves=moves)
        if stops(device, incoming.verb) or not (is_needed or incoming.signatures):
            return replace(incoming, signed_by=verdict.signed_by), None
        return replace(incoming, signed_by=verdict.signed_by), verdict.refusal

    def _is_old(self, incoming: IncomingCommand, command: CommandMessage, device: DevicePort) -> bool:
        """Tell whether a signed command names no fresh token; one of another session is refused for that."""
        return (
            incoming.signed_by is not None
            and command.session == self._session
            and not stops(device, incoming.verb)
            and self._signatures.tokens.end_ns(command.fresh) is None
        )

    def _cache(self, incoming: IncomingCommand) -> IdempotencyCache:
        return self._unsigned if incoming.signed_by is None else self._signed

    def _authorize(
        self, incoming: IncomingCommand, station: str, command: CommandMessage, device: DevicePort
    ) -> None:
        request = CommandRequest(
            station,
            incoming.verb,
            command.session,
            command.command_seq,
            incoming.retained,
            incoming.expires_s,
        )
        now_ns = self._time.boot_ns()
        deadline_ns = incoming.sent_after_ns + (incoming.expires_s or 0) * 1_000_000_000
        fresh_until_ns = self._signatures.tokens.end_ns(command.fresh) if incoming.signed_by else None
        if fresh_until_ns is not None:  # a broker that holds it back cannot prolong its life
            deadline_ns = min(deadline_ns, fresh_until_ns)
        policy_input = self._policy_input(incoming, station, device, now_ns, deadline_ns)
        reason = decide(request, policy_input)
        if reason is None or reason not in NUMBER_KEPT_FOR:
            self._cache(incoming).use_number(station, command.command_seq)
        if reason is not None:
            self._reject(incoming, command, device, reason)
            return
        target = policy_input.target or Target()
        # A stop is permitted at any rate; its record is not.
        each = not policy_input.is_rate_limited and incoming.verb != "renew"
        self._rate_limiter.record_command(
            station, incoming.position, moves=_is_movement(policy_input), now_ns=now_ns
        )
        if incoming.verb in CLAIM_VERBS:
            self._execute_claim(incoming, station, command, device, policy_input.holder, each=each)
            return
        transaction = command.transaction or str(uuid.uuid4())
        command_ref = next(self._command_refs)
        call = Invocation(
            command.cmd_id, station, transaction, deadline_ns, is_supervisor=policy_input.grant.can_steal
        )
        spec = device.commands.get(incoming.verb)
        sensed = device.last_values.redacted() if spec is not None and spec.is_movement else None
        if not device.send_command(command_ref, incoming.verb, call, json.dumps(command.args).encode()):
            self._reject(incoming, command, device, CommandReason.NOT_ONLINE)
            return
        self._running[command_ref] = _RunningCommand(
            incoming, station, command.cmd_id, transaction, target.is_urgent, now_ns, each, sensed
        )
        answer = CommandAnswer(cmd_id=command.cmd_id, state=CommandState.ACCEPTED, transaction=transaction)
        self._record_answer(incoming, command, answer, running=True)
        left_ms = (deadline_ns - now_ns) // 1_000_000
        self._audit_decision(incoming, command, device, answer, policy_input.holder, left_ms, each=each)
        if spec is not None and spec.is_recorded_first:
            self._gateway.flush_audit().add_done_callback(
                lambda flushed: device.send_decision_recorded(command_ref, is_recorded=flushed.result())
            )

    def _policy_input(
        self, incoming: IncomingCommand, station: str, device: DevicePort, now_ns: int, deadline_ns: int
    ) -> PolicyInput:
        position = incoming.position
        beside = [begun for begun in self._running.values() if begun.incoming.position == position]
        policy_input = PolicyInput(
            session=self._session,
            grant=self._roles.grant(station, position),
            last_command_seq=self._cache(incoming).last_command_seq(station),
            is_late=deadline_ns <= now_ns,
            is_stopping=self._stopping,
            target=target_of(device, incoming.verb),
            is_machine=is_machine(device),
            state_code=device.state_code,
            holder=self._claims.holder(position),
            is_busy=any(not begun.urgent for begun in beside),
            is_overloaded=sum(begun.urgent for begun in beside) >= MAX_URGENT,
            is_rate_limited=False,
        )
        moves = _is_movement(policy_input)
        too_often = self._rate_limiter.is_exceeded(station, position, moves=moves, now_ns=now_ns)
        return replace(policy_input, is_rate_limited=too_often)

    def _execute_claim(
        self,
        incoming: IncomingCommand,
        station: str,
        command: CommandMessage,
        device: DevicePort,
        holder: str | None,
        *,
        each: bool,
    ) -> None:
        outcome = self._claims.execute(incoming.position, incoming.verb, station, command.args)
        answer = outcome.to_answer(command.cmd_id, None)
        self._record_answer(incoming, command, answer, running=False)
        each = each and outcome.state is CommandState.DONE
        self._audit_decision(incoming, command, device, answer, holder, None, each=each)

    # Answers

    def on_command_result(self, position: Position, command_ref: int, outcome: CommandOutcome) -> None:
        """Take the outcome of a command that was passed to a device."""
        begun = self._running.pop(command_ref, None)
        if begun is None:
            return
        answer = outcome.to_answer(begun.cmd_id, begun.transaction)
        incoming = begun.incoming
        cache = self._cache(incoming)
        cache.store(begun.station, begun.cmd_id, position, incoming.verb, answer, running=False)
        self._send(incoming, answer)
        took_ms = (self._time.boot_ns() - begun.accepted_ns) / 1e6
        self._audit.record(
            position,
            CommandEnded(
                cmd_id=begun.cmd_id,
                station=begun.station,
                verb=incoming.verb,
                state=answer.state,
                reason=answer.reason,
                duration_ms=round(took_ms, 3),
                **self._movement_record(position, begun, outcome),
            ),
            begun.transaction,
            singly=begun.is_audited_singly,
        )

    def _movement_record(
        self, position: Position, begun: _RunningCommand, outcome: CommandOutcome
    ) -> dict[str, Any]:
        """Return what is recorded of a movement beside its end: its result, and the states around it."""
        device = self._gateway.device(position)
        if begun.sensed_before is None or device is None:
            return {}
        return {
            "result": redact_result(device.commands.get(begun.incoming.verb), outcome.result),
            "sensed_before": begun.sensed_before,
            "sensed_after": device.last_values.redacted(),
        }

    def _reject(
        self,
        incoming: IncomingCommand,
        command: CommandMessage | None,
        device: DevicePort,
        reason: CommandReason,
    ) -> None:
        station = incoming.station
        known = station is not None and self._roles.grant(station, incoming.position).is_known
        last_command_seq = (
            self._cache(incoming).last_command_seq(station or "")
            if reason is CommandReason.COMMAND_SEQ_NOT_INCREASING
            else None
        )
        cmd_id = command.cmd_id if command is not None else None
        answer = CommandAnswer.rejected(cmd_id, reason, last_command_seq=last_command_seq)
        is_final = reason not in (ANSWER_KEPT_FOR if incoming.signed_by else NUMBER_KEPT_FOR)
        is_final &= reason is not CommandReason.ID_REUSED and reason not in SIGNATURE_REASONS
        if known and station and command and is_final:
            self._cache(incoming).store(
                station, command.cmd_id, incoming.position, incoming.verb, answer, running=False
            )
        if self._rate_limiter.allows_answer(station if known and station else "", self._time.boot_ns()):
            self._send(incoming, answer)
        holder = self._claims.holder(incoming.position)
        self._audit_decision(incoming, command, device, answer, holder, None, each=False)

    def _repeat_answer(self, incoming: IncomingCommand, answer: CommandAnswer) -> None:
        if self._rate_limiter.allows_answer(incoming.station or "", self._time.boot_ns()):
            self._send(incoming, answer)

    def _record_answer(
        self, incoming: IncomingCommand, command: CommandMessage, answer: CommandAnswer, *, running: bool
    ) -> None:
        if incoming.station is not None:
            self._cache(incoming).store(
                incoming.station, command.cmd_id, incoming.position, incoming.verb, answer, running=running
            )
        self._send(incoming, answer)

    def _send(self, incoming: IncomingCommand, answer: CommandAnswer) -> None:
        """Answer the station that the broker names, and no other."""
        if incoming.station is not None:
            topic = self._topics.answer(incoming.position, incoming.station)
            answer = answer.model_copy(update={"request_sha256": incoming.digest})
            self._gateway.publish_answer(topic, answer.model_dump_json().encode(), incoming.correlation)

    def _audit_decision(
        self,
        incoming: IncomingCommand,
        command: CommandMessage | None,
        device: DevicePort,
        answer: CommandAnswer,
        holder: str | None,
        left_ms: int | None,
        *,
        each: bool,
    ) -> None:
        known = incoming.verb in CLAIM_VERBS or incoming.verb in device.commands
        request = REQUESTS.get(incoming.verb) or (
            device.commands[incoming.verb].arguments_type if known else None
        )
        entry = CommandDecided(
            cmd_id=command and command.cmd_id,
            station=incoming.station,
            verb=incoming.verb if known else None,
            decision=answer.state,
            reason=answer.reason,
            holder=holder,
            command_seq=command and command.command_seq,
            args=redact_args(request, command.args) if command and request else {},
            remaining_ms=left_ms,
            signed_by=incoming.signed_by,
        )
        transaction = answer.transaction or (command and command.transaction) or str(uuid.uuid4())
        self._audit.record(incoming.position, entry, transaction, singly=each)


def _is_movement(facts: PolicyInput) -> bool:
    return facts.target is not None and facts.target.is_movement and not is_stop(facts)
