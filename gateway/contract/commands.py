"""Commands and their answers, and the four that the gateway itself obeys for every device: claims.

A command is sent to `cmd/{verb}/{station}` with QoS 1, never retained, and expires within 5 seconds. Answers
come at `rsp/{station}` and nowhere else, whatever response topic is asked for, with the correlation data of
the command. A command that is sent again under its `cmd_id` is not done again: its answer is.
"""

from dataclasses import dataclass
from typing import Annotated, Any, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from drivers.command import CommandArguments, CommandOutput, CommandSpec, RefusalReason
from drivers.observation import OpenEnum
from gateway.contract.envelope import SCHEMA_BASE
from gateway.contract.reason_codes import REASON_TEXTS, CommandReason

EXPIRY_LIMIT_S = 5
ANSWER_EXPIRY_S = 10
PREVIEW_EXPIRY_S = 2
NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9])?"
"""A station as brokers know it (a user name, a certificate's common name), and the id of a command."""
Name = Annotated[str, StringConstraints(pattern=f"^{NAME}$")]
MAX_COMMAND_SEQ = 2**53 - 1
"""What every reader of JSON keeps exactly (RFC 8259, section 6)."""


class _Message(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class CommandMessage(_Message):
    """One command. The station that sends it is the last level of the topic, which the broker vouches for."""

    # What is sent to us is taken at its word: a text is not a number, and a field we do not know may matter.
    model_config = ConfigDict(strict=True)

    cmd_id: Name = Field(
        description="Name of this command, the same when it is sent again; a UUID does.",
        examples=["6f1c2a9e-7d3b-4c11-9d55-0242ac120002"],
    )
    session: str = Field(
        max_length=64,
        description="The gateway's session, from its state: what was meant for an earlier run is not done.",
        examples=["0f8fad5bd9cb469f"],
    )
    command_seq: int = Field(
        ge=1,
        le=MAX_COMMAND_SEQ,
        description="A number above that of every earlier command of this station in this session.",
        examples=[1795422930123],
    )
    args: dict[str, Any] = Field(
        {}, description="What this command takes, by the schema that the description names.", examples=[{}]
    )
    transaction: Name | None = Field(
        None,
        description="Joins it to one traveller, document or capture: the events it causes carry it too.",
        examples=["01938f3e-7c1a-7b5e-9d55-0242ac120003"],
    )


class CommandState(OpenEnum):
    """How far a command has come. All but `accepted` are its end."""

    ACCEPTED = "accepted"
    """Permitted and handed on. Left out where the end is known at once."""
    DONE = "done"
    FAILED = "failed"
    """Begun and not brought to its end: something may have moved."""
    REJECTED = "rejected"
    """Not done, and nothing has begun or moved."""
    EXPIRED = "expired"
    """Not done because it came too late; nothing has begun or moved."""
    UNKNOWN = "unknown"


class CommandAnswer(_Message):
    """What became of a command."""

    cmd_id: Name | None = Field(
        description="Which command; null when the message was not readable.",
        examples=["6f1c2a9e-7d3b-4c11-9d55-0242ac120002"],
    )
    state: CommandState = Field(description="How far it has come.", examples=["done"])
    reason: CommandReason | None = Field(
        None,
        description="Why it was not done, as a code.",
        examples=["claimed"],
        json_schema_extra={"x-sentences": {word: said._asdict() for word, said in REASON_TEXTS.items()}},
    )
    text: str = Field(
        "",
        description="Why, in a plain sentence without personal data.",
        examples=["Another station has claimed this device."],
    )
    how: str = Field(
        "", description="What a person should do about it.", examples=["Ask that station to release it."]
    )
    result: dict[str, Any] | None = Field(
        None,
        description="What a command that was done has to say, by the schema that the description names.",
        examples=[{}],
    )
    transaction: str | None = Field(
        None,
        description="What the events that it causes carry; null when nothing was begun.",
        examples=["01938f3e-7c1a-7b5e-9d55-0242ac120003"],
    )
    last_command_seq: int | None = Field(
        None,
        description="Only for `command_seq_not_increasing`: the highest number of this station.",
        examples=[None],
    )

    @classmethod
    def rejected(
        cls, cmd_id: str | None, reason: CommandReason, text: str = "", last_command_seq: int | None = None
    ) -> Self:
        """Say no, in the sentences of the vocabulary where there are no better ones."""
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
    """How a command ended, as the device's own process or its supervisor says."""

    state: CommandState
    reason: CommandReason | None = None
    text: str = ""
    how: str = ""
    result: bytes = b""
    """Of a command that was done: a JSON object."""

    @classmethod
    def failed(cls, reason: CommandReason, text: str = "", how: str = "") -> Self:
        """It was begun and did not come to its end, or nobody knows."""
        said, remedy = REASON_TEXTS[reason]
        return cls(CommandState.FAILED, reason, text or said, how or remedy)

    @classmethod
    def refused(cls, reason: CommandReason | RefusalReason, text: str = "") -> Self:
        """Nothing has begun."""
        known = CommandReason(reason)
        said, how = REASON_TEXTS[known]
        state = CommandState.EXPIRED if known is CommandReason.EXPIRED else CommandState.REJECTED
        return cls(state, known, text or said, how)


@dataclass(frozen=True, slots=True)
class CommandType:
    """One kind of command that the contract describes."""

    name: str
    """Family and verb: `barrier.open`; `device` stands for every family."""
    request: type[CommandArguments]
    done: type[CommandOutput]

    @property
    def verb(self) -> str:
        """The level of its topic."""
        return self.name.partition(".")[2]


def command_name(family: str, verb: str) -> str:
    """Name of a command that a driver declares."""
    return f"{family}.{verb}"


def args_schema_id(name: str) -> str:
    """Which schema the arguments of a command follow: `urn:bgw:schema:command.barrier.open:v1:args`."""
    return f"{SCHEMA_BASE}command.{name}:v1:args"


def result_schema_id(name: str) -> str:
    """Which schema its result follows."""
    return f"{SCHEMA_BASE}command.{name}:v1:result"


class CommandDescription(_Message):
    """One command that a device obeys."""

    verb: str = Field(description="Level of its topic.", examples=["open"])
    args: str = Field(
        description="Which JSON Schema its arguments follow.",
        examples=["urn:bgw:schema:command.barrier.open:v1:args"],
    )
    result: str = Field(
        description="Which JSON Schema its result follows.",
        examples=["urn:bgw:schema:command.barrier.open:v1:result"],
    )
    moves: bool = Field(
        description="It can move a machine: a role must grant that expressly.", examples=[True]
    )
    urgent: bool = Field(
        description="It is begun at once, beside whatever runs: to stop or to call off.", examples=[False]
    )
    requires_claim: bool = Field(False, description="Only for who has claimed the device.", examples=[False])


def describe_command(family: str, command: CommandSpec) -> CommandDescription:
    """Describe a command that a driver declares."""
    name = command_name(family, command.verb)
    return CommandDescription(
        verb=command.verb,
        args=args_schema_id(name),
        result=result_schema_id(name),
        moves=command.is_movement,
        urgent=command.is_urgent,
        requires_claim=command.needs_claim,
    )


def describe_wrong_fields(error: ValidationError, request: type[CommandArguments]) -> str:
    """Say what is wrong with arguments: fields that the model has, never what somebody wrote."""
    details = error.errors(include_input=False, include_url=False)
    known = {field.alias or name for name, field in request.model_fields.items()}
    wrong = sorted(
        {str(detail["loc"][0]) for detail in details if detail["loc"] and detail["loc"][0] in known}
    )
    strange = any(detail["type"] == "extra_forbidden" for detail in details)
    parts = [f"wrong or missing: {', '.join(wrong)}"] if wrong else []
    parts += ["a field that this command does not have"] if strange else []
    return f"The command's arguments are not what this device takes: {'; '.join(parts) or 'no object'}."


# Claims


class ClaimRequest(CommandArguments):
    """Have a device for oneself: until the lease ends, no other station commands it."""

    unredacted_fields = frozenset({"lease_s"})

    lease_s: int = Field(
        30,
        ge=5,
        le=3600,
        description="How long it holds unless renewed, in seconds; the post may allow less.",
        examples=[30],
    )


class StealRequest(ClaimRequest):
    """Take a claim that another station has. The reason goes into the record."""

    unredacted_fields = ClaimRequest.unredacted_fields | {"reason"}

    reason: str = Field(
        min_length=3,
        max_length=200,
        pattern=r"^[^\x00-\x1f\x7f]*$",
        description="Why, in a sentence without names of persons.",
        examples=["Shift change; counter 1 is unattended."],
    )


class ClaimResult(CommandOutput):
    """The claim is this station's."""

    unredacted_fields = frozenset({"lease_s", "previous_holder"})

    lease_s: int = Field(description="How long it holds unless renewed, in seconds.", examples=[30])
    previous_holder: str | None = Field(
        None, description="Only for `steal`: who had it.", examples=["counter-1"]
    )


class ReleaseResult(CommandOutput):
    """Nobody has the claim any more."""


CLAIM_COMMAND_TYPES = (
    CommandType("device.claim", ClaimRequest, ClaimResult),
    CommandType("device.renew", ClaimRequest, ClaimResult),
    CommandType("device.release", CommandArguments, ReleaseResult),
    CommandType("device.steal", StealRequest, ClaimResult),
)
"""Obeyed by the gateway itself, for every device."""
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
    """Who has claimed a device. There is none while nobody has."""

    holder: Name = Field(description="The station that has it.", examples=["counter-1"])
    since: AwareDatetime = Field(
        description="Since when, by the post's wall clock, UTC.", examples=["2026-11-23T08:15:30.123456Z"]
    )
    lease_s: int = Field(
        description="It ends by itself when it is not renewed for this long, in seconds.", examples=[30]
    )
    session: str = Field(
        description="The gateway session that says so; a claim of an older session is over.",
        examples=["0f8fad5bd9cb469f"],
    )
