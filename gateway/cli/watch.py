"""`borderpost watch`: show events and device states as a workstation receives them."""

import asyncio
import contextlib
from typing import Annotated

import typer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from gateway.cli._lib.post_file import load_or_fail
from gateway.cli._lib.terminal import DEFAULT_CONFIG, ConfigFile, errors, print_line
from gateway.cli._lib.workstation import VerifyKeys, load_verify_keys, make_workstation, remedy
from gateway.cli._render.event import event_json, event_line, status_line
from gateway.client import ConnectionProblem, ReceivedEvent, RejectedMessage
from gateway.config import Post


def watch(
    config: ConfigFile = DEFAULT_CONFIG,
    position: Annotated[
        list[str] | None, typer.Option("--position", "-p", help="Only this position; may be repeated.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one CloudEvent per line only.")] = False,
    verify: VerifyKeys = None,
    reveal: Annotated[
        bool, typer.Option("--reveal", help="Show personal data of real travellers in full.")
    ] = False,
) -> None:
    """Show events and device states as they arrive, until Ctrl-C.

    With --verify, only what the gateway signed is shown; the rest is named on standard error. Without it,
    nothing is verified: the broker may have invented it.

    Names and numbers of simulated travellers are shown; those of live and replayed ones only with --reveal.
    """
    post = load_or_fail(config)
    keys = load_verify_keys(post, verify)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_watch(post, position, keys, as_json=json, reveal=reveal))


async def _watch(
    post: Post,
    positions: list[str] | None,
    keys: dict[str, list[Ed25519PublicKey]] | None,
    *,
    as_json: bool,
    reveal: bool,
) -> None:
    def problem(met: ConnectionProblem) -> None:
        errors.print(f"{met.text}\n    {remedy(post, met.how)}", markup=False, soft_wrap=True)

    async with make_workstation(
        post, positions, verify=keys, on_refused=_refused, on_problem=problem
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
    name = refused.event_id or "without a name"
    what = f"event {name}" if refused.kind == "event" else refused.kind
    what = f"image {refused.role} of {what}" if refused.role is not None else what
    errors.print(
        f"REFUSED {refused.position}: {what}: {refused.text}",
        markup=False,
        soft_wrap=True,
    )
