"""`borderpost driver`: begin the package of a driver."""

import os
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli._driver.template import FAMILIES, Link, NameFault, make_package
from gateway.cli._lib.terminal import console, exit_with

app = typer.Typer(
    no_args_is_help=True, help="Begin the package of a driver: driver, simulator, recording, tests."
)


@app.callback()
def driver() -> None:
    """Begin the package of a driver: driver, simulator, recording, tests."""


@app.command("new")
def new(
    name: Annotated[
        str,
        typer.Argument(help="Name of driver and package, such as kivu-k20: letters, digits, hyphens."),
    ],
    family: Annotated[
        str,
        typer.Option(
            help=f"Family of the device: {', '.join(FAMILIES)}; any other word begins a family of its own, "
            "and is the namespace of its events and commands."
        ),
    ],
    link: Annotated[
        Link, typer.Option(help="Link of the device; a camera is on HTTP, and a barrier on a serial line.")
    ] = Link.serial,
    into: Annotated[
        Path | None, typer.Option(help="Folder to write, which must not exist; default: NAME, here.")
    ] = None,
) -> None:
    """Write a package with driver, simulator, recording, tests and CI, which pass as they are.

    Its device is invented. Replace SHEET.md by the real protocol, then simulator and driver.
    """
    folder = into or Path(name)
    try:
        written = make_package(name, family, folder, link)
    except NameFault as fault:
        exit_with(str(fault), os.EX_USAGE)
    except OSError as error:
        exit_with(f"{error.filename or folder}: {error.strerror}; name another folder", os.EX_CANTCREAT)
    for path in written:
        console.print(str(folder / path), markup=False, soft_wrap=True)
    console.print(f"Next: cd {folder}, and follow README.md", markup=False, soft_wrap=True)
