"""`borderpost contract`: write the schemas and the AsyncAPI document from the models."""

from pathlib import Path
from typing import Annotated

import typer

from gateway.cli._lib.terminal import console, exit_with


def contract(
    directory: Annotated[Path, typer.Argument(help="Folder of the documents.")] = Path("config/contract"),
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit code 1 if a document differs.")
    ] = False,
) -> None:
    """Write AsyncAPI 3 and JSON Schema of all messages at the broker."""
    from gateway.contract import export as documents

    if check:
        if drifts := documents.compare(directory):
            exit_with("\n".join(f"{directory}/{drift}" for drift in drifts), 1)
        console.print(f"{directory}: all documents match the models")
        return
    for name in documents.write(directory):
        console.print(str(name), markup=False)
