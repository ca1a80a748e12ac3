"""`borderpost barrier`: the safety case of a barrier, its commissioning and its proof tests."""

import os
from pathlib import Path
from typing import Annotated

import typer

from drivers.barrier.board_settings import BoardBarrierSettings
from gateway.cli._lib.arguments import DeviceCommand, OneDevice, PostFile
from gateway.cli._lib.post_file import load_or_fail
from gateway.cli._lib.safety_case_page import CasePage
from gateway.cli._lib.terminal import exit_with

app = typer.Typer(help="Safety case, commissioning and proof tests of a barrier.", no_args_is_help=True)


@app.command(cls=DeviceCommand)
def case(
    config: PostFile,
    position: OneDevice,
    html: Annotated[
        Path | None, typer.Option(help="Write it as a page to print and sign, with the wiring drawn.")
    ] = None,
) -> None:
    """Print what a cut wire, a dead gateway, a dead board and a stuck relay do at this barrier.

    Nothing is connected or moved: it is computed from the configuration.
    """
    page = load_case(config, position)
    if html is None:
        typer.echo("\n".join(page.lines()))
        return
    try:
        html.write_text(page.html(), "utf-8")
    except OSError as error:
        exit_with(f"{html} cannot be written: {error.strerror}", os.EX_CANTCREAT)
    typer.echo(f"{html} written; open it in a browser, print it, and have it signed")


def load_case(config: Path, position: str) -> CasePage:
    """Return the safety case of a barrier; ends with EX_USAGE if there is no barrier."""
    post = load_or_fail(config)
    device = next((each for where, each in post.devices.items() if str(where) == position), None)
    if device is None or not isinstance(device.settings, BoardBarrierSettings):
        barriers = [
            str(where)
            for where, each in post.devices.items()
            if isinstance(each.settings, BoardBarrierSettings)
        ]
        exit_with(
            f"{position} is no barrier of this post\n"
            f"    barriers in {config}: {', '.join(barriers) or 'none'}",
            os.EX_USAGE,
        )
    return CasePage.of(post.gateway.site, post.gateway.name, position, device.driver, device.settings)


@app.callback()
def group() -> None:
    """Keep `case` as a subcommand."""
