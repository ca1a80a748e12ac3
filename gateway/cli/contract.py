"""`borderpost contract`: the schemas and the AsyncAPI document, made from the models."""

from pathlib import Path
from typing import Annotated

import typer

from gateway.cli._lib.terminal import console, exit_with


def contract(
    directory: Annotated[Path, typer.Argument(help="Where the documents are.")] = Path("config/contract"),
    check: Annotated[bool, typer.Option("--check", help="Write nothing; exit 1 on any drift.")] = False,
) -> None:
    """Write AsyncAPI 3 and JSON Schema of everything that crosses the broker."""
    from gateway.contract import export as documents

    if check:
        if drifts := documents.compare(directory):
            exit_with("\n".join(f"{directory}/{drift}" for drift in drifts), 1)
        console.print(f"{directory}: as the models say")
        return
    for name in documents.write(directory):
        console.print(str(name), markup=False)
