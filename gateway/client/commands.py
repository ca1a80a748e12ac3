"""Commands of a workstation: numbering, signing, sending, and matching of answers."""

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar, overload

import aiomqtt

from drivers.command import CommandArguments, DoneT
from gateway.client.models import ConnectionProblem
from gateway.client.mqtt.connection import NO_SUBSCRIBERS
from gateway.contract.commands import (
    CommandAnswer,
    CommandMessage,
    CommandState,
    request_digest,
    signed_bytes,
)
from gateway.contract.reason_codes import CommandReason
from gateway.contract.states import DeviceDescription
from gateway.contract.topics import ROOT, Position, SiteTopics

if TYPE_CHECKING:
    from gateway.pki.jws import Signer

ResultT = TypeVar("ResultT")


@dataclass(frozen=True, slots=True)
class CommandResult(Generic[ResultT]):
    """A command that was done."""

    cmd_id: str
    """Id of the command, as in the records of the audit."""
    transaction: str | None
    """Transaction that the events of this command carry."""
    result: ResultT
    """The model of this command's result, ours or of a package at this desk; without one its plain JSON."""
    is_verified: bool = False
    """True if the gateway signed this answer; always False without `verify`."""


class CommandError(Exception):
    """A command was not done, or its outcome is unknown. Holds text and remedy for a person."""

    def __init__(self, cmd_id: str, reason: str, text: str, how: str) -> None:
        super().__init__(f"{text} {how}".strip())
        self.cmd_id = cmd_id
        """Id of the command, as in the records of the audit."""
        self.reason = reason
        """Word of `CommandReason`; a word of the client for a command that never reached a gateway."""
        self.text = text
        """Reason, as a sentence for a person."""
        self.how = how
        """Remedy, as a sentence for a person."""


class CommandNotSent(CommandError):  # noqa: N818 - an answer, not a fault
    """The command never reached a gateway: nothing has begun."""


class CommandRejected(CommandError):  # noqa: N818
    """The gateway or the device refused it, or it arrived too late: nothing has begun or moved."""


class CommandFailed(CommandError):  # noqa: N818
    """The command was begun and not completed: something may have moved."""


class CommandUnanswered(CommandError):  # noqa: N818
    """The outcome of the command is unknown: it may have been done."""


@dataclass(slots=True)
class _PendingCommand:
    """A command without a final answer yet."""

    session: str
    digest: str
    answer: asyncio.Future[CommandAnswer]
    is_accepted: bool = False
    is_altered: bool = False
    """True if the gateway refused a changed copy of it."""


Publish = Callable[[str, bytes, int, str | None], Awaitable[int]]
"""Function that publishes on a topic, with an expiry in seconds and a signature.

Returns the broker's reason code; raises MqttError, OSError.
"""


class CommandingStation(Protocol):
    """A station that commands devices, as far as claims and previews need it. `Workstation` is one."""

    @property
    def station(self) -> str | None:
        """Name under which it sends commands."""
        ...

    @overload
    async def command(
        self,
        position: str | Position,
        verb: str,
        request: CommandArguments | Mapping[str, Any] | None = None,
        *,
        done: type[DoneT],
        timeout_s: float = ...,
    ) -> CommandResult[DoneT]: ...

    @overload
    async def command(
        self,
        position: str | Position,
        verb: str,
        request: CommandArguments | Mapping[str, Any] | None = None,
        *,
        done: None = None,
        timeout_s: float = ...,
    ) -> CommandResult[Any]: ...


