"""Workstation at the broker of a post's file, with the gateway's login or a station's."""

import asyncio
import os
import ssl
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from drivers.links.tls import client_context
from gateway.cli._lib.terminal import errors, exit_with
from gateway.client import ConnectionProblem, RejectedMessage, Workstation
from gateway.config import Post
from gateway.pki.keys import UnusableKeyError, load_public_key

ANSWER_S = 5.0
QUIET_S, RETAINED_S = 0.3, 2.0
"""Seconds of silence, and seconds in total, after which retained messages count as complete."""

StationName = Annotated[
    str | None,
    typer.Option(
        "--station",
        envvar="BORDERPOST_STATION",
        help="Station: its user name at the broker, or the common name of --cert. Default: the post's.",
    ),
]
PasswordFile = Annotated[
    Path | None,
    typer.Option(envvar="BORDERPOST_PASSWORD_FILE", help="File with the station's password at the broker."),
]
CertFile = Annotated[
    Path | None,
    typer.Option("--cert", envvar="BORDERPOST_CERT", help="The station's certificate, PEM; with --key."),
]
KeyFile = Annotated[
    Path | None, typer.Option("--key", envvar="BORDERPOST_KEY", help="The private key of --cert, PEM.")
]
SigningKey = Annotated[
    Path | None,
    typer.Option(
        envvar="BORDERPOST_SIGNING_KEY",
        help="File of the private key with which the station signs (borderpost trust key).",
    ),
]
VerifyKeys = Annotated[
    list[str] | None,
    typer.Option(
        "--verify",
        metavar="[GATEWAY=]FILE",
        help="Public signing key (signing.pub) of the post's gateway, or of another one of the site; "
        "may be repeated.",
    ),
]


@dataclass(frozen=True)
class Login:
    """Login at the broker; missing parts are taken from the post's file."""

    station: str | None = None
    password_file: Path | None = None
    cert: Path | None = None
    key: Path | None = None
    signing_key: Path | None = None


def load_verify_keys(post: Post, verify: list[str] | None) -> dict[str, list[Ed25519PublicKey]] | None:
    """Load the keys of `--verify`, by site and gateway; ends with EX_NOINPUT for an unusable one."""
    keys: dict[str, list[Ed25519PublicKey]] = {}
    try:
        for text in verify or ():
            gateway, separator, file = text.partition("=")
            if not separator:
                gateway, file = post.gateway.name, text
            keys.setdefault(f"{post.gateway.site}/{gateway}", []).append(load_public_key(Path(file)))
    except (UnusableKeyError, OSError) as error:
        exit_with(f"the public key cannot be used: {error}", os.EX_NOINPUT)
    return keys or None


def make_workstation(
    post: Post,
    positions: list[str] | None = None,
    login: Login | None = None,
    *,
    verify: Mapping[str, Iterable[Ed25519PublicKey]] | None = None,
    on_refused: Callable[[RejectedMessage], None] | None = None,
    on_problem: Callable[[ConnectionProblem], None] | None = None,
) -> Workstation:
    """Connect with a session that ends with the connection: as a station, or as the gateway."""
    broker, login = post.broker, login or Login()
    own = login.station is None
    cert, key = login.cert, login.key
    if own and cert is None and broker.tls is not None:
        cert, key = broker.tls.cert_file, broker.tls.key_file
    tls = None
    if broker.tls is not None:
        tls = client_context(broker.tls.ca_file)
        if cert is not None:
            tls.load_cert_chain(cert, key)
    password_file = broker.password_file if own else login.password_file
    password = None
    if password_file is not None:
        password = password_file.read_text("utf-8").removesuffix("\n")
    username = broker.username if own else login.station if password is not None else None
    return Workstation(
        broker.host,
        broker.port,
        site=post.gateway.site,
        positions=positions,
        username=username,
        password=password,
        tls=tls,
        station=login.station or broker.username,
        training=post.gateway.profile == "training",
        signing_key=login.signing_key,
        verify=verify,
        on_rejected=on_refused,
        on_problem=on_problem,
        on_undecoded=lambda text: errors.print(text, markup=False, soft_wrap=True),
    )


@asynccontextmanager
async def connected_workstation(
    post: Post,
    positions: list[str] | None = None,
    login: Login | None = None,
    *,
    verify: Mapping[str, Iterable[Ed25519PublicKey]] | None = None,
) -> AsyncIterator[Workstation]:
    """Connect a workstation; ends with EX_UNAVAILABLE if it is not connected within seconds."""
    try:
        # A persistent problem is reported below: standard output may be a pipe that takes JSON.
        workstation = make_workstation(post, positions, login, verify=verify, on_problem=lambda _: None)
    except (OSError, ssl.SSLError, UnusableKeyError) as error:
        exit_with(f"the station's password, certificate or key cannot be used: {error}", os.EX_NOINPUT)
    async with workstation:
        try:
            async with asyncio.timeout(ANSWER_S):
                await workstation.connected_event.wait()
        except TimeoutError:
            text, how = f"The broker at {post.broker.host}:{post.broker.port} does not respond.", ""
            if workstation.problem is not None:
                text, how = workstation.problem.text, workstation.problem.how
            exit_with(f"{text}\n    {remedy(post, how)}", os.EX_UNAVAILABLE)
        yield workstation


def remedy(post: Post, how: str) -> str:
    """Return a remedy for the connection, with the command that shows why the broker does not run."""
    if post.broker.embedded:
        return f"{how} If the demo has ended, start it again: borderpost demo".strip()
    return f"{how} Check that it is running: systemctl status mosquitto".strip()


async def wait_for_retained(workstation: Workstation) -> None:
    """Wait until the retained messages have arrived: a device may have none yet."""
    items = aiter(workstation.events_and_status())
    try:
        async with asyncio.timeout(RETAINED_S):
            while True:
                async with asyncio.timeout(QUIET_S):
                    await anext(items)
    except TimeoutError:
        pass
