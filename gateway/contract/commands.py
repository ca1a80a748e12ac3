"""Commands and their answers, and the claim commands, which the gateway executes itself for every device.

A command is sent to `cmd/{verb}/{station}` with QoS 1, never retained, and expires within 5 seconds. Answers
are published at `rsp/{station}` only, whatever response topic the command names, with the correlation data of
the command. A command that is sent again under its `cmd_id` is not executed again; its answer is sent again.

A signed command carries the MQTT user property `jws`: a detached JWS (RFC 7515, appendix F) over its topic, a
line feed and its body, made with the station's key. `fresh` in the body proves its age: the newest token that
the gateway published. A stop of a machine is obeyed without a signature.
"""

import json
from dataclasses import dataclass
from hashlib import sha256
from typing import Annotated, Any, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from drivers.command import CommandArguments, CommandOutput, CommandSpec, CommandType, RefusalReason
from drivers.observation import OpenEnum
from gateway.contract.envelope import SCHEMA_BASE
from gateway.contract.reason_codes import REASON_TEXTS, CommandReason

EXPIRY_LIMIT_S = 5
ANSWER_EXPIRY_S = 10
PREVIEW_EXPIRY_S = 2
NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9])?"
"""Name of a station at the broker (user name, common name of a certificate), or id of a command."""
Name = Annotated[str, StringConstraints(pattern=f"^{NAME}$")]
SIGNATURE_PROPERTY = "jws"
"""MQTT 5 user property that carries a signature."""
TOKEN_LIFE_S = 6
"""Life of a token of the gateway, in seconds; a signed command that names an older one is refused."""
TOKEN_INTERVAL_S = 2
MAX_COMMAND_SEQ = 2**53 - 1
"""Largest integer that every JSON reader keeps exactly (RFC 8259, section 6)."""


