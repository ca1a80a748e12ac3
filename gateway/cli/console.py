"""`borderpost console`: users who may log in to the console over the network."""

import os
import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli._lib.post_file import load_or_fail
from gateway.cli._lib.terminal import DEFAULT_CONFIG, exit_with

app = typer.Typer(help="Users who may log in to the console over the network.", no_args_is_help=True)
ConfigOption = Annotated[
    Path, typer.Option("--config", envvar="BORDERPOST_CONFIG", help="The file that describes the post.")
]
Name = Annotated[str, typer.Argument(help="Login: lower-case letters, digits, '.', '_' and '-'.")]


class UserRoleName(StrEnum):
    """Role of a user; see `gateway.api.operations.UserRole`."""

    viewer = "viewer"
    technician = "technician"
    supervisor = "supervisor"


@app.callback()
def group() -> None:
    """Keep `passwd` as a subcommand although it is the only one."""


@app.command()
def passwd(
    name: Name,
    role: Annotated[
        UserRoleName | None,
        typer.Option(help="Role of the user; default: an existing user keeps the present one."),
    ] = None,
    remove: Annotated[bool, typer.Option("--remove", help="Remove the user.")] = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Set a user's password in the post's users file, asking for it; or remove the user."""
    from gateway.api.operations import UserRole
    from gateway.console.auth import users as people

    file = load_or_fail(config).console.users_file
    if file is None:
        exit_with(
            f"{config} names no users file, so no user can log in over the network\n"
            '    add users_file = "users.toml" under [console]',
            os.EX_CONFIG,
        )
    if not re.fullmatch(people.NAME, name):
        raise typer.BadParameter("invalid name: use lower-case letters, digits, '.', '_', '-', at most 32")
    try:
        known = people.read(file) if file.exists() else {}
        if remove:
            if not people.remove(file, name):
                exit_with(f"there is no user {name} in {file}", os.EX_NOUSER)
            typer.echo(f"{name} can no longer log in")
            return
        if role is None and name not in known:
            exit_with(f"there is no user {name} yet: choose a role with --role", os.EX_USAGE)
        user_role = UserRole[role.upper()] if role else known[name].role
        password = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
        if len(password) < people.MIN_PASSWORD_LENGTH:
            exit_with(
                f"the password is too short: use at least {people.MIN_PASSWORD_LENGTH} characters",
                os.EX_DATAERR,
            )
        people.set_password(file, name, password, user_role)
    except people.UsersFileError as error:
        exit_with(str(error), os.EX_DATAERR)
    except OSError as error:
        exit_with(f"{file} cannot be written: {error.strerror}", os.EX_CANTCREAT)
    typer.echo(f"{name} may log in as {user_role.name.lower()}")
