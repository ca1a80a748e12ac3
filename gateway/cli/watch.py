"""`borderpost watch`: what a workstation sees, as it arrives."""

import asyncio
import contextlib
from typing import Annotated

import typer

from gateway.cli.post_file import load_or_fail
from gateway.cli.rendering import event_json, event_line, status_line
from gateway.cli.terminal import DEFAULT_CONFIG, ConfigFile, say
from gateway.cli.workstation import workstation_of
from gateway.client import Received
from gateway.config import Post


def watch(
    config: ConfigFile = DEFAULT_CONFIG,
    position: Annotated[
        list[str] | None, typer.Option("--position", "-p", help="Only this position; may be repeated.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="One CloudEvent a line, nothing else.")] = False,
    reveal: Annotated[
        bool, typer.Option("--reveal", help="Show personal data of live travellers too; it is shown in full.")
    ] = False,
) -> None:
    """Show events and device states as they arrive, until Ctrl-C.

    Names and numbers of simulated travellers are shown; those of live ones only with --reveal.
    """
    post = load_or_fail(config)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_watch(post, position, as_json=json, reveal=reveal))


async def _watch(post: Post, positions: list[str] | None, *, as_json: bool, reveal: bool) -> None:
    async with workstation_of(post, positions) as desk:
        async for item in desk.everything():
            if isinstance(item, Received):
                if as_json:
                    typer.echo(event_json(item, reveal=reveal))
                else:
                    say(event_line(item, reveal=reveal))
            elif not as_json:
                say(status_line(item))
