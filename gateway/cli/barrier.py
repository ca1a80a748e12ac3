"""`borderpost barrier`: the safety case of a barrier, and its tests at the machine."""

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any

import typer

from drivers.barrier.board_settings import BoardBarrierSettings
from drivers.barrier.safety.protocol import ProtocolKind, ProtocolStep, protocol
from gateway.cli._lib.api_client import (
    ApiError,
    ApiUnavailable,
    Why,
    ask,
    device_path,
    exit_with_error,
    request_or_exit,
    state_dir,
)
from gateway.cli._lib.arguments import DeviceCommand, OneDevice, PostFile
from gateway.cli._lib.post_file import load_or_fail
from gateway.cli._lib.terminal import exit_with
from gateway.cli._render.safety_case_page import CasePage

EX_FAILED = 1
_TITLES = {
    ProtocolKind.COMMISSIONING: "commissioning",
    ProtocolKind.PROOF_TEST: "proof test",
    ProtocolKind.POWER_ON: "power-on test",
}
app = typer.Typer(
    help="Safety case, commissioning, proof and power-on tests of a barrier.", no_args_is_help=True
)


@app.command(cls=DeviceCommand)
def case(
    config: PostFile,
    position: OneDevice,
    html: Annotated[
        Path | None, typer.Option(help="Write it as a page to print and sign, with the wiring drawn.")
    ] = None,
) -> None:
    """Print what a cut wire, a dead gateway, a dead board and a stuck relay do at this barrier.

    Nothing is connected or moved: it is computed from the configuration.
    """
    page = load_case(config, position)
    if html is None:
        typer.echo("\n".join(page.lines()))
        return
    try:
        html.write_text(page.html(), "utf-8")
    except OSError as error:
        exit_with(f"{html} cannot be written: {error.strerror}", os.EX_CANTCREAT)
    typer.echo(f"{html} written; open it in a browser, print it, and have it signed")


def load_case(config: Path, position: str) -> CasePage:
    """Return the safety case of a barrier; ends with EX_USAGE if there is no barrier."""
    post = load_or_fail(config)
    device = next((each for where, each in post.devices.items() if str(where) == position), None)
    if device is None or not isinstance(device.settings, BoardBarrierSettings):
        barriers = [
            str(where)
            for where, each in post.devices.items()
            if isinstance(each.settings, BoardBarrierSettings)
        ]
        exit_with(
            f"{position} is no barrier of this post\n"
            f"    barriers in {config}: {', '.join(barriers) or 'none'}",
            os.EX_USAGE,
        )
    return CasePage.of(post.gateway.site, post.gateway.name, position, device.driver, device.settings)


@app.command(cls=DeviceCommand)
def commission(config: PostFile, position: OneDevice, reason: Why = "commissioning at the machine") -> None:
    """Test every wire, relay and fault of a barrier at the machine, and record the protocol.

    Required before the first use and after every change of its configuration. Nothing is moved by this
    command: it gives instructions, and compares what the gateway reads.

    Exit codes: 0 passed; 1 a step failed.
    """
    _test(config, position, ProtocolKind.COMMISSIONING, reason)


@app.command(cls=DeviceCommand)
def prooftest(config: PostFile, position: OneDevice, reason: Why = "proof test at the machine") -> None:
    """Test the protective inputs and functions of a barrier, and record the protocol.

    Required at the interval `proof_test_months`; `borderpost doctor` reports a test that is due.

    Exit codes: 0 passed; 1 a step failed.
    """
    _test(config, position, ProtocolKind.PROOF_TEST, reason)


@app.command(cls=DeviceCommand)
def powertest(config: PostFile, position: OneDevice, reason: Why = "the post was without power") -> None:
    """Test a barrier before it is used again after a loss of power, and record the protocol.

    `borderpost doctor` reports a barrier that was not tested since the machine was started.

    Exit codes: 0 passed; 1 a step failed.
    """
    _test(config, position, ProtocolKind.POWER_ON, reason)


