"""`borderpost watch`: show events and device states as a workstation receives them."""

import asyncio
import contextlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from gateway.cli._lib.post_file import load_or_fail
from gateway.cli._lib.render_event import event_json, event_line, status_line
from gateway.cli._lib.terminal import DEFAULT_CONFIG, ConfigFile, errors, exit_with, print_line
from gateway.cli._lib.workstation import make_workstation, remedy
from gateway.client import ConnectionProblem, ReceivedEvent, RejectedMessage
from gateway.config import Post
from gateway.pki.keys import UnusableKeyError, load_public_key


def watch(
    config: ConfigFile = DEFAULT_CONFIG,
    position: Annotated[
        list[str] | None, typer.Option("--position", "-p", help="Only this position; may be repeated.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one CloudEvent per line only.")] = False,
    verify: Annotated[
        list[str] | None,
        typer.Option(
            "--verify",
            metavar="[GATEWAY=]FILE",
            help="Public signing key (signing.pub) of the post's gateway, or of another one of the site; "
            "may be repeated.",
        ),
    ] = None,
    reveal: Annotated[
        bool, typer.Option("--reveal", help="Show personal data of live travellers in full.")
    ] = False,
) -> None:
    """Show events and device states as they arrive, until Ctrl-C.

    With --verify, only events signed by the gateway are shown; others are named on standard error.

    Names and numbers of simulated travellers are shown; those of live ones only with --reveal.
    """
    post = load_or_fail(config)
    try:
        keys = _public_keys(post, verify or ())
    except (UnusableKeyError, OSError) as error:
        exit_with(f"the public key cannot be used: {error}", os.EX_NOINPUT)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_watch(post, position, keys, as_json=json, reveal=reveal))


def _public_keys(post: Post, verify: Iterable[str]) -> dict[str, list[Ed25519PublicKey]]:
    """Load the keys of `--verify`, by site and gateway; raises UnusableKeyError, OSError."""
    keys: dict[str, list[Ed25519PublicKey]] = {}
    for text in verify:
        gateway, separator, file = text.partition("=")
        if not separator:
            gateway, file = post.gateway.name, text
        keys.setdefault(f"{post.gateway.site}/{gateway}", []).append(load_public_key(Path(file)))
    return keys


async def _watch(
    post: Post,
    positions: list[str] | None,
    keys: dict[str, list[Ed25519PublicKey]],
    *,
    as_json: bool,
    reveal: bool,
) -> None:
    def problem(met: ConnectionProblem) -> None:
        errors.print(f"{met.text}\n    {remedy(post, met.how)}", markup=False, soft_wrap=True)

    async with make_workstation(
        post, positions, verify=keys or None, on_refused=_refused, on_problem=problem
    ) as workstation:
        async for item in workstation.events_and_status():
            if isinstance(item, ReceivedEvent):
                if as_json:
                    typer.echo(event_json(item, reveal=reveal))
                else:
                    print_line(event_line(item, reveal=reveal))
            elif not as_json:
                print_line(status_line(item))


def _refused(refused: RejectedMessage) -> None:
    what = f"image {refused.role} of event" if refused.role is not None else "event"
    errors.print(
        f"REFUSED {refused.position}: {what} {refused.event_id or 'without a name'}: {refused.text}",
        markup=False,
        soft_wrap=True,
    )
