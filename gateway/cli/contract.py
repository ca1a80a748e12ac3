"""`borderpost contract`: write the schemas and the AsyncAPI document from the models."""

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli._lib.terminal import console, errors, exit_with

if TYPE_CHECKING:
    from drivers.packages.vocabularies import InstalledVocabulary

OURS, OF_PACKAGES = Path("config/contract"), Path("contract")


def contract(
    directory: Annotated[
        Path | None,
        typer.Argument(
            help=f"Folder of the documents: {OURS}, with --package {OF_PACKAGES}.", show_default=False
        ),
    ] = None,
    package: Annotated[
        list[str] | None,
        typer.Option(
            "--package", metavar="NAME", help="Write what this installed package adds; may be repeated."
        ),
    ] = None,
    whole: Annotated[
        bool, typer.Option("--whole", help="With --package: the whole contract, with what it adds.")
    ] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit code 1 if a document differs.")
    ] = False,
) -> None:
    """Write AsyncAPI 3 and JSON Schema of all messages at the broker, or of what packages add to them.

    NAME is the name of a package, or the namespace of its events. Changes that break consumers are named.
    """
    from gateway.contract.documents import export as documents

    if whole and not package:
        exit_with("--whole needs --package NAME", os.EX_USAGE)
    of, folder = documents.CONTRACT, directory or OURS
    if package:
        installed = dict.fromkeys(one for name in package for one in _installed(name))
        of = documents.package_documents(tuple(installed), whole=whole)
        folder = directory or OF_PACKAGES
        _warn_of_narrowing([f"{folder}/{text}" for text in documents.narrowed(folder, of)])
    if check:
        if drifts := documents.compare(folder, of):
            exit_with("\n".join(f"{folder}/{drift}" for drift in drifts), 1)
        console.print(f"{folder}: all documents match the models")
        return
    for name in documents.write(folder, of):
        console.print(str(name), markup=False)


def _warn_of_narrowing(changes: list[str]) -> None:
    if changes:
        text = (
            "These changes break consumers of the present version: increase the version of the vocabulary, "
            "unless that version was never released."
        )
        errors.print("\n    ".join([text, *changes]), markup=False, soft_wrap=True)


def _installed(name: str) -> "list[InstalledVocabulary]":
    """Return the vocabularies of a package, by its name or their namespace; ends if there is none."""
    from drivers.packages.vocabularies import faults_of_vocabularies, installed_vocabularies

    wanted, known = _plain(name), installed_vocabularies()
    found = [one for one in known if wanted in (_plain(one.package), _plain(one.vocabulary.namespace))]
    faults = [
        str(one)
        for one in faults_of_vocabularies()
        if wanted in (_plain(one.package.split()[0]), _plain(one.subject.split()[-1]))
    ]
    if faults:
        exit_with("\n".join(faults), os.EX_DATAERR)
    if not found:
        names = ", ".join(f"{one.package} ({one.vocabulary.namespace})" for one in known) or "none"
        exit_with(
            f"no installed package {name} has events or commands of its own; packages that have: {names}\n"
            "    A package names them by an entry point of the group borderpost.vocabularies.",
            os.EX_DATAERR,
        )
    if not any(one.vocabulary.observations or one.vocabulary.commands for one in found):
        exit_with(f"the vocabulary of {name} is empty: it has no observations and no commands", os.EX_DATAERR)
    return found


def _plain(name: str) -> str:
    """Return a name of a package as indexes compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()