class CommandSender:
    """Commands of one station. Sequence numbers follow the wall clock, so they increase over a restart."""

    def __init__(
        self, site: str, station: str | None, root: str = ROOT, signer: "Signer | None" = None
    ) -> None:
        self.station = station
        self._signer = signer
        self._topics = SiteTopics(site, "", root)
        self._pending: dict[str, _PendingCommand] = {}
        self._last_command_seq = 0

    async def send(
        self,
        position: Position,
        verb: str,
        request: CommandArguments | Mapping[str, Any] | None,
        session: str,
        publish: Publish,
        *,
        expires_s: int,
        timeout_s: float,
        transaction: str | None,
        fresh: str | None = None,
    ) -> CommandAnswer:
        """Send one command and wait for its end; raises CommandNotSent, CommandUnanswered.

        `fresh`: the gateway's newest token, for a signed command.
        """
        if self.station is None:
            raise ValueError("only a workstation with a station's name can send commands: give `station`")
        args = (
            request.model_dump(mode="json", exclude_unset=True)
            if isinstance(request, CommandArguments)
            else request
        )
        cmd_id = str(uuid.uuid4())
        message = CommandMessage(
            cmd_id=cmd_id,
            session=session,
            command_seq=self._next_command_seq(),
            args=dict(args or {}),
            transaction=transaction,
            fresh=fresh,
        )
        topic = self._topics.command(position, verb, self.station)
        payload = message.model_dump_json(exclude_none=True).encode()
        jws = self._signer.sign(signed_bytes(topic, payload)) if self._signer is not None else None
        asked = self._pending[cmd_id] = _PendingCommand(
            session, request_digest(topic, payload, jws), asyncio.get_running_loop().create_future()
        )
        try:
            async with asyncio.timeout(timeout_s):
                _raise_for_code(await publish(topic, payload, expires_s, jws), cmd_id)
                return await asked.answer
        except TimeoutError:
            said = "It was accepted, but there was" if asked.is_accepted else "There was"
            altered = " A copy that was changed on its way was refused." if asked.is_altered else ""
            raise _unanswered(cmd_id, f"{said} no answer within {timeout_s:g} seconds.{altered}") from None
        except (aiomqtt.MqttError, OSError):
            raise _unanswered(cmd_id, "The connection to the broker was lost.") from None
        finally:
            del self._pending[cmd_id]

    def on_answer(self, payload: bytes, *, is_verified: bool = False) -> None:
        """Take an answer; raises ValidationError when it is not valid.

        `is_verified`: the gateway signed it. Then it is used only if it answers exactly what was sent: a
        refusal of a changed copy must not pass for the refusal of the command.
        """
        answer = CommandAnswer.model_validate_json(payload, extra="ignore")
        asked = self._pending.get(answer.cmd_id or "")
        if asked is None:
            return
        if is_verified and answer.request_sha256 != asked.digest:
            asked.is_altered = True
            return
        if answer.last_command_seq is not None:
            self._last_command_seq = max(self._last_command_seq, answer.last_command_seq)
        if answer.state is CommandState.ACCEPTED:
            asked.is_accepted = True
        elif not asked.answer.done():
            asked.answer.set_result(answer)

    def on_gateway_lost(self, session: str) -> None:
        """Fail all commands of a gateway session that is over."""
        for cmd_id, asked in self._pending.items():
            if asked.session == session and not asked.answer.done():
                asked.answer.set_exception(_unanswered(cmd_id, "The gateway ended meanwhile."))

    def _next_command_seq(self) -> int:
        self._last_command_seq = max(self._last_command_seq + 1, time.time_ns() // 1_000_000)
        return self._last_command_seq


def is_stop_verb(description: DeviceDescription, verb: str) -> bool:
    """Tell whether a verb stops a machine, as the gateway does."""
    is_urgent = any(each.urgent for each in description.commands if each.verb == verb)
    return is_urgent and any(each.moves for each in description.commands)


def load_signer(key: "str | Path | Signer | None") -> "Signer | None":
    """Load the station's key; raises OSError, UnusableKeyError."""
    if not isinstance(key, str | Path):
        return key
    from gateway.pki.jws import Signer
    from gateway.pki.keys import load_station_key

    return Signer(load_station_key(Path(key)))


def to_result(
    answer: CommandAnswer, decode: Callable[[dict[str, Any]], Any], *, is_verified: bool = False
) -> CommandResult[Any]:
    """Return the result of a command that was done; else raises CommandRejected or CommandFailed."""
    cmd_id = answer.cmd_id or ""
    match answer.state:
        case CommandState.DONE:
            return CommandResult(cmd_id, answer.transaction, decode(answer.result or {}), is_verified)
        case CommandState.REJECTED | CommandState.EXPIRED:
            raise CommandRejected(cmd_id, answer.reason or CommandReason.UNKNOWN, answer.text, answer.how)
        case CommandState.FAILED:
            raise CommandFailed(cmd_id, answer.reason or CommandReason.UNKNOWN, answer.text, answer.how)
        case _:
            raise _unanswered(cmd_id, "The gateway sent an answer that this version does not know.")


def unreachable(
    position: Position, *, problem: ConnectionProblem | None, is_connected: bool, is_known: bool
) -> CommandNotSent:
    """Make the error of a command for which no running gateway was found in time.

    `problem`: the fault of the connection, or of a site without any gateway.
    """
    if problem is not None:
        return CommandNotSent("", "no_device" if is_connected else "not_connected", problem.text, problem.how)
    if not is_known:
        return CommandNotSent(
            "", "no_device", f"No device is known at {position}.", "Compare with the post's file."
        )
    return _no_gateway("")


def _no_gateway(cmd_id: str) -> CommandNotSent:
    return CommandNotSent(
        cmd_id, "no_gateway", "The gateway is not running.", "Start it, or wait until it is back."
    )


def wrong_arguments(position: Position, verb: str, expected: str) -> CommandNotSent:
    """Make the error of arguments that are those of another command; `expected`: id of the right schema."""
    return CommandNotSent(
        "",
        "wrong_arguments",
        f"The arguments are not those of `{verb}` at {position}, whose schema is {expected}.",
        "Use the model of that device's package, in the version that the gateway has.",
    )


def no_token() -> CommandNotSent:
    """Make the error of a signed command for which the gateway sent no token in time."""
    return CommandNotSent(
        "",
        "no_token",
        "The gateway sent no token in time, and a signed command must name a fresh one.",
        "Check that the broker's access list lets this station read `_gw/+/fresh`, and that it is not late.",
    )


def _raise_for_code(code: int, cmd_id: str) -> None:
    """Raise CommandNotSent for a reason code with which the broker refused a command."""
    if code == NO_SUBSCRIBERS:
        # It ended just now: its state at the broker does not show it yet.
        raise _no_gateway(cmd_id)
    if code >= 0x80:
        raise CommandNotSent(
            cmd_id,
            "not_authorised",
            f"The broker does not permit this station to send that command (reason code 0x{code:02x}).",
            "An administrator can grant it in the broker's access list and the post's role file.",
        )


def _unanswered(cmd_id: str, text: str) -> CommandUnanswered:
    return CommandUnanswered(
        cmd_id, "no_answer", text, "Look at the device: it may have done all, part or nothing of it."
    )
