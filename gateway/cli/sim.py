"""`borderpost sim`: control a simulated post that runs."""

import json
import os
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.cli._demo.running_demo import find
from gateway.cli._lib.terminal import exit_with, require_simulators

SOCKET = "simulators.sock"
WITHOUT_NAME = ("list", "cast", "faults", "truth", "status", "clear", "reset")
"""Actions that are for all devices if none is named."""


def sim(
    do: Annotated[
        str,
        typer.Argument(
            help="list, status, cast, faults, insert, remove, fault, truth, clear, reset or wait."
        ),
    ],
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[POSITION] [FAULT] [NAME=VALUE]...",
            help="Device, name of a fault, and arguments, such as member=photocopy.",
        ),
    ] = None,
    socket: Annotated[
        str | None,
        typer.Option(
            envvar="BORDERPOST_SIMULATORS",
            help="Control socket of the post, its folder, or tcp://HOST:PORT; default: a running demo.",
        ),
    ] = None,
    token_file: Annotated[
        Path | None,
        typer.Option(
            envvar="BORDERPOST_SIMULATORS_TOKEN_FILE", help="File of the token, for tcp://HOST:PORT."
        ),
    ] = None,
) -> None:
    """Present documents, fingers and vehicles, inject faults, reset: requests of simulators/README.md.

    `sim insert lane-1/reader member=photocopy`, `sim fault lane-1/reader unplug for_s=2`,
    `sim wait lane-1/reader host_connected=true`, `sim truth last=5`, `sim reset`. `sim cast` lists the
    travellers, `sim faults POSITION` the faults with their arguments.

    The answer is JSON. Exit codes: 0 done; 64 wrong arguments; 65 refused; 69 no simulated post responds.
    """
    require_simulators()
    from simulators.control import send_command_blocking
    from simulators.errors import SimulatorError

    request = make_request(do, words or [])
    try:
        answer = send_command_blocking(_socket(socket), request, timeout_s=600, token=_token(token_file))
    except SimulatorError as error:
        exit_with(str(error), os.EX_UNAVAILABLE)
    if not answer.pop("ok"):
        exit_with(answer["error"], os.EX_DATAERR)
    typer.echo(json.dumps(answer, indent=1, ensure_ascii=False))


def make_request(do: str, words: list[str]) -> dict[str, Any]:
    """Return the request that the words of a command line mean; ends with EX_USAGE for others."""
    plain = [word for word in words if "=" not in word]
    arguments: dict[str, Any] = {}
    for name, _, text in (word.partition("=") for word in words if "=" in word):
        try:
            arguments[name] = json.loads(text)
        except ValueError:
            arguments[name] = text
    request: dict[str, Any] = {"do": do}
    if plain:
        request["name"] = plain.pop(0)
    elif do not in WITHOUT_NAME:
        exit_with(f"{do}: name the device, such as lane-1/reader", os.EX_USAGE)
    if do == "fault":
        if not plain:
            exit_with("fault: name the fault after the device, such as unplug", os.EX_USAGE)
        request |= {"fault": plain.pop(0), "args": arguments}
    elif do == "wait":
        limit = {"within_s": arguments.pop("within_s")} if "within_s" in arguments else {}
        request |= {"until": arguments} | limit
    else:
        request |= arguments
    if plain:
        exit_with(f"{' '.join(plain)}: write arguments as NAME=VALUE", os.EX_USAGE)
    return request


def _token(file: Path | None) -> str:
    if file is None:
        return ""
    try:
        return file.read_text("utf-8").strip()
    except OSError as error:
        exit_with(f"{file}: {error.strerror}", os.EX_NOINPUT)


def _socket(given: str | None) -> Path | str:
    if given is not None and given.startswith("tcp://"):
        return given
    if given is not None:
        return Path(given) / SOCKET if Path(given).is_dir() else Path(given)
    demo = find()
    if demo is None:
        exit_with(
            "no demo is running: name the control socket of a simulated post with --socket", os.EX_USAGE
        )
    return demo.resolve().parent / SOCKET