class _Message(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class CommandMessage(_Message):
    """One command. Its sender is the last level of the topic, which the broker verifies."""

    # Incoming messages are read strictly: a text is no number, and an unknown field may be important.
    model_config = ConfigDict(strict=True)

    cmd_id: Name = Field(
        description="Id of this command, the same when it is sent again; a UUID is suitable.",
        examples=["6f1c2a9e-7d3b-4c11-9d55-0242ac120002"],
    )
    session: str = Field(
        max_length=64,
        description="Gateway session, from the gateway's state; a command of an earlier session is rejected.",
        examples=["0f8fad5bd9cb469f"],
    )
    command_seq: int = Field(
        ge=1,
        le=MAX_COMMAND_SEQ,
        description="Sequence number, above that of every earlier command of this station in this session.",
        examples=[1795422930123],
    )
    args: dict[str, Any] = Field(
        default={}, description="Arguments, by the schema that the device's description names.", examples=[{}]
    )
    transaction: Name | None = Field(
        default=None,
        description="Id of one traveller, document or capture; the events that it causes carry it too.",
        examples=["01938f3e-7c1a-7b5e-9d55-0242ac120003"],
    )
    fresh: str | None = Field(
        default=None,
        max_length=64,
        description="Newest token of the gateway, from its topic `fresh`; required in a signed command.",
        examples=["w8s9vWm0T1uJ2xk4"],
    )


def signed_bytes(topic: str, body: bytes) -> bytes:
    """Return the bytes that the signature of a command, or of its answer, covers."""
    return topic.encode() + b"\n" + body


def request_digest(topic: str, body: bytes, jws: str | None) -> str:
    """Return the digest by which an answer names its command; see `CommandAnswer.request_sha256`."""
    return sha256(signed_bytes(topic, body) + b"\n" + (jws or "").encode()).hexdigest()


class CommandState(OpenEnum):
    """State of a command. All but `accepted` are final."""

    ACCEPTED = "accepted"
    """Permitted and passed to the device. Omitted where the final state is known at once."""
    DONE = "done"
    FAILED = "failed"
    """Begun and not completed; something may have moved."""
    REJECTED = "rejected"
    """Not executed; nothing has begun or moved."""
    EXPIRED = "expired"
    """Not executed because it arrived too late; nothing has begun or moved."""
    UNKNOWN = "unknown"


class CommandAnswer(_Message):
    """Answer to a command."""

    cmd_id: Name | None = Field(
        description="Id of the command; null when the message was not readable.",
        examples=["6f1c2a9e-7d3b-4c11-9d55-0242ac120002"],
    )
    state: CommandState = Field(description="State of the command.", examples=["done"])
    reason: CommandReason | None = Field(
        default=None,
        description="Reason why it was not done, as a code.",
        examples=["claimed"],
    )
    text: str = Field(
        default="",
        description="Reason in a plain sentence without personal data.",
        examples=["Another station has claimed this device."],
    )
    how: str = Field(
        default="",
        description="Remedy: what a person should do about it.",
        examples=["Ask that station to release it."],
    )
    result: dict[str, Any] | None = Field(
        default=None,
        description="Result of a command that was done, by the schema that the device's description names.",
        examples=[{}],
    )
    transaction: str | None = Field(
        default=None,
        description="Id that the events it causes carry; null when nothing was begun.",
        examples=["01938f3e-7c1a-7b5e-9d55-0242ac120003"],
    )
    last_command_seq: int | None = Field(
        default=None,
        description="Highest sequence number of this station; only with `command_seq_not_increasing`.",
        examples=[None],
    )
    request_sha256: str | None = Field(
        default=None,
        description="SHA-256 of the command as it arrived: topic, line feed, body, line feed, `jws` (empty "
        "when unsigned), in hexadecimal. If that of your command differs, the answer is for a changed copy.",
        examples=["d5c3b8a2f0a94f6be1c7a59e4fb2c0d3a6e8f19b7c4d2e5f8091a2b3c4d5e6f7"],
    )

    @classmethod
    def rejected(
        cls, cmd_id: str | None, reason: CommandReason, text: str = "", last_command_seq: int | None = None
    ) -> Self:
        """Make a refusal. Default text: the sentence of the reason code."""
        state = CommandState.EXPIRED if reason is CommandReason.EXPIRED else CommandState.REJECTED
        said, how = REASON_TEXTS[reason]
        return cls(
            cmd_id=cmd_id,
            state=state,
            reason=reason,
            text=text or said,
            how=how,
            last_command_seq=last_command_seq,
        )


@dataclass(frozen=True, slots=True)
class CommandOutcome:
    """Final state of a command, from the device's worker process or its supervisor."""

    state: CommandState
    reason: CommandReason | None = None
    text: str = ""
    how: str = ""
    result: bytes = b""
    """JSON object of a command that was done; for the audit alone, of one that has failed."""

    @classmethod
    def failed(cls, reason: CommandReason, text: str = "", how: str = "", result: bytes = b"") -> Self:
        """Make the outcome of a command that was begun and not completed, or whose end is unknown."""
        said, remedy = REASON_TEXTS[reason]
        return cls(CommandState.FAILED, reason, text or said, how or remedy, result)

    @classmethod
    def refused(cls, reason: CommandReason | RefusalReason, text: str = "") -> Self:
        """Make the outcome of a command of which nothing has begun."""
        known = CommandReason(reason)
        said, how = REASON_TEXTS[known]
        state = CommandState.EXPIRED if known is CommandReason.EXPIRED else CommandState.REJECTED
        return cls(state, known, text or said, how)

    def to_answer(self, cmd_id: str, transaction: str | None) -> CommandAnswer:
        """Return the final answer to the station that sent the command."""
        return CommandAnswer(
            cmd_id=cmd_id,
            state=self.state,
            reason=self.reason,
            text=self.text,
            how=self.how,
            result=json.loads(self.result) if self.state is CommandState.DONE and self.result else None,
            transaction=transaction,
        )


def args_schema_id(name: str, version: int = 1) -> str:
    """Return the id of the schema of a command's arguments: `urn:bgw:schema:command.barrier.open:v1:args`."""
    return f"{SCHEMA_BASE}command.{name}:v{version}:args"


def result_schema_id(name: str, version: int = 1) -> str:
    """Return the id of the schema of a command's result."""
    return f"{SCHEMA_BASE}command.{name}:v{version}:result"


class CommandDescription(_Message):
    """One command that a device accepts."""

    verb: str = Field(description="Verb, and level of the command's topic.", examples=["open"])
    args: str = Field(
        description="Id of the JSON Schema of its arguments.",
        examples=["urn:bgw:schema:command.barrier.open:v1:args"],
    )
    result: str = Field(
        description="Id of the JSON Schema of its result.",
        examples=["urn:bgw:schema:command.barrier.open:v1:result"],
    )
    moves: bool = Field(
        description="It can move a machine, so a role must grant movement expressly.", examples=[True]
    )
    urgent: bool = Field(
        description="It is begun at once, beside a running command: to stop or to cancel.", examples=[False]
    )
    requires_claim: bool = Field(
        default=False,
        description="Only the station that has claimed the device may send it.",
        examples=[False],
    )


def describe_command(name: str, command: CommandSpec, version: int = 1) -> CommandDescription:
    """Describe a command that a driver declares; `name`: the one of its schemas, such as `barrier.open`."""
    return CommandDescription(
        verb=command.verb,
        args=args_schema_id(name, version),
        result=result_schema_id(name, version),
        moves=command.is_movement,
        urgent=command.is_urgent,
        requires_claim=command.needs_claim,
    )


def describe_wrong_fields(error: ValidationError, request: type[CommandArguments]) -> str:
    """Describe wrong arguments: names of the model's fields, never values or names that the sender chose."""
    details = error.errors(include_input=False, include_url=False)
    known = {field.alias or name for name, field in request.model_fields.items()}
    wrong = sorted(
        {str(detail["loc"][0]) for detail in details if detail["loc"] and detail["loc"][0] in known}
    )
    strange = any(detail["type"] == "extra_forbidden" for detail in details)
    parts = [f"wrong or missing: {', '.join(wrong)}"] if wrong else []
    parts += ["a field that this command does not have"] if strange else []
    return f"The command's arguments do not fit this device: {'; '.join(parts) or 'no object'}."


# Claims


class ClaimRequest(CommandArguments):
    """Claim a device: until the lease ends, no other station can command it."""

    unredacted_fields = frozenset({"lease_s"})

    lease_s: int = Field(
        default=30,
        ge=5,
        le=3600,
        description="Duration of the lease unless renewed, in seconds; the post may allow less.",
        examples=[30],
    )


class StealRequest(ClaimRequest):
    """Take over a claim of another station. The reason is recorded."""

    unredacted_fields = ClaimRequest.unredacted_fields | {"reason"}

    reason: str = Field(
        min_length=3,
        max_length=200,
        pattern=r"^[^\x00-\x1f\x7f]*$",
        description="Reason, in a sentence without names of persons.",
        examples=["Shift change; counter 1 is unattended."],
    )


class ClaimResult(CommandOutput):
    """The station has the claim."""

    unredacted_fields = frozenset({"lease_s", "previous_holder"})

    lease_s: int = Field(description="Duration of the lease unless renewed, in seconds.", examples=[30])
    previous_holder: str | None = Field(
        default=None, description="Previous holder; only for `steal`.", examples=["counter-1"]
    )


class ReleaseResult(CommandOutput):
    """No station has the claim any more."""


CLAIM_COMMAND_TYPES = (
    CommandType("device.claim", ClaimRequest, ClaimResult),
    CommandType("device.renew", ClaimRequest, ClaimResult),
    CommandType("device.release", CommandArguments, ReleaseResult),
    CommandType("device.steal", StealRequest, ClaimResult),
)
"""Commands that the gateway executes itself, for every device."""
CLAIM_COMMANDS = tuple(
    CommandDescription(
        verb=kind.verb,
        args=args_schema_id(kind.name),
        result=result_schema_id(kind.name),
        moves=False,
        urgent=False,
    )
    for kind in CLAIM_COMMAND_TYPES
)


class DeviceClaim(_Message):
    """Claim of a device. There is no such message while no station has claimed it."""

    holder: Name = Field(description="Station that has the claim.", examples=["counter-1"])
    since: AwareDatetime = Field(
        description="Start of the claim, by the post's wall clock, UTC.",
        examples=["2026-11-23T08:15:30.123456Z"],
    )
    lease_s: int = Field(
        description="The claim ends when it is not renewed for this time, in seconds.", examples=[30]
    )
    session: str = Field(
        description="Gateway session that published it; a claim of an older session is over.",
        examples=["0f8fad5bd9cb469f"],
    )