def _test(config: Path, position: str, kind: ProtocolKind, reason: str) -> None:
    """Run the self-test, then each step of the protocol with a person, and record the results."""
    page = load_case(config, position)
    fingerprint = page.settings.fingerprint()
    if request_or_exit(config, device_path(position))["configuration"] != fingerprint:
        exit_with(
            f"The gateway does not run {position} as configured in {config}, so a test would not count\n"
            "    Load the file: sudo systemctl reload borderpost",
            os.EX_TEMPFAIL,
        )
    checked = request_or_exit(
        config, device_path(position, "/check"), method="POST", body={"level": "internal"}
    )
    if failed := [step for step in checked["steps"] if step["outcome"] == "failed"]:
        exit_with(
            "\n".join(f"{step['name']}: {step['text']}\n    {step['how']}" for step in failed), EX_FAILED
        )
    steps = protocol(page.settings, kind)
    typer.echo(f"{position}: {_TITLES[kind]}, {len(steps)} steps. Keep people out of its way.")
    answers = _answer_steps(config, position, steps)
    failures = [step.name for step, passed in zip(steps, answers, strict=False) if not passed]
    if len(answers) < len(steps) and not failures:
        at = len(answers) + 1
        exit_with(
            f"\n{position}: {_TITLES[kind]} interrupted at step {at}, and nothing was recorded\n"
            "    Plug in every wire, then begin it again.",
            EX_FAILED,
        )
    unanswered = [False] * (len(steps) - len(answers))  # a test with a failed step has failed
    body = {
        "kind": kind,
        "configuration": fingerprint,
        "steps": [
            {"name": step.name, "passed": passed}
            for step, passed in zip(steps, answers + unanswered, strict=True)
        ],
        "reason": reason,
    }
    _record(config, position, body)
    result = f"FAILED: {', '.join(failures)}" if failures else "passed"
    typer.echo(f"{position}: {_TITLES[kind]} {result}, and recorded")
    raise typer.Exit(EX_FAILED if failures else 0)


def _answer_steps(config: Path, position: str, steps: Sequence[ProtocolStep]) -> list[bool]:
    """Return the result of each step, in order; of those before it, where a person interrupts the test."""
    answers: list[bool] = []
    for number, step in enumerate(steps, 1):
        typer.echo(
            f"\n{number}/{len(steps)} {step.name}\n    {step.instruction.render()}\n"
            f"    Expected: {step.expected.render()}"
        )
        try:
            passed = _run_step(config, position, step)
        except typer.Abort:
            break
        typer.echo(typer.style("    passed" if passed else "    FAILED", fg="green" if passed else "red"))
        answers.append(passed)
    return answers


def _run_step(config: Path, position: str, step: ProtocolStep) -> bool:
    """Return True if the gateway has read the expected value, or if the person has seen the result."""
    if step.sensed is None:
        return typer.confirm("    Is the result as expected?", default=False)
    began = datetime.now(UTC)
    while typer.confirm("    Done?", default=True):
        try:
            events = ask(state_dir(config), device_path(position, "/events"))
        except (ApiUnavailable, ApiError) as error:
            typer.echo(f"    {error.text}\n    {error.how}")
            continue
        key, value = step.sensed
        if any(_sensed(event, key) is value for event in events if _is_new(event, began)):
            return True
        typer.echo("    The gateway has not read that since this step began.")
    return False


def _record(config: Path, position: str, body: object) -> None:
    """Record a protocol, as often as the person tries while the gateway does not respond.

    One of the steps is to kill it.
    """
    while True:
        try:
            ask(state_dir(config), device_path(position, "/test"), method="POST", body=body)
        except (ApiUnavailable, ApiError) as error:
            is_away = isinstance(error, ApiUnavailable) or error.status == HTTPStatus.SERVICE_UNAVAILABLE
            if not is_away:
                exit_with_error(error)
            typer.echo(f"\n{error.text}\n    {error.how}")
            if not typer.confirm("    Try again to record the test?", default=True):
                exit_with_error(error)
        else:
            return


def _is_new(event: dict[str, Any], began: datetime) -> bool:
    return event["type"] == "barrier.state" and datetime.fromisoformat(event["at"]) >= began


def _sensed(event: dict[str, Any], key: tuple[str | int, ...]) -> object:
    """Return the value of an input in a state of the barrier."""
    value: Any = event["data"]
    for part in key:
        value = value[part]
    return value
