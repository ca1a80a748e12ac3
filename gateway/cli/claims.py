"""`borderpost claims`: list claims of devices; release, steal or revoke one."""

import asyncio
import json
from typing import Annotated, Any

import typer
from rich.table import Table

from gateway.cli._lib.api_client import perform_or_exit
from gateway.cli._lib.arguments import DeviceCommand, OneDevice, PostFile
from gateway.cli._lib.post_file import load_or_fail
from gateway.cli._lib.terminal import DEFAULT_CONFIG, ConfigFile, console
from gateway.cli._lib.workstation import (
    CertFile,
    KeyFile,
    Login,
    PasswordFile,
    SigningKey,
    StationName,
    connected_workstation,
    wait_for_retained,
)
from gateway.cli.command import AsJson, PositionName, run_and_print
from gateway.client import CommandResult, DeviceStatus
from gateway.config import Post

app = typer.Typer(help="List, release, steal and revoke claims of devices.", no_args_is_help=True)


@app.command("list")
def list_claims(
    config: ConfigFile = DEFAULT_CONFIG,
    as_json: AsJson = False,
    station: StationName = None,
    password_file: PasswordFile = None,
    cert: CertFile = None,
    key: KeyFile = None,
) -> None:
    """List every claimed device with its holder, the start of the claim and its lease."""
    post = load_or_fail(config)
    claimed = asyncio.run(_claimed(post, Login(station, password_file, cert, key)))
    if as_json:
        typer.echo(json.dumps([_to_json(status) for status in claimed]))
        return
    table = Table(box=None, pad_edge=False)
    for heading in ("position", "holder", "since", "lease"):
        table.add_column(heading)
    for status in claimed:
        if claim := status.claim:
            since = f"{claim.since.astimezone():%Y-%m-%d %H:%M:%S}"
            table.add_row(str(status.position), claim.holder, since, f"{claim.lease_s} s")
    console.print(table if claimed else "no device is claimed")


@app.command()
def release(
    config: ConfigFile,
    position: PositionName,
    as_json: AsJson = False,
    station: StationName = None,
    password_file: PasswordFile = None,
    cert: CertFile = None,
    key: KeyFile = None,
    signing_key: SigningKey = None,
) -> None:
    """Release a claim of this station, such as one of a program that ended without releasing it."""
    _ask(config, position, "release", {}, as_json, Login(station, password_file, cert, key, signing_key))


@app.command()
def steal(
    config: ConfigFile,
    position: PositionName,
    reason: Annotated[
        str, typer.Option(help="Reason, without names of persons: it is recorded in the audit.")
    ],
    lease: Annotated[int, typer.Option(min=5, max=3600, help="Lease in seconds.")] = 30,
    as_json: AsJson = False,
    station: StationName = None,
    password_file: PasswordFile = None,
    cert: CertFile = None,
    key: KeyFile = None,
    signing_key: SigningKey = None,
) -> None:
    """Steal another station's claim. A role must permit it; exit codes as of `command`."""
    args = {"reason": reason, "lease_s": lease}
    _ask(config, position, "steal", args, as_json, Login(station, password_file, cert, key, signing_key))


@app.command(cls=DeviceCommand)
def revoke(
    config: PostFile,
    position: OneDevice,
    reason: Annotated[
        str, typer.Option(help="Reason, without names of persons: it is recorded in the audit.")
    ],
    as_json: AsJson = False,
) -> None:
    """Revoke a station's claim of a device, as a supervisor of this machine."""
    perform_or_exit(
        config, position, "/claim/revoke", {"reason": reason}, "the claim is revoked", as_json=as_json
    )


def _ask(
    config: ConfigFile, position: str, verb: str, args: dict[str, Any], as_json: bool, login: Login
) -> None:
    post = load_or_fail(config)

    async def ask() -> CommandResult[Any]:
        async with connected_workstation(post, [position], login) as workstation:
            return await workstation.command(position, verb, args)

    run_and_print(post, login, position, verb, ask, as_json=as_json)


async def _claimed(post: Post, login: Login) -> list[DeviceStatus]:
    async with connected_workstation(post, None, login) as workstation:
        await wait_for_retained(workstation)
        return [status for position in post.devices if (status := workstation.status(position)).claim]


def _to_json(status: DeviceStatus) -> dict[str, Any]:
    claim = status.claim
    return {"position": str(status.position)} | (claim.model_dump(mode="json") if claim else {})
