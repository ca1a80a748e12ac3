"""`borderpost command`: send a command to a device, and show its result."""

import asyncio
import json
import os
from typing import Annotated, Any

import typer

from gateway.cli._lib.post_file import load_or_fail
from gateway.cli._lib.terminal import ConfigFile, console, exit_with
from gateway.cli._lib.workstation import (
    CertFile,
    KeyFile,
    Login,
    PasswordFile,
    SigningKey,
    StationName,
    VerifyKeys,
    connected_workstation,
    load_verify_keys,
)
from gateway.client import (
    CommandError,
    CommandFailed,
    CommandNotSent,
    CommandRejected,
    CommandResult,
    CommandUnanswered,
)
from gateway.config import Post
from gateway.contract.reason_codes import CommandReason
from gateway.contract.topics import Position

EX_PROTOCOL = 76
_NOT_ALLOWED = {
    CommandReason.NOT_PERMITTED,
    CommandReason.UNKNOWN_STATION,
    CommandReason.FOREIGN_AUTHORITY,
    CommandReason.UNSIGNED,
    CommandReason.BAD_SIGNATURE,
    CommandReason.UNKNOWN_KEY,
    CommandReason.REVOKED_KEY,
    CommandReason.WRONG_TOPIC,
    "not_authorised",
}
_WRONG = {CommandReason.BAD_REQUEST, CommandReason.UNKNOWN_VERB, CommandReason.MALFORMED}

PositionName = Annotated[str, typer.Argument(metavar="POSITION", help="Device, as in lane-1/barrier.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object only.")]


def command(
    config: ConfigFile,
    position: PositionName,
    verb: Annotated[str, typer.Argument(help="Command, one of those in the device's description.")],
    arg: Annotated[
        list[str] | None,
        typer.Option("--arg", help="NAME=VALUE, the value as JSON or else as text; may be repeated."),
    ] = None,
    args: Annotated[str | None, typer.Option("--args", help="All arguments as one JSON object.")] = None,
    expires: Annotated[
        int,
        typer.Option(min=1, max=5, help="Seconds within which the command must begin; later it is refused."),
    ] = 3,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds to wait for the result.")] = 10.0,
    transaction: Annotated[
        str | None, typer.Option(help="Transaction of a traveller; the command's events carry it too.")
    ] = None,
    as_json: AsJson = False,
    station: StationName = None,
    password_file: PasswordFile = None,
    cert: CertFile = None,
    key: KeyFile = None,
    signing_key: SigningKey = None,
    verify: VerifyKeys = None,
) -> None:
    """Send a command to a device as a station, wait for its end, and show the result.

    Exit codes: 0 done; 65 wrong command or arguments; 69 no gateway or no broker; 74 begun and failed; 75
    refused for now; 76 result unknown; 77 not permitted.
    """
    post = load_or_fail(config)
    login = Login(station, password_file, cert, key, signing_key)
    keys = load_verify_keys(post, verify)
    arguments = _arguments(arg or [], args)

    async def ask() -> CommandResult[Any]:
        async with connected_workstation(post, [position], login, verify=keys) as workstation:
            return await workstation.command(
                position, verb, arguments, expires_s=expires, timeout_s=timeout, transaction=transaction
            )

    run_and_print(post, login, position, verb, ask, as_json=as_json)


def run_and_print(post: Post, login: Login, position: str, verb: str, ask: Any, *, as_json: bool) -> None:
    """Run a request, print its result, and end with its exit code."""
    try:
        Position.parse(position)
    except ValueError as error:
        exit_with(str(error), os.EX_USAGE)
    if login.station is None and post.broker.username is None:
        exit_with("no station is given: add --station NAME", os.EX_USAGE)
    try:
        answer = asyncio.run(ask())
    except CommandError as error:
        if as_json:
            typer.echo(json.dumps(_refused(error)))
        else:
            exit_with(f"{position} {verb}: {error.text}\n    {error.how}", exit_code_of(error))
        raise typer.Exit(exit_code_of(error)) from None
    result = answer.result if isinstance(answer.result, dict) else answer.result.model_dump(mode="json")
    if as_json:
        fields = {
            "state": "done",
            "cmd_id": answer.cmd_id,
            "transaction": answer.transaction,
            "verified": answer.is_verified,
            "result": result,
        }
        typer.echo(json.dumps(fields))
        return
    unverified = "" if answer.is_verified else " (unverified)"
    console.print(f"{position} {verb}: done{_result_text(result)}{unverified}", markup=False, soft_wrap=True)


def _result_text(result: dict[str, Any]) -> str:
    """Return the single values of a result as text; lists and objects are for `--json`."""
    simple = {name: value for name, value in result.items() if isinstance(value, str | int | float)}
    return "".join(f" {name}={value}" for name, value in simple.items())


def exit_code_of(error: CommandError) -> int:
    """Return the exit code of sysexits(3) for a command that was not done."""
    if error.reason in _NOT_ALLOWED:
        return os.EX_NOPERM
    match error:
        case CommandNotSent():
            return os.EX_UNAVAILABLE
        case CommandRejected():
            return os.EX_DATAERR if error.reason in _WRONG else os.EX_TEMPFAIL
        case CommandFailed():
            return os.EX_IOERR
        case _:
            return EX_PROTOCOL


def _refused(error: CommandError) -> dict[str, Any]:
    state = {
        CommandNotSent: "not_sent",
        CommandRejected: "rejected",
        CommandFailed: "failed",
        CommandUnanswered: "unknown",
    }[type(error)]
    fields = {"state": state, "reason": str(error.reason), "text": error.text, "how": error.how}
    return fields | {"cmd_id": error.cmd_id or None}


def _arguments(pairs: list[str], whole: str | None) -> dict[str, Any]:
    """Combine the arguments; ends with EX_USAGE for an invalid one."""
    found: dict[str, Any] = {}
    if whole is not None:
        try:
            found = json.loads(whole)
        except ValueError:
            exit_with("--args is not JSON", os.EX_USAGE)
        if not isinstance(found, dict):
            exit_with('--args is not an object, such as {"width_cm": 30}', os.EX_USAGE)
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            exit_with("--arg is written NAME=VALUE", os.EX_USAGE)
        try:
            found[name] = json.loads(value)
        except ValueError:
            found[name] = value
    return found
