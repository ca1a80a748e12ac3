"""`borderpost audit`: who commanded, claimed or did what at this post."""

from typing import Annotated, Any

import typer

from gateway.cli.asking import AsJson, asked, told
from gateway.cli.lines import local_time
from gateway.cli.positions import PostFile
from gateway.cli.terminal import DEFAULT_CONFIG


def audit(
    config: PostFile = DEFAULT_CONFIG,
    limit: Annotated[int, typer.Option("-n", "--limit", min=1, max=10_000, help="So many at most.")] = 50,
    as_json: AsJson = False,
) -> None:
    """Show the record of commands, claims and technicians' orders, the newest last."""
    entries = asked(config, f"audit?limit={limit}")
    told(entries[::-1], lambda entries: map(_line, entries), as_json=as_json)


def _line(entry: dict[str, Any]) -> str:
    said = " ".join(
        f"{name}={value}" for name, value in entry["data"].items() if value not in (None, "", [], {})
    )
    return f"{local_time(entry['at'])} {entry['position']} {entry['type']} {said}"
