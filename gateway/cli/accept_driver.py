"""`borderpost accept-driver`: try the drivers of a package by the criteria that ours are accepted by."""

import json
import os
from pathlib import Path
from typing import Annotated, Any

import typer
from rich import box
from rich.markup import escape
from rich.table import Table

from gateway.cli._lib.terminal import console, errors, exit_with, require_simulators

MARKS = {"held": "green", "not held": "red", "not tried": "yellow"}


def accept_driver(
    package: Annotated[
        str,
        typer.Argument(metavar="PACKAGE", help="Installed distribution, by the name in its pyproject.toml."),
    ],
    driver: Annotated[
        list[str] | None,
        typer.Option("--driver", metavar="NAME", help="Only this driver of it; may be repeated."),
    ] = None,
    recordings: Annotated[
        list[Path] | None,
        typer.Option(
            "--recordings",
            metavar="FOLDER",
            exists=True,
            file_okay=False,
            help="Recordings besides those of the package; may be repeated.",
        ),
    ] = None,
    opens: Annotated[int, typer.Option(min=1, help="How often each driver is opened and closed.")] = 1000,
    write_events: Annotated[
        bool,
        typer.Option(
            "--write-events", help="First write the events of each recording beside it; then read them."
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Try the drivers of a package by the criteria of ours, without a device.

    Each driver is opened at a pseudo-terminal or an HTTP service that plays its recordings: whole, cut at
    every byte, surrounded by garbage, and unplugged at every byte. The code of the package runs unconfined.

    Exit codes: 0 every driver is accepted; 1 a criterion does not hold; 66 the package has no such driver.
    """
    require_simulators()
    from gateway.testing.packages import PackageError, find_package
    from gateway.testing.stall_free_loop import run_stall_free

    try:
        found = find_package(package, tuple(recordings or ()))
    except PackageError as error:
        exit_with(str(error), os.EX_NOINPUT)
    if unknown := sorted(set(driver or ()) - found.drivers.keys()):
        exit_with(
            f"{package} has no driver named {', '.join(unknown)}; it has {', '.join(sorted(found.drivers))}",
            os.EX_NOINPUT,
        )
    names = sorted(driver or found.drivers)
    reports = [
        run_stall_free(_report(found, name, opens, write_events=write_events, quiet=as_json))
        for name in names
    ]
    accepted = all(report["accepted"] for report in reports)
    if as_json:
        typer.echo(json.dumps({"package": package, "accepted": accepted, "drivers": reports}, indent=1))
    raise typer.Exit(0 if accepted else 1)


async def _report(package: Any, name: str, opens: int, *, write_events: bool, quiet: bool) -> dict[str, Any]:
    """Try one driver, print its table unless `quiet`, and return its report."""
    from gateway.testing.acceptance import driver_trial
    from gateway.testing.criteria import grade_by, is_accepted
    from gateway.testing.run import judge_all, write_all_expected

    async with driver_trial(package, name, opens) as trial:
        if write_events:
            for path in await write_all_expected(trial):
                errors.print(f"{path}: written", markup=False, soft_wrap=True)
        results = {}
        async for criterion, result in judge_all(trial):
            results[criterion] = result
            if not quiet and errors.is_terminal:
                errors.print(f"{name}: {criterion.name}: {result.outcome}", markup=False)
    accepted, grade = is_accepted(results), grade_by(results)
    if not quiet:
        title = f"{name}: {'accepted' if accepted else 'not accepted'}, grade {grade}"
        table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
        table.add_column("criterion", no_wrap=True)
        table.add_column("", no_wrap=True)
        table.add_column("found, and what to do")
        for criterion, result in results.items():
            words = [escape(result.found)]
            if result.remedy:
                words.append(f"[bold]{escape(result.remedy)}[/]")
            mark = f"[{MARKS[result.outcome]}]{result.outcome}[/]"
            table.add_row(criterion.name, mark, "\n".join(words))
        console.print(table)
    return {
        "driver": name,
        "accepted": accepted,
        "grade": grade,
        "criteria": [
            {
                "criterion": criterion.name,
                "text": criterion.text,
                "outcome": result.outcome,
                "found": result.found,
                "remedy": result.remedy,
                "required": criterion in results and not _is_advised(criterion),
            }
            for criterion, result in results.items()
        ],
    }


def _is_advised(criterion: Any) -> bool:
    from gateway.testing.criteria import ADVISED

    return criterion in ADVISED
