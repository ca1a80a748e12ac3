"""What the commands on the local API share: ask, or say why not; print JSON, or lines."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.cli.local_api import NotAnswered, Refused, ask, at, explain, state_dir

AsJson = Annotated[bool, typer.Option("--json", help="Machine-readable.")]
Why = Annotated[str, typer.Option("--reason", help="Why, without names of persons: it goes into the record.")]


def asked(config: Path, path: str, *, method: str = "GET", body: object = None) -> Any:
    """The gateway's answer, or its refusal as a sentence and an exit code."""
    try:
        return ask(state_dir(config), path, method=method, body=body)
    except (NotAnswered, Refused) as error:
        explain(error)


def ordered(config: Path, position: str, what: str, body: object, done: str, *, as_json: bool) -> None:
    """Have it done, and say so."""
    asked(config, at(position, what), method="POST", body=body)
    told({"position": position, "done": True}, lambda _: [f"{position}: {done}"], as_json=as_json)


def told(answer: Any, lines: Callable[[Any], Iterable[str]], *, as_json: bool) -> None:
    """Print an answer."""
    if as_json:
        typer.echo(json.dumps(answer, ensure_ascii=False))
        return
    for line in lines(answer):
        typer.echo(line)
