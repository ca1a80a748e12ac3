"""`borderpost scenario`: play scenarios of a simulated post, for CI and for trainers."""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli._lib.interrupts import Interrupted, Interrupts
from gateway.cli._lib.terminal import console, exit_with, require_simulators

if TYPE_CHECKING:
    from gateway.cli._scenario.player import StepResult
    from gateway.cli._scenario.run import ScenarioResult

app = typer.Typer(no_args_is_help=True, help="Play scenarios of a simulated post.")


@app.callback()
def scenario() -> None:
    """Play scenarios of a simulated post."""


@app.command("run")
def run(
    files: Annotated[list[Path], typer.Argument(help="Files of scenarios, TOML.")],
    junit: Annotated[Path | None, typer.Option(help="Write the results here, as JUnit XML.")] = None,
    events: Annotated[
        Path | None,
        typer.Option(
            help="Write the types of the events of each device here, as JSON: equal for equal runs."
        ),
    ] = None,
) -> None:
    """Play scenarios, each with a broker, simulated devices and a gateway of its own.

    Exit codes: 0 every step passed; 1 a step failed; 65 a file is no scenario; 69 no broker could be started;
    73 a file of results cannot be written; 75 ended by Ctrl-C or SIGTERM, with all programs.
    """
    require_simulators()
    for written in (junit, events):
        if written is not None:
            _require_writable(written)
    with Interrupts() as interrupts:  # first, because the libraries take a second to load
        from gateway.cli._scenario.run import run_scenario
        from gateway.cli._scenario.scenario import ScenarioError, load_scenario
        from gateway.testing.post.errors import PostError

        results: dict[str, ScenarioResult] = {}
        try:
            for name, one in {str(file): load_scenario(file) for file in files}.items():
                console.print(f"{name}: {one.title}", markup=False, soft_wrap=True)
                results[name] = run_scenario(one, interrupts, _show)
                _show_troubles(results[name])
        except ScenarioError as error:
            exit_with(str(error), os.EX_DATAERR)
        except Interrupted:
            exit_with("ended before the last step", os.EX_TEMPFAIL)
        except PostError as error:
            exit_with(str(error), error.exit_code)
    try:
        if junit is not None:
            from gateway.cli._scenario.junit import write_junit

            write_junit(junit, results)
        if events is not None:
            seen = {
                name: {"events": result.events, "disturbed": result.disturbed}
                for name, result in results.items()
            }
            events.write_text(json.dumps(seen, indent=1) + "\n")
    except OSError as error:
        exit_with(f"{error.filename}: {error.strerror}", os.EX_CANTCREAT)
    raise typer.Exit(0 if all(result.passed for result in results.values()) else 1)


def _require_writable(file: Path) -> None:
    """End the program if the file cannot be written: before the scenarios, which take minutes."""
    if file.is_dir() or not os.access(file if file.exists() else file.parent, os.W_OK):
        exit_with(f"{file}: cannot be written; name another file", os.EX_CANTCREAT)


def _show_troubles(result: "ScenarioResult") -> None:
    if result.disturbed:
        lost = ", ".join(result.disturbed)
        console.print(f"  disturbed: {lost} lost the link, without a fault of a step", style="yellow")
    if result.error:
        console.print(result.error, style="red", markup=False, soft_wrap=True)


def _show(step: "StepResult") -> None:
    style = {"passed": "green", "failed": "red", "not run": "dim"}[step.outcome]
    console.print(f"  {step.outcome:<8} {step.took_s:6.2f} s  {step.title}", style=style, markup=False)
    if step.text:
        console.print(f"    {step.text}", style=style, markup=False, soft_wrap=True)
