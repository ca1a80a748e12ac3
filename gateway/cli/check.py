"""`borderpost check`: run a device's self-test, and show the result."""

from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, Any

import typer

from gateway.cli._lib.api_client import AsJson, device_path, print_answer, request_or_exit
from gateway.cli._lib.arguments import OneDevice, PostFile

OUTCOME_MARKS = {"successful": ("ok", "green"), "failed": ("FAILED", "red"), "aborted": ("aborted", "yellow")}


class CheckLevelName(StrEnum):
    """Levels of `drivers.self_test.SelfTestLevel`, whose module would load the models of all observations."""

    internal = "internal"
    external = "external"
    interactive = "interactive"


def check(
    config: PostFile,
    position: OneDevice,
    level: Annotated[
        CheckLevelName,
        typer.Option(
            help="Self-test level: internal (no visible effect), external (lamp, beep or picture), "
            "interactive (needs a specimen)."
        ),
    ] = CheckLevelName.internal,
    as_json: AsJson = False,
) -> None:
    """Run a device's self-test.

    Exit codes: 0 every step passed; 1 a step failed, or no step was run.
    """
    if level is CheckLevelName.interactive and not as_json:
        typer.echo(f"{position}: present the specimen within one minute", err=True)
    report = request_or_exit(config, device_path(position, "/check"), method="POST", body={"level": level})
    print_answer(report, _lines, as_json=as_json)
    steps = report["steps"]
    tried = [step for step in steps if step["outcome"] != "not_supported"]
    raise typer.Exit(0 if tried and all(step["outcome"] == "successful" for step in tried) else 1)


def _lines(report: dict[str, Any]) -> Iterator[str]:
    if not report["steps"]:
        yield f"this device has no {report['level']} self-test"
    for step in report["steps"]:
        word, colour = OUTCOME_MARKS.get(step["outcome"], (step["outcome"], "yellow"))
        measured = "" if step["measured"] is None else f" {step['measured']:g} {step['unit']}".rstrip()
        yield f"{typer.style(f'{word:<7}', fg=colour)} {step['name']}:{measured} {step['text']}"
        if step["outcome"] != "successful" and step["how"]:
            yield f"        {step['action']}: {step['how']}"
