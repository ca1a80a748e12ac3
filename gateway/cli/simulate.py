"""`borderpost simulate`: run a post of simulated devices."""

import asyncio
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.cli._lib.terminal import console, exit_with, require_simulators


def simulate(
    post: Annotated[Path, typer.Argument(help="The file that describes the simulated post.")],
    run_dir: Annotated[
        Path | None, typer.Option(help="Folder for ports and the control socket; default: a new folder.")
    ] = None,
) -> None:
    """Run simulated devices, each in its own process, until Ctrl-C.

    The gateway is a separate program, connected only through the addresses of the devices.
    """
    require_simulators()
    # Apart from the demo, the only place where code of the gateway imports the simulators.
    from simulators.errors import SimulatorError
    from simulators.post import run_post

    def report(name: str, event: str, details: Mapping[str, Any]) -> None:
        facts = " ".join(f"{key}={value}" for key, value in details.items())
        console.print(f"{name:<16} {event:<9} {facts}", markup=False, soft_wrap=True)

    where = run_dir or Path(tempfile.mkdtemp(prefix="borderpost-post-"))
    console.print(f"control socket in {where}", markup=False, soft_wrap=True)
    try:
        code = asyncio.run(run_post(post, run_dir=where, on_event=report))
    except SimulatorError as error:
        exit_with(str(error), 78)
    raise typer.Exit(code)
