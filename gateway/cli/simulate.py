"""`borderpost simulate`: run a post of simulated devices."""

import asyncio
import contextlib
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from drivers.installation import how_to_install
from gateway.cli._lib.terminal import console, exit_with, require_simulators


def simulate(
    post: Annotated[Path, typer.Argument(help="The file that describes the simulated post.")],
    run_dir: Annotated[
        Path | None,
        typer.Option(
            help="Folder for ports and the control socket; default: a new folder, removed at the end."
        ),
    ] = None,
    listen: Annotated[
        str | None,
        typer.Option(metavar="HOST:PORT", help="Also take requests of `borderpost sim` over TCP."),
    ] = None,
    token_file: Annotated[
        Path | None,
        typer.Option(help="File of the token for --listen; made with a random one where it is absent."),
    ] = None,
) -> None:
    """Run simulated devices, each in its own process, until Ctrl-C.

    The gateway is a separate program, connected only through the addresses of the devices.
    """
    if (listen is None) is not (token_file is None):
        exit_with("--listen and --token-file are given together, or neither", os.EX_USAGE)
    require_simulators()
    # Apart from the demo, the only place where code of the gateway imports the simulators.
    from simulators.control import parse_listen, read_or_make_token
    from simulators.errors import SimulatorError
    from simulators.forking import keep_one_thread
    from simulators.post import Listen, Post, run_post

    keep_one_thread()

    def report(name: str, event: str, details: Mapping[str, Any]) -> None:
        facts = " ".join(f"{key}={value}" for key, value in details.items())
        console.print(f"{name:<16} {event:<9} {facts}", markup=False, soft_wrap=True)

    with contextlib.ExitStack() as stack:
        where = run_dir or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="borderpost-post-")))

        def show_socket(running: Post) -> None:
            console.print(f"control socket in {where}", markup=False, soft_wrap=True)
            if running.control_address is not None:
                console.print(f"control port {running.control_address}", markup=False, soft_wrap=True)

        try:
            tcp = None
            if listen is not None and token_file is not None:
                tcp = Listen(*parse_listen(listen), read_or_make_token(token_file))
            code = asyncio.run(
                run_post(post, run_dir=where, on_ready=show_socket, on_event=report, forks=True, listen=tcp)
            )
        except SimulatorError as error:
            how = "".join(f"\n    {how_to_install(extra)}" for extra in error.extras)
            exit_with(f"{error}{how}", os.EX_UNAVAILABLE if error.extras else os.EX_CONFIG)
    raise typer.Exit(code)
