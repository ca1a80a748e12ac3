"""`borderpost drivers`: what is installed, from which package, its grade, and what is wrong with it."""

from collections.abc import Iterator
from dataclasses import asdict

import typer
from rich.text import Text

from drivers import DRIVER_API, OLDEST_DRIVER_API
from gateway.cli._lib.api_client import AsJson
from gateway.cli._lib.installed_packages import (
    NOT_GRADED,
    InstalledPackage,
    InstalledPart,
    installed_packages,
)
from gateway.cli._lib.terminal import print_line


def drivers(as_json: AsJson = False) -> None:
    """List installed drivers, vocabularies and simulators by package, with their grade and faults.

    Drivers of other packages are tried in processes of their own. Exit code 1 if a package has a fault.
    """
    found = installed_packages()
    if as_json:
        import json

        answer = {
            "driver_api": DRIVER_API,
            "oldest_driver_api": OLDEST_DRIVER_API,
            "packages": [asdict(package) for package in found],
        }
        typer.echo(json.dumps(answer, ensure_ascii=False))
    else:
        for package in found:
            for line in _lines(package):
                print_line(line)
    raise typer.Exit(1 if any(package.has_faults for package in found) else 0)


def _lines(package: InstalledPackage) -> Iterator[Text]:
    yield Text(f"{package.name or 'no package'} {package.version}", "bold")
    width = max(len(part.name) for part in package.parts)
    for part in package.parts:
        mark = ("  ✗ ", "red") if part.faults else ("  ! ", "yellow") if part.remarks else ("  ● ", "green")
        yield Text.assemble(mark, f"{part.kind:<10} {part.name:<{width}}  {_summary(part)}".rstrip())
        for text in (*part.faults, *part.remarks):
            yield Text(f"      {text[0].upper()}{text[1:].rstrip('.')}.", "red" if part.faults else "")
    if not package.is_ours and any(part.kind == "driver" for part in package.parts):
        yield Text(f"    Drivers of this package are {NOT_GRADED}.", "dim")


def _summary(part: InstalledPart) -> str:
    facts = part.facts
    if part.faults:
        return part.place
    match part.kind:
        case "driver":
            grade = facts["grade"] or ""
            return f"{facts.get('family', ''):<20} {grade}"
        case "vocabulary":
            events, commands = facts["events"], facts["commands"]
            assert isinstance(events, list)
            assert isinstance(commands, list)
            return f"version {facts['version']}: {', '.join((*events, *commands))}"
        case _:
            return ""
